//! Which sessions there are.

use std::future::Future;

use chrono::{DateTime, Utc};

use crate::ids::{ConversationKey, Department, SessionId, UserId, Version};
use crate::ports::history_store::StoreError;

/// Lists sessions: all that have messages, those included that were written before Hearth came.
pub trait SessionIndex: Send + Sync + 'static {
    /// A user's sessions, newest activity first, at most `limit` of them.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    fn list(
        &self,
        department: &Department,
        user: &UserId,
        after: Option<&SessionCursor>,
        limit: u16,
    ) -> impl Future<Output = Result<SessionPage, StoreError>> + Send;

    /// The most recently active sessions of all users, newest activity first, at most `limit` of them.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    fn recent(&self, limit: u16) -> impl Future<Output = Result<Vec<ConversationKey>, StoreError>> + Send;

    /// All sessions, or those of one department, in the order of their keys, at most `limit` of them after `after`.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    fn keys(
        &self,
        department: Option<&Department>,
        after: Option<&ConversationKey>,
        limit: u16,
    ) -> impl Future<Output = Result<Vec<ConversationKey>, StoreError>> + Send;
}

/// One session of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSummary {
    /// Its id.
    pub session: SessionId,
    /// How many turns Hearth committed to it.
    pub version: Version,
    /// The time of its first message.
    pub started_at: DateTime<Utc>,
    /// The time of its newest message.
    pub last_active_at: DateTime<Utc>,
    /// When it was ended, unless it was reopened.
    pub ended_at: Option<DateTime<Utc>>,
}

/// The place in a list after one session: the list is in the order of descending activity, then of ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionCursor {
    /// The session's newest activity.
    pub last_active_at: DateTime<Utc>,
    /// The session's id.
    pub session: SessionId,
}

impl SessionSummary {
    /// The place after this session.
    #[must_use]
    pub fn cursor(&self) -> SessionCursor {
        SessionCursor {
            last_active_at: self.last_active_at,
            session: self.session.clone(),
        }
    }
}

/// A part of a list of sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionPage {
    /// The sessions, newest activity first.
    pub sessions: Vec<SessionSummary>,
    /// Whether there are more after the last one.
    pub more: bool,
}
