//! A row of `chatbot_messages`, whole.

use chrono::{DateTime, Utc};
use diesel::{Queryable, Selectable};
use hearth_domain::{Message, MessageId, SessionId};
use serde_json::Value;

use crate::error::Fault;
use crate::rows::role_of;

/// All that a page shows of a message.
#[derive(Queryable, Selectable)]
#[diesel(table_name = crate::schema::chatbot_messages, check_for_backend(diesel::pg::Pg))]
pub(crate) struct MessageRow {
    id: i64,
    role: String,
    content: String,
    created_at: DateTime<Utc>,
    metadata: Option<Value>,
}

impl TryFrom<MessageRow> for Message {
    type Error = Fault;

    fn try_from(row: MessageRow) -> Result<Self, Fault> {
        Ok(Self {
            id: MessageId(row.id),
            role: role_of(row.id, &row.role)?,
            content: row.content,
            created_at: row.created_at,
            metadata: row.metadata,
        })
    }
}

/// A response, and the session that it is of.
#[derive(Queryable)]
pub(crate) struct TurnRow {
    session_id: String,
    id: i64,
    role: String,
    content: String,
    created_at: DateTime<Utc>,
    metadata: Option<Value>,
}

impl TurnRow {
    /// Nothing where the session's id is one that Hearth would not have taken: no caller could name such a session.
    pub(crate) fn read(self) -> Result<Option<(SessionId, Message)>, Fault> {
        let Ok(session) = SessionId::new(self.session_id) else {
            return Ok(None);
        };
        let row = MessageRow {
            id: self.id,
            role: self.role,
            content: self.content,
            created_at: self.created_at,
            metadata: self.metadata,
        };
        Ok(Some((session, row.try_into()?)))
    }
}
