//! The reference store: everything in one map, nothing kept for good. It is short enough to be read as the specification of
//! [`HistoryStore`] and [`SessionIndex`], and is the oracle that other stores are tested against.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, SubsecRound, Utc};

use crate::history::History;
use crate::ids::{ConversationKey, Department, MessageId, UserId, Version};
use crate::message::{Message, MessageView};
use crate::ports::clock::{Clock, SystemClock};
use crate::ports::history_store::{AppendError, HistoryStore, Lookup, Page, PageFrom, StoreError};
use crate::ports::session_index::{SessionCursor, SessionIndex, SessionPage, SessionSummary};
use crate::turn::{Append, Committed, CommittedMessage};
use crate::window::WindowLimits;

/// The reference implementation of the store ports.
pub struct MemoryStore<C = SystemClock> {
    clock: C,
    tables: Mutex<Tables>,
}

#[derive(Default)]
struct Tables {
    sessions: BTreeMap<ConversationKey, Session>,
    last_id: i64,
}

#[derive(Default)]
struct Session {
    version: Version,
    erased: Option<Version>,
    ended_at: Option<DateTime<Utc>>,
    messages: Vec<Message>,
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

impl Tables {
    fn append(&mut self, append: &Append, now: DateTime<Utc>) -> Result<Committed, AppendError> {
        let current = self
            .sessions
            .get(&append.key)
            .map_or(Version::ZERO, |session| session.version);
        if append.if_version.is_some_and(|expected| expected != current) {
            return Err(AppendError::VersionConflict { current });
        }
        let session = self.sessions.entry(append.key.clone()).or_default();
        session.version = session.version.next();
        session.ended_at = None;
        let mut committed = Committed {
            version: session.version,
            messages: Vec::new(),
        };
        for message in append.turn.messages() {
            self.last_id += 1;
            let created_at = message.created_at().unwrap_or(now).trunc_subsecs(6);
            let row = CommittedMessage {
                id: MessageId(self.last_id),
                created_at,
            };
            committed.messages.push(row);
            session.messages.push(Message {
                id: row.id,
                role: message.role(),
                content: message.content().to_owned(),
                created_at,
                metadata: message.metadata().cloned(),
            });
        }
        Ok(committed)
    }
}

impl Session {
    fn lookup(&self, limits: WindowLimits) -> Result<Lookup, StoreError> {
        let skipped = self
            .messages
            .len()
            .saturating_sub(usize::from(limits.messages_max()) + 1);
        let rows: Vec<_> = self.messages.iter().skip(skipped).map(Message::view).collect();
        Ok(Lookup::of(History::from_rows(&rows, self.version, limits)?))
    }

    fn erase(&mut self) -> bool {
        let had_messages = !self.messages.is_empty();
        self.messages.clear();
        self.erased = Some(self.version);
        self.version = self.version.next();
        had_messages
    }

    fn summary(&self, key: &ConversationKey) -> Option<SessionSummary> {
        Some(SessionSummary {
            session: key.session.clone(),
            version: self.version,
            started_at: self.messages.first()?.created_at,
            last_active_at: self.messages.last()?.created_at,
            ended_at: self.ended_at,
        })
    }
}

impl<C: Clock> HistoryStore for MemoryStore<C> {
    async fn load(&self, keys: &[ConversationKey], limits: WindowLimits) -> Result<Vec<Lookup>, StoreError> {
        let tables = self.tables();
        let lookup = |key| {
            let session = tables.sessions.get(key);
            session.map_or(Ok(Lookup::New(Version::ZERO)), |session| session.lookup(limits))
        };
        keys.iter().map(lookup).collect()
    }

    async fn append(&self, appends: &[Append]) -> Vec<Result<Committed, AppendError>> {
        let now = self.clock.utc();
        let mut tables = self.tables();
        appends.iter().map(|append| tables.append(append, now)).collect()
    }

    async fn page(&self, key: &ConversationKey, from: PageFrom, limit: u16) -> Result<Page, StoreError> {
        let tables = self.tables();
        let messages = tables
            .sessions
            .get(key)
            .map(|session| &*session.messages)
            .unwrap_or_default();
        let limit = usize::from(limit);
        let page = |matching: Vec<&Message>, newest_of_them: bool| {
            let left_out = matching.len().saturating_sub(limit);
            let skipped = if newest_of_them { left_out } else { 0 };
            let messages = matching.into_iter().skip(skipped).take(limit).cloned().collect();
            Page {
                messages,
                more: left_out > 0,
            }
        };
        let all = messages.iter();
        Ok(match from {
            PageFrom::Newest => page(all.collect(), true),
            PageFrom::Before(id) => page(all.filter(|message| message.id < id).collect(), true),
            PageFrom::Oldest => page(all.collect(), false),
            PageFrom::After(id) => page(all.filter(|message| message.id > id).collect(), false),
        })
    }

    async fn end(&self, key: &ConversationKey) -> Result<(), StoreError> {
        let now = self.clock.utc();
        if let Some(session) = self.tables().sessions.get_mut(key) {
            session.ended_at.get_or_insert(now);
        }
        Ok(())
    }

    async fn erase(&self, key: &ConversationKey) -> Result<Version, StoreError> {
        let mut tables = self.tables();
        let session = tables.sessions.entry(key.clone()).or_default();
        session.erase();
        Ok(session.version)
    }

    async fn erase_user(
        &self,
        department: &Department,
        user: &UserId,
    ) -> Result<Vec<ConversationKey>, StoreError> {
        let mut tables = self.tables();
        let of_user = tables
            .sessions
            .iter_mut()
            .filter(|(key, _)| key.department == *department && key.user == *user);
        Ok(of_user
            .filter_map(|(key, session)| session.erase().then(|| key.clone()))
            .collect())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

impl<C: Clock> SessionIndex for MemoryStore<C> {
    async fn list(
        &self,
        department: &Department,
        user: &UserId,
        after: Option<&SessionCursor>,
        limit: u16,
    ) -> Result<SessionPage, StoreError> {
        let tables = self.tables();
        let of_user = tables
            .sessions
            .iter()
            .filter(|(key, _)| key.department == *department && key.user == *user);
        let mut sessions: Vec<_> = of_user
            .filter_map(|(key, session)| session.summary(key))
            .collect();
        sessions.sort_by(|a, b| {
            b.last_active_at
                .cmp(&a.last_active_at)
                .then_with(|| a.session.cmp(&b.session))
        });
        if let Some(after) = after {
            sessions.retain(|summary| {
                summary.last_active_at < after.last_active_at
                    || (summary.last_active_at == after.last_active_at && summary.session > after.session)
            });
        }
        let more = sessions.len() > usize::from(limit);
        sessions.truncate(usize::from(limit));
        Ok(SessionPage { sessions, more })
    }

    async fn recent(&self, limit: u16) -> Result<Vec<ConversationKey>, StoreError> {
        let tables = self.tables();
        let newest = |(key, session): (&ConversationKey, &Session)| {
            session.messages.last().map(|message| (message.id, key.clone()))
        };
        let mut keys: Vec<_> = tables.sessions.iter().filter_map(newest).collect();
        keys.sort_by_key(|(id, _)| std::cmp::Reverse(*id));
        Ok(keys
            .into_iter()
            .take(usize::from(limit))
            .map(|(_, key)| key)
            .collect())
    }

    async fn keys(
        &self,
        department: Option<&Department>,
        after: Option<&ConversationKey>,
        limit: u16,
    ) -> Result<Vec<ConversationKey>, StoreError> {
        let tables = self.tables();
        let matching = tables.sessions.iter().filter(|(key, session)| {
            !session.messages.is_empty()
                && department.is_none_or(|department| key.department == *department)
                && after.is_none_or(|after| *key > after)
        });
        Ok(matching
            .take(usize::from(limit))
            .map(|(key, _)| key.clone())
            .collect())
    }
}
