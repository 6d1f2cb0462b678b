//! Which sessions there are: those with messages, whoever wrote them. And which of them a turn is in.

use std::collections::HashSet;

use hearth_domain::limits::{TURN_SEARCH_MESSAGES_MAX, TURN_SEARCH_SESSIONS_MAX};
use hearth_domain::ports::{
    KeptTurn, SessionCursor, SessionIndex, SessionPage, SessionSummary, StoreError, TurnIndex,
};
use hearth_domain::{ConversationKey, Department, TurnId, UserId};

use crate::queries::{ListSessions, RecentMessages, ResponseOfTurn, SessionKeys};
use crate::rows::session::KeyRow;
use crate::store::PostgresStore;

/// Messages that one step of `recent` reads.
const RECENT_STEP: u16 = 2_000;

/// Steps of `recent`, at most: sessions with no message among the newest 128,000 are not what anybody calls recent.
const RECENT_STEPS_MAX: u32 = 64;

impl SessionIndex for PostgresStore {
    async fn list(
        &self,
        department: &Department,
        user: &UserId,
        after: Option<&SessionCursor>,
        limit: u16,
    ) -> Result<SessionPage, StoreError> {
        let list = ListSessions {
            department: department.as_str().to_owned(),
            user_id: user.as_str().to_owned(),
            after_time: after.map(|after| after.last_active_at),
            after_session: after.map(|after| after.session.as_str().to_owned()),
            limit: i64::from(limit) + 1,
        };
        let mut rows = self.pool.run_read(list, self.load_timeout).await?;
        let more = rows.len() > usize::from(limit);
        rows.truncate(usize::from(limit));
        let sessions = rows
            .into_iter()
            .map(SessionSummary::try_from)
            .collect::<Result<_, _>>()?;
        Ok(SessionPage { sessions, more })
    }

    async fn recent(&self, limit: u16) -> Result<Vec<ConversationKey>, StoreError> {
        let limit = usize::from(limit);
        let mut seen = HashSet::new();
        let mut keys = Vec::new();
        let mut below = i64::MAX;
        for _ in 0..RECENT_STEPS_MAX {
            let step = RecentMessages {
                below,
                limit: i64::from(RECENT_STEP),
            };
            let rows = self.pool.run_read(step, self.load_timeout).await?;
            let is_last = rows.len() < usize::from(RECENT_STEP);
            below = rows.last().map_or(below, |row| row.id);
            let fresh = rows.into_iter().filter_map(|row| {
                let row = row.key()?;
                seen.insert(row.clone()).then(|| row.key()).flatten()
            });
            keys.extend(fresh.take(limit - keys.len()));
            if is_last || keys.len() == limit {
                break;
            }
        }
        Ok(keys)
    }

    async fn keys(
        &self,
        department: Option<&Department>,
        after: Option<&ConversationKey>,
        limit: u16,
    ) -> Result<Vec<ConversationKey>, StoreError> {
        let limit = usize::from(limit);
        let mut keys = Vec::new();
        let mut after = after.map(KeyRow::of).unwrap_or_default();
        while keys.len() < limit {
            let wanted = limit - keys.len();
            let step = SessionKeys {
                department: department.map(|department| department.as_str().to_owned()),
                after: after.clone(),
                limit: i64::try_from(wanted).unwrap_or(i64::MAX),
            };
            let rows = self.pool.run_read(step, self.load_timeout).await?;
            let is_last = rows.len() < wanted;
            keys.extend(rows.iter().filter_map(KeyRow::key));
            match rows.into_iter().next_back() {
                Some(last) if !is_last => after = last,
                _ => break,
            }
        }
        Ok(keys)
    }
}

impl TurnIndex for PostgresStore {
    async fn find_turn(
        &self,
        department: &Department,
        user: &UserId,
        turn: TurnId,
    ) -> Result<Option<KeptTurn>, StoreError> {
        let response = ResponseOfTurn {
            department: department.as_str().to_owned(),
            user_id: user.as_str().to_owned(),
            turn_id: turn.to_string(),
            sessions: TURN_SEARCH_SESSIONS_MAX.into(),
            messages: TURN_SEARCH_MESSAGES_MAX.into(),
        };
        let Some(row) = self.pool.run_read(response, self.load_timeout).await? else {
            return Ok(None);
        };
        let found = row.read()?;
        Ok(found.map(|(session, response)| KeptTurn {
            key: ConversationKey::new(department.clone(), user.clone(), session),
            response,
        }))
    }
}
