//! Which sessions there are.

use super::MemoryStore;
use super::conversations::Session;
use crate::ids::{ConversationKey, Department, UserId};
use crate::ports::clock::Clock;
use crate::ports::history_store::StoreError;
use crate::ports::session_index::{SessionCursor, SessionIndex, SessionPage};

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
