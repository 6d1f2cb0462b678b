//! The rows of a batch load: the newest messages of each key, and each key's version.

use std::borrow::Cow;
use std::cmp::Reverse;

use diesel::Queryable;
use hearth_domain::ports::{Lookup, StoreError};
use hearth_domain::{History, MessageId, MessageView, Status, WindowLimits};

use crate::error::Fault;
use crate::rows::stored::{StoredRole, StoredTime, parts};
use crate::rows::version_of;

/// One message of one key; a key without messages has one row whose message is absent.
#[derive(Queryable)]
pub(crate) struct WindowRow {
    /// The key's place among those that were asked for, from 1.
    place: i64,
    version: Option<i64>,
    id: Option<i64>,
    role: Option<StoredRole>,
    content: Option<String>,
    created_at: Option<StoredTime>,
    status: Option<String>,
}

impl WindowRow {
    fn view(&self) -> Result<Option<MessageView<'_>>, Fault> {
        let Some(id) = self.id else { return Ok(None) };
        let (role, content, created_at) = parts(id, self.role, self.content.as_deref(), self.created_at)?;
        Ok(Some(MessageView {
            id: MessageId(id),
            role,
            content: Cow::Borrowed(content),
            created_at,
            status: Status::from_metadata(self.status.as_deref()),
        }))
    }
}

/// Makes one answer a key of the rows, which may come in any order.
pub(crate) fn lookups(
    mut rows: Vec<WindowRow>,
    keys: usize,
    limits: WindowLimits,
) -> Result<Vec<Lookup>, StoreError> {
    // They come in this order as a rule, which a stable sort finds out by looking at each once.
    rows.sort_by_key(|row| (row.place, Reverse(row.id)));
    let lookups = rows
        .chunk_by(|one, other| one.place == other.place)
        .map(|rows| lookup(rows, limits))
        .collect::<Result<Vec<_>, StoreError>>()?;
    if lookups.len() == keys {
        Ok(lookups)
    } else {
        Err(Fault::failed("the load did not answer for every key").into())
    }
}

fn lookup(rows: &[WindowRow], limits: WindowLimits) -> Result<Lookup, StoreError> {
    let stored = rows.iter().find_map(|row| row.version).unwrap_or_default();
    let views = rows
        .iter()
        .rev()
        .filter_map(|row| row.view().transpose())
        .collect::<Result<Vec<_>, Fault>>()?;
    let history = History::from_rows(&views, version_of(stored)?, limits)?;
    Ok(Lookup::of(history))
}
