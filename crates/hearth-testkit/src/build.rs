//! Keys, messages, turns and requests in one word each. Every builder panics where the domain would refuse the value.

use std::time::Duration;

use hearth_domain::ports::Claim;
use hearth_domain::{
    Append, BodyHash, ClaimOwner, Completion, ConversationKey, Endpoint, IdempotencyKey, NewMessage,
    RequestKey, Role, Turn,
};
use serde_json::Value;

/// The key of three texts.
#[must_use]
pub fn key(department: &str, user: &str, session: &str) -> ConversationKey {
    ConversationKey::parse(department, user, session).unwrap()
}

/// What a person says.
#[must_use]
pub fn user(content: &str) -> NewMessage {
    message(Role::User, content)
}

/// What a model answers.
#[must_use]
pub fn assistant(content: &str) -> NewMessage {
    message(Role::Assistant, content)
}

/// A message of any role.
#[must_use]
pub fn message(role: Role, content: &str) -> NewMessage {
    NewMessage::new(role, content).unwrap()
}

/// The turn of these messages.
#[must_use]
pub fn turn(messages: &[NewMessage]) -> Turn {
    Turn::new(messages.to_vec()).unwrap()
}

/// The turn that most turns are: a query and the response to it.
#[must_use]
pub fn exchange(query: &str, response: &str) -> Turn {
    turn(&[user(query), assistant(response)])
}

/// A turn on its way to a session, onto whatever version it has.
#[must_use]
pub fn append(key: &ConversationKey, turn: Turn) -> Append {
    Append::new(key.clone(), turn)
}

/// The chat request of a key, by whoever has this conversation.
#[must_use]
pub fn request(conversation: &ConversationKey, idempotency_key: &str) -> RequestKey {
    RequestKey {
        department: conversation.department.clone(),
        user: conversation.user.clone(),
        endpoint: Endpoint::Chat,
        key: IdempotencyKey::new(idempotency_key).unwrap(),
    }
}

/// A new attempt at [`request`], about this conversation, with a lease that outlives any test. The body is the same for all.
#[must_use]
pub fn claim(conversation: &ConversationKey, idempotency_key: &str) -> Claim {
    Claim {
        request: request(conversation, idempotency_key),
        body: BodyHash([7; 32]),
        owner: ClaimOwner::generate(),
        session: conversation.session.clone(),
        lease: Duration::from_secs(3_600),
    }
}

/// What completes the request of a claim.
#[must_use]
pub fn completion(claim: &Claim, answer: Value) -> Completion {
    Completion {
        request: claim.request.clone(),
        owner: claim.owner,
        answer,
    }
}
