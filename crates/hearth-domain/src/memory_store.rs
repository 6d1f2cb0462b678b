//! The reference store: everything in one map, nothing kept for good. It is short enough to be read as the specification of
//! [`HistoryStore`], [`SessionIndex`], [`TurnIndex`], [`RequestLog`] and [`KeyStore`], and is the oracle that other stores are tested against.
//!
//! [`HistoryStore`]: crate::ports::HistoryStore
//! [`SessionIndex`]: crate::ports::SessionIndex
//! [`TurnIndex`]: crate::ports::TurnIndex
//! [`RequestLog`]: crate::ports::RequestLog
//! [`KeyStore`]: crate::ports::KeyStore

mod conversations;
mod index;
mod keys;
mod requests;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::api_key::{ApiKey, KeyId};
use crate::ids::{ConversationKey, Version};
use crate::message::{Message, MessageView};
use crate::ports::clock::{Clock, SystemClock};
use conversations::Session;
use requests::Requests;

/// The reference implementation of the store ports. Its time is its clock's.
pub struct MemoryStore<C = SystemClock> {
    clock: C,
    tables: Mutex<Tables>,
}

#[derive(Default)]
struct Tables {
    sessions: BTreeMap<ConversationKey, Session>,
    last_id: i64,
    requests: Requests,
    keys: BTreeMap<KeyId, ApiKey>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(SystemClock::default())
    }
}

impl<C: Clock> MemoryStore<C> {
    /// An empty store.
    #[must_use]
    pub fn new(clock: C) -> Self {
        Self {
            clock,
            tables: Mutex::default(),
        }
    }

    /// Puts a row into the table as a program other than Hearth would: no version is raised.
    pub fn insert_foreign(&self, key: &ConversationKey, message: &MessageView<'_>) {
        let mut tables = self.tables();
        tables.last_id = tables.last_id.max(message.id.0);
        let session = tables.sessions.entry(key.clone()).or_default();
        session.messages.push(Message {
            id: message.id,
            role: message.role,
            content: message.content.to_string(),
            created_at: message.created_at,
            metadata: None,
        });
        session.messages.sort_by_key(|message| message.id);
    }

    /// The version up to which a session is erased.
    #[must_use]
    pub fn erased_version(&self, key: &ConversationKey) -> Option<Version> {
        self.tables().sessions.get(key).and_then(|session| session.erased)
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
