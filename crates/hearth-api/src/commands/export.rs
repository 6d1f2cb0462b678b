//! `hearth export`: every session as a line of JSON, in the form that `hearth import` takes.

use std::io::Write;

use anyhow::Context;
use hearth_domain::ports::{HistoryStore, PageFrom, SessionIndex, StoreError};
use hearth_domain::{ConversationKey, Department, Message};

use crate::dialogue::Dialogue;

/// Sessions that are listed at a time.
const KEYS: u16 = 1_000;

/// Messages that are read at a time.
const PAGE_MESSAGES: u16 = 1_000;

/// What an export did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exported {
    /// Sessions that were written.
    pub written: usize,
    /// Sessions that the store cannot read; each was reported.
    pub failed: usize,
}

/// Writes all sessions, or those of one department, in the order of their keys, and tells `report` of every one that the store cannot
/// read for what its rows hold.
///
/// # Errors
///
/// What the store or `out` fails with; what was written before is whole lines.
pub async fn run(
    store: &(impl HistoryStore + SessionIndex),
    department: Option<&Department>,
    out: &mut impl Write,
    report: &mut dyn FnMut(&ConversationKey, &StoreError),
) -> anyhow::Result<Exported> {
    let mut exported = Exported::default();
    let mut after = None;
    loop {
        let keys = store
            .keys(department, after.as_ref(), KEYS)
            .await
            .context("failed to list the sessions")?;
        for key in &keys {
            match all_messages(store, key).await {
                Ok(messages) => {
                    let mut line = serde_json::to_vec(&Dialogue::of(key, messages))?;
                    line.push(b'\n');
                    out.write_all(&line).context("failed to write")?;
                    exported.written += 1;
                }
                Err(error @ StoreError::Failed(_)) => {
                    report(key, &error);
                    exported.failed += 1;
                }
                Err(error) => return Err(error).context("failed to read a session"),
            }
        }
        match keys.last() {
            Some(last) => after = Some(last.clone()),
            None => break,
        }
    }
    out.flush().context("failed to write")?;
    Ok(exported)
}

async fn all_messages(store: &impl HistoryStore, key: &ConversationKey) -> Result<Vec<Message>, StoreError> {
    let mut messages = Vec::new();
    let mut from = PageFrom::Oldest;
    loop {
        let page = store.page(key, from, PAGE_MESSAGES).await?;
        messages.extend(page.messages);
        match messages.last() {
            Some(last) if page.more => from = PageFrom::After(last.id),
            Some(_) | None => return Ok(messages),
        }
    }
}
