//! Which sessions there are.

use super::MemoryStore;
use super::conversations::Session;
use crate::ids::{ConversationKey, Department, TurnId, UserId};
use crate::limits::{TURN_SEARCH_MESSAGES_MAX, TURN_SEARCH_SESSIONS_MAX};
use crate::ports::clock::Clock;
use crate::ports::history_store::StoreError;
use crate::ports::session_index::{SessionCursor, SessionIndex, SessionPage};
use crate::ports::turn_index::{KeptTurn, TurnIndex};
use crate::role::Role;

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

impl<C: Clock> TurnIndex for MemoryStore<C> {
    async fn find_turn(
        &self,
        department: &Department,
        user: &UserId,
        turn: TurnId,
    ) -> Result<Option<KeptTurn>, StoreError> {
        let id = turn.to_string();
        let tables = self.tables();
        let of_user = tables.sessions.iter().filter(|(key, session)| {
            key.department == *department && key.user == *user && !session.messages.is_empty()
        });
        let mut sessions: Vec<_> = of_user.collect();
        sessions.sort_by_key(|(_, session)| std::cmp::Reverse(session.messages.last().map(|last| last.id)));
        sessions.truncate(TURN_SEARCH_SESSIONS_MAX.into());
        Ok(sessions.into_iter().find_map(|(key, session)| {
            let newest = session
                .messages
                .iter()
                .rev()
                .take(TURN_SEARCH_MESSAGES_MAX.into());
            let mut responses = newest.filter(|message| message.role == Role::Assistant);
            let found = responses.find(|message| {
                message
                    .metadata
                    .as_ref()
                    .is_some_and(|own| own["turn_id"] == id.as_str())
            })?;
            Some(KeptTurn {
                key: key.clone(),
                response: found.clone(),
            })
        }))
    }
}
