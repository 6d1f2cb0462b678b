//! A row of `chatbot_messages`, whole.

use chrono::{DateTime, Utc};
use diesel::{Queryable, Selectable};
use hearth_domain::{Message, MessageId};
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
