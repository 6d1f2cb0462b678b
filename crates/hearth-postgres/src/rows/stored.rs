//! What another program may have written into a message's row: each value is read for what it is, so that whoever cannot be served is told
//! of the row, and not of a column.

use chrono::{DateTime, Utc};
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::pg::{Pg, PgValue};
use diesel::sql_types::{Text, Timestamptz};
use hearth_domain::Role;

use crate::error::Fault;

/// A role, read without a copy of its word.
#[derive(Debug, Clone, Copy, FromSqlRow)]
pub(crate) enum StoredRole {
    Known(Role),
    /// Another program's own.
    Unknown,
}

impl FromSql<Text, Pg> for StoredRole {
    fn from_sql(word: PgValue<'_>) -> deserialize::Result<Self> {
        let role = std::str::from_utf8(word.as_bytes())?.parse();
        Ok(role.map_or(Self::Unknown, Self::Known))
    }
}

/// A time.
#[derive(Debug, Clone, Copy, FromSqlRow)]
pub(crate) enum StoredTime {
    Known(DateTime<Utc>),
    /// Infinite, or out of any calendar.
    Unknown,
}

impl FromSql<Timestamptz, Pg> for StoredTime {
    fn from_sql(time: PgValue<'_>) -> deserialize::Result<Self> {
        let time = <DateTime<Utc> as FromSql<Timestamptz, Pg>>::from_sql(time);
        Ok(time.map_or(Self::Unknown, Self::Known))
    }
}

/// The parts of a message that no row may lack.
///
/// # Errors
///
/// Which row cannot be served, and why.
pub(crate) fn parts<C>(
    id: i64,
    role: Option<StoredRole>,
    content: Option<C>,
    created_at: Option<StoredTime>,
) -> Result<(Role, C, DateTime<Utc>), Fault> {
    let unfit = |why: &str| Fault::failed(format!("row {id} of chatbot_messages {why}"));
    let (Some(role), Some(content), Some(created_at)) = (role, content, created_at) else {
        return Err(unfit("has no role, no content or no created_at"));
    };
    let StoredRole::Known(role) = role else {
        return Err(unfit("has a role that is none of user, assistant, system, tool"));
    };
    let StoredTime::Known(created_at) = created_at else {
        return Err(unfit("has a created_at that is no moment"));
    };
    Ok((role, content, created_at))
}
