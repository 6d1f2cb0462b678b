//! From rows to the domain's values: what another program wrote is checked here.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use hearth_domain::ports::SessionSummary;
use hearth_domain::{ConversationKey, Message, MessageId, MessageView, Role, SessionId, Status, Version};

use crate::error::Fault;

/// A row of a history: id, role, content, time, the status in the metadata.
pub(crate) type HistoryRow = (i64, String, String, i64, Option<String>);

/// A row of a page: the same with all of the metadata.
pub(crate) type PageRow = (i64, String, String, i64, Option<String>);

/// A row of a turn that is looked for: its session, and the row of a page.
pub(crate) type TurnRow = (String, i64, String, String, i64, Option<String>);

/// A row of a list: session, version, first time, newest time, end.
pub(crate) type SummaryRow = (String, i64, i64, i64, Option<i64>);

pub(crate) fn view(row: &HistoryRow) -> Result<MessageView<'_>, Fault> {
    let (id, role, content, created_at_us, status) = row;
    Ok(MessageView {
        id: MessageId(*id),
        role: read_role(*id, role)?,
        content: Cow::Borrowed(content),
        created_at: read_time(*created_at_us).ok_or(Fault::Message {
            id: *id,
            column: "created_at_us",
        })?,
        status: Status::from_metadata(status.as_deref()),
    })
}

pub(crate) fn message(row: PageRow) -> Result<Message, Fault> {
    let (id, role, content, created_at_us, metadata) = row;
    let unusable = |column| Fault::Message { id, column };
    let metadata = metadata.map(|text| serde_json::from_str(&text)).transpose();
    Ok(Message {
        id: MessageId(id),
        role: read_role(id, &role)?,
        content,
        created_at: read_time(created_at_us).ok_or(unusable("created_at_us"))?,
        metadata: metadata.map_err(|_| unusable("metadata"))?,
    })
}

/// Nothing where the id is one that Hearth would not have taken: no caller could name such a session.
pub(crate) fn summary(row: SummaryRow) -> Option<Result<SessionSummary, Fault>> {
    let (session, version, started_at_us, last_active_at_us, ended_at_us) = row;
    let session = SessionId::new(session).ok()?;
    let time = |micros, column| read_time(micros).ok_or(Fault::Session { column });
    let read = || {
        Ok(SessionSummary {
            session,
            version: read_version(version)?,
            started_at: time(started_at_us, "started_at")?,
            last_active_at: time(last_active_at_us, "last_active_at")?,
            ended_at: ended_at_us
                .map(|micros| time(micros, "ended_at_us"))
                .transpose()?,
        })
    };
    Some(read())
}

/// Nothing where an id is one that Hearth would not have taken: no caller could name such a session.
pub(crate) fn key((department, user, session): (String, String, String)) -> Option<ConversationKey> {
    ConversationKey::parse(&department, &user, &session).ok()
}

pub(crate) fn read_version(stored: i64) -> Result<Version, Fault> {
    Version::try_from(stored).map_err(|_| Fault::Session { column: "version" })
}

/// A time as rows keep it: whole microseconds since the epoch, finer parts cut off.
pub(crate) fn stored_time(time: DateTime<Utc>) -> i64 {
    time.timestamp_micros()
}

pub(crate) fn read_time(micros: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(micros)
}

fn read_role(id: i64, word: &str) -> Result<Role, Fault> {
    word.parse().map_err(|_| Fault::Message { id, column: "role" })
}
