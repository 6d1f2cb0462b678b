//! `GET /chatbot/v1/sessions`.

use chrono::{DateTime, Utc};
use hearth_domain::ports::{SessionCursor, SessionPage, SessionSummary};
use hearth_domain::{SessionId, Version};
use serde::Serialize;
use utoipa::ToSchema;

use super::turn::{wire_time, wire_time_option};
use crate::error::{Code, Problem};

/// A part of a user's sessions.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionsResponse<'a> {
    sessions: Vec<Session<'a>>,
    #[schema(required = true)]
    after: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Session<'a> {
    chatsession_id: &'a str,
    #[schema(value_type = u64)]
    version: Version,
    #[serde(serialize_with = "wire_time")]
    #[schema(value_type = String, format = "date-time")]
    started_at: DateTime<Utc>,
    #[serde(serialize_with = "wire_time")]
    #[schema(value_type = String, format = "date-time")]
    last_active_at: DateTime<Utc>,
    #[serde(serialize_with = "wire_time_option")]
    #[schema(value_type = Option<String>, format = "date-time", required = true)]
    ended_at: Option<DateTime<Utc>>,
}

impl<'a> From<&'a SessionPage> for SessionsResponse<'a> {
    fn from(page: &'a SessionPage) -> Self {
        let last = page.sessions.last().filter(|_| page.more);
        Self {
            sessions: page.sessions.iter().map(Session::from).collect(),
            after: last.map(|summary| write_cursor(&summary.cursor())),
        }
    }
}

impl<'a> From<&'a SessionSummary> for Session<'a> {
    fn from(summary: &'a SessionSummary) -> Self {
        Self {
            chatsession_id: summary.session.as_str(),
            version: summary.version,
            started_at: summary.started_at,
            last_active_at: summary.last_active_at,
            ended_at: summary.ended_at,
        }
    }
}

/// A cursor as clients carry it: microseconds and the session's id. They need not know.
fn write_cursor(cursor: &SessionCursor) -> String {
    format!("{}:{}", cursor.last_active_at.timestamp_micros(), cursor.session)
}

/// Reads a cursor back.
///
/// # Errors
///
/// [`Code::MalformedQuery`].
pub fn read_cursor(text: &str) -> Result<SessionCursor, Problem> {
    let parse = || {
        let (micros, session) = text.split_once(':')?;
        Some(SessionCursor {
            last_active_at: DateTime::from_timestamp_micros(micros.parse().ok()?)?,
            session: SessionId::new(session).ok()?,
        })
    };
    parse().ok_or_else(|| {
        Problem::field(
            Code::MalformedQuery,
            "after",
            "must be the value of \"after\" of an earlier answer",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_come_back_and_others_are_refused() {
        let cursor = SessionCursor {
            last_active_at: DateTime::from_timestamp_micros(-7).unwrap(),
            session: SessionId::new("a:b").unwrap(),
        };
        assert_eq!(read_cursor(&write_cursor(&cursor)).unwrap(), cursor);
        for text in ["", ":", "1:", "x:1", "99999999999999999999:1", "1"] {
            assert!(read_cursor(text).is_err(), "{text}");
        }
    }
}
