//! What a chat is asked.

use std::sync::Arc;

use hearth_domain::{
    BodyHash, ConversationKey, Department, Endpoint, IdempotencyKey, NewMessage, RequestKey, SessionId, Turn,
    UserId, Version,
};

use crate::observer::TurnObserver;

/// One request to chat.
#[derive(Debug, Clone)]
pub struct ChatRequest {
    /// The tenant.
    pub department: Department,
    /// The person.
    pub user: UserId,
    /// The conversation; without one, a new one is made up.
    pub session: Option<SessionId>,
    /// What is asked; its role is the user's.
    pub query: NewMessage,
    /// Whether earlier turns are read and this one is kept.
    pub history: bool,
    /// Answer only from a history at least this new.
    pub min_version: Option<Version>,
    /// Commit only onto exactly this version.
    pub if_version: Option<Version>,
    /// What makes a repeat safe, where the caller sent a key.
    pub idempotency: Option<Idempotency>,
    /// Who is told of the turn's steps, if anybody.
    pub observer: Option<Arc<dyn TurnObserver>>,
}

/// One request to append a turn without a model.
#[derive(Debug, Clone)]
pub struct AppendRequest {
    /// The conversation.
    pub key: ConversationKey,
    /// What is added.
    pub turn: Turn,
    /// Commit only onto exactly this version.
    pub if_version: Option<Version>,
    /// What makes a repeat safe, where the caller sent a key.
    pub idempotency: Option<Idempotency>,
}

/// What makes a repeat safe: it sends the same key and says the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The caller's key.
    pub key: IdempotencyKey,
    /// The hash of all that the request says.
    pub body: BodyHash,
}

impl Idempotency {
    /// The name of the request for all replicas.
    pub(crate) fn request(&self, department: &Department, user: &UserId, endpoint: Endpoint) -> RequestKey {
        RequestKey {
            department: department.clone(),
            user: user.clone(),
            endpoint,
            key: self.key.clone(),
        }
    }
}
