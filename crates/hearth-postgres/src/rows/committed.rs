//! The rows of a commit: what one statement says of all turns that it took.

use chrono::{DateTime, Utc};
use diesel::Queryable;
use hearth_domain::{Committed, CommittedMessage, MessageId, Version};

use crate::error::Fault;
use crate::rows::version_of;

/// One inserted message.
#[derive(Queryable)]
pub(crate) struct CommittedRow {
    /// The place of its session's first turn in the batch, from 1: which session it is.
    pub(crate) session: i64,
    /// The session's version with all its turns of the batch.
    version: i64,
    id: i64,
    created_at: DateTime<Utc>,
}

/// Divides a session's rows among its turns, which have `lengths` messages, in the order of the turns.
pub(crate) fn divide(mut rows: Vec<CommittedRow>, lengths: &[usize]) -> Result<Vec<Committed>, Fault> {
    let lacking = || Fault::failed("the commit did not return every message that it was given");
    rows.sort_unstable_by_key(|row| row.id);
    if rows.len() != lengths.iter().sum::<usize>() {
        return Err(lacking());
    }
    let last = version_of(rows.first().ok_or_else(lacking)?.version)?;
    let turns = u64::try_from(lengths.len()).map_err(|_| lacking())?;
    let mut version = Version::new(last.get().saturating_sub(turns)).map_err(|_| lacking())?;
    let mut rows = rows.into_iter();
    let turn = |length: &usize| {
        version = version.next();
        let messages = rows.by_ref().take(*length).map(|row| CommittedMessage {
            id: MessageId(row.id),
            created_at: row.created_at,
        });
        Committed {
            version,
            messages: messages.collect(),
        }
    };
    Ok(lengths.iter().map(turn).collect())
}
