//! Rows that name sessions. Other programs may have written ids that Hearth would refuse: those sessions cannot be asked for, and are
//! left out.

use chrono::{DateTime, Utc};
use diesel::Queryable;
use hearth_domain::ports::SessionSummary;
use hearth_domain::{ConversationKey, SessionId};

use crate::error::Fault;
use crate::rows::version_of;

/// A key as the table has it; three empty ids come before every other key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Queryable)]
pub(crate) struct KeyRow {
    pub(crate) department: String,
    pub(crate) user_id: String,
    pub(crate) session_id: String,
}

impl KeyRow {
    pub(crate) fn of(key: &ConversationKey) -> Self {
        Self {
            department: key.department.as_str().to_owned(),
            user_id: key.user.as_str().to_owned(),
            session_id: key.session.as_str().to_owned(),
        }
    }

    /// The key, where its ids are valid.
    pub(crate) fn key(&self) -> Option<ConversationKey> {
        ConversationKey::parse(&self.department, &self.user_id, &self.session_id).ok()
    }
}

/// One session of a user's list.
#[derive(Queryable)]
pub(crate) struct SummaryRow {
    session_id: String,
    version: Option<i64>,
    started_at: DateTime<Utc>,
    last_active_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
}

impl TryFrom<SummaryRow> for SessionSummary {
    type Error = Fault;

    fn try_from(row: SummaryRow) -> Result<Self, Fault> {
        Ok(Self {
            session: SessionId::new(&row.session_id)
                .map_err(|_| Fault::failed("a session id was listed that is not valid"))?,
            version: version_of(row.version.unwrap_or_default())?,
            started_at: row.started_at,
            last_active_at: row.last_active_at,
            ended_at: row.ended_at,
        })
    }
}
