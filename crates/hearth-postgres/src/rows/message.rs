//! A row of `chatbot_messages`, whole.

use diesel::Queryable;
use hearth_domain::{Message, MessageId, SessionId};
use serde_json::Value;

use crate::error::Fault;
use crate::rows::stored::{StoredRole, StoredTime, parts};

/// All that a page shows of a message.
#[derive(Queryable)]
pub(crate) struct MessageRow {
    id: i64,
    role: Option<StoredRole>,
    content: Option<String>,
    created_at: Option<StoredTime>,
    metadata: Option<Value>,
}

impl TryFrom<MessageRow> for Message {
    type Error = Fault;

    fn try_from(row: MessageRow) -> Result<Self, Fault> {
        let (role, content, created_at) = parts(row.id, row.role, row.content, row.created_at)?;
        Ok(Self {
            id: MessageId(row.id),
            role,
            content,
            created_at,
            metadata: row.metadata,
        })
    }
}

/// A response, and the session that it is of.
#[derive(Queryable)]
pub(crate) struct TurnRow {
    session_id: String,
    id: i64,
    role: Option<StoredRole>,
    content: Option<String>,
    created_at: Option<StoredTime>,
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
