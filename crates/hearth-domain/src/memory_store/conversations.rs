//! What was said: sessions, their messages and their versions.

use chrono::{DateTime, SubsecRound, Utc};

use super::{MemoryStore, Tables};
use crate::history::History;
use crate::ids::{ConversationKey, Department, MessageId, UserId, Version};
use crate::message::Message;
use crate::ports::clock::Clock;
use crate::ports::history_store::{AppendError, HistoryStore, Lookup, Page, PageFrom, StoreError};
use crate::ports::session_index::SessionSummary;
use crate::turn::{Append, Committed, CommittedMessage};
use crate::window::WindowLimits;

#[derive(Default)]
pub(super) struct Session {
    pub(super) version: Version,
    /// The version up to which it is erased.
    pub(super) erased: Option<Version>,
    pub(super) ended_at: Option<DateTime<Utc>>,
    pub(super) messages: Vec<Message>,
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

    pub(super) fn summary(&self, key: &ConversationKey) -> Option<SessionSummary> {
        Some(SessionSummary {
            session: key.session.clone(),
            version: self.version,
            started_at: self.messages.first()?.created_at,
            last_active_at: self.messages.last()?.created_at,
            ended_at: self.ended_at,
        })
    }
}

impl Tables {
    fn append(&mut self, append: &Append, now: DateTime<Utc>) -> Result<Committed, AppendError> {
        self.admit(append)?;
        let committed = self.commit(append, now);
        if let Some(completion) = &append.completes {
            self.requests.complete(completion, Some(&committed));
        }
        Ok(committed)
    }

    /// What keeps a turn out, in this order: an erase that it would undo, a request that somebody else has, a version that it does not expect.
    fn admit(&self, append: &Append) -> Result<(), AppendError> {
        let session = self.sessions.get(&append.key);
        let erased = session.and_then(|session| session.erased);
        if erased.is_some_and(|erased| append.read_version.is_some_and(|read| read <= erased)) {
            return Err(AppendError::Erased);
        }
        let completion = append.completes.as_ref();
        if completion.is_some_and(|it| !self.requests.is_owned(&it.request, it.owner)) {
            return Err(AppendError::ClaimLost);
        }
        let current = session.map_or(Version::ZERO, |session| session.version);
        if append.if_version.is_some_and(|expected| expected != current) {
            return Err(AppendError::VersionConflict { current });
        }
        Ok(())
    }

    fn commit(&mut self, append: &Append, now: DateTime<Utc>) -> Committed {
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
        committed
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
        tables
            .requests
            .erase(&key.department, &key.user, Some(&key.session));
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
        tables.requests.erase(department, user, None);
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
