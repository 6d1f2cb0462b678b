//! `hearth export`: every session as a line of JSON, in the form that `hearth import` takes.

use std::io::Write;

use anyhow::Context;
use hearth_domain::Department;
use hearth_domain::ports::{HistoryStore, PageFrom, SessionIndex};

use crate::dialogue::Dialogue;

/// Sessions that are listed at a time.
const KEYS: u16 = 1_000;

/// Messages that are read at a time.
const PAGE_MESSAGES: u16 = 1_000;

/// Writes all sessions, or those of one department, in the order of their keys; returns how many.
///
/// # Errors
///
/// What the store or `out` fails with; what was written before is whole lines.
pub async fn run(
    store: &(impl HistoryStore + SessionIndex),
    department: Option<&Department>,
    out: &mut impl Write,
) -> anyhow::Result<usize> {
    let mut exported = 0;
    let mut after = None;
    loop {
        let keys = store
            .keys(department, after.as_ref(), KEYS)
            .await
            .context("failed to list the sessions")?;
        for key in &keys {
            let mut messages = Vec::new();
            let mut from = PageFrom::Oldest;
            loop {
                let page = store
                    .page(key, from, PAGE_MESSAGES)
                    .await
                    .context("failed to read a session")?;
                messages.extend(page.messages);
                match messages.last() {
                    Some(last) if page.more => from = PageFrom::After(last.id),
                    Some(_) | None => break,
                }
            }
            let mut line = serde_json::to_vec(&Dialogue::of(key, messages))?;
            line.push(b'\n');
            out.write_all(&line).context("failed to write")?;
            exported += 1;
        }
        match keys.last() {
            Some(last) => after = Some(last.clone()),
            None => break,
        }
    }
    out.flush().context("failed to write")?;
    Ok(exported)
}
