//! `hearth import`: takes dialogues over from JSON Lines. A second run adds nothing.

use std::io::{BufRead, Read};

use anyhow::Context;
use hearth_domain::ports::{HistoryStore, Lookup, Page, PageFrom};
use hearth_domain::{Append, ConversationKey, WindowLimits};
use indicatif::ProgressBar;

use crate::dialogue::Dialogue;

/// Dialogues that travel to the store together.
const BATCH_DIALOGUES: usize = 128;

/// Bytes in a line, at most.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// Messages that are compared at a time.
const PAGE_MESSAGES: u16 = 1_000;

/// What an import did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Imported {
    /// Dialogues that were added, or completed where an import had broken off.
    pub added: usize,
    /// Messages of those.
    pub messages: usize,
    /// Dialogues that were there already.
    pub skipped: usize,
    /// Lines that could not be taken over; each was reported.
    pub refused: usize,
}

/// A line that could not be taken over, and why.
type Report<'a> = &'a mut dyn FnMut(u64, &str);

/// A dialogue with the number of its line.
struct Line {
    number: u64,
    key: ConversationKey,
    dialogue: Dialogue,
}

/// Takes all dialogues over from `input`, and tells `report` of every line that could not be.
///
/// # Errors
///
/// What keeps the rest from being read or stored at all: the input, or the store.
pub async fn run(
    store: &impl HistoryStore,
    mut input: impl BufRead,
    progress: &ProgressBar,
    report: Report<'_>,
) -> anyhow::Result<Imported> {
    let mut imported = Imported::default();
    let mut batch: Vec<Line> = Vec::with_capacity(BATCH_DIALOGUES);
    for number in 1.. {
        let Some(bytes) = read_line(&mut input).with_context(|| format!("failed to read line {number}"))?
        else {
            break;
        };
        progress.inc(u64::try_from(bytes.len()).unwrap_or(0));
        if bytes.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        match parse(number, &bytes) {
            Ok(line) => {
                // A session that stands in the file twice is compared with what its first line added.
                let repeated = batch.iter().any(|other| other.key == line.key);
                if repeated || batch.len() == BATCH_DIALOGUES {
                    store_batch(store, &mut batch, &mut imported, report).await?;
                }
                batch.push(line);
            }
            Err(reason) => {
                imported.refused += 1;
                report(number, &reason);
            }
        }
    }
    store_batch(store, &mut batch, &mut imported, report).await?;
    Ok(imported)
}

fn read_line(input: &mut impl BufRead) -> anyhow::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    input.take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes)?;
    anyhow::ensure!(
        u64::try_from(bytes.len())? < LINE_BYTES_MAX || bytes.ends_with(b"\n"),
        "the line is longer than {LINE_BYTES_MAX} bytes"
    );
    Ok((!bytes.is_empty()).then_some(bytes))
}

fn parse(number: u64, bytes: &[u8]) -> Result<Line, String> {
    let dialogue = Dialogue::parse(bytes).map_err(|error| error.to_string())?;
    let key = dialogue.key().map_err(|error| error.to_string())?;
    Ok(Line {
        number,
        key,
        dialogue,
    })
}

/// Stores what is not there yet of a batch, in one call.
async fn store_batch(
    store: &impl HistoryStore,
    batch: &mut Vec<Line>,
    imported: &mut Imported,
    report: Report<'_>,
) -> anyhow::Result<()> {
    let keys: Vec<ConversationKey> = batch.iter().map(|line| line.key.clone()).collect();
    let known = store
        .load(&keys, WindowLimits::default())
        .await
        .context("failed to look for the sessions")?;
    let mut lines = Vec::new();
    let mut appends = Vec::new();
    for (line, known) in batch.drain(..).zip(known) {
        let turns = match missing_from(store, &line, known).await? {
            Missing::Nothing => {
                imported.skipped += 1;
                continue;
            }
            Missing::From(start) => line.dialogue.turns(start).map_err(|error| error.to_string()),
            Missing::Differs => Err("the session is there already, with other messages".to_owned()),
        };
        match turns {
            Ok(turns) => {
                imported.added += 1;
                for turn in turns {
                    lines.push(line.number);
                    appends.push(Append {
                        key: line.key.clone(),
                        turn,
                        if_version: None,
                        read_version: None,
                        completes: None,
                    });
                }
            }
            Err(reason) => {
                imported.refused += 1;
                report(line.number, &reason);
            }
        }
    }
    for ((line, append), outcome) in lines.iter().zip(&appends).zip(store.append(&appends).await) {
        outcome.with_context(|| format!("failed to store line {line}"))?;
        imported.messages += append.turn.messages().len();
    }
    Ok(())
}

/// What a session lacks of a dialogue.
enum Missing {
    /// It begins with exactly these messages.
    Nothing,
    /// It has those before this one, and no others: nothing at all, or what an import stored before it broke off.
    From(usize),
    /// It has others.
    Differs,
}

async fn missing_from(store: &impl HistoryStore, line: &Line, known: Lookup) -> anyhow::Result<Missing> {
    if let Lookup::New(_) = known {
        return Ok(Missing::From(0));
    }
    let dialogue = &line.dialogue.messages;
    let mut compared = 0;
    let mut from = PageFrom::Oldest;
    loop {
        let Page { messages, more } = store
            .page(&line.key, from, PAGE_MESSAGES)
            .await
            .context("failed to read a session")?;
        for message in &messages {
            match dialogue.get(compared) {
                None => return Ok(Missing::Nothing),
                Some(expected) if expected.is(message) => compared += 1,
                Some(_) => return Ok(Missing::Differs),
            }
        }
        match messages.last() {
            Some(last) if more => from = PageFrom::After(last.id),
            Some(_) | None if compared == dialogue.len() => return Ok(Missing::Nothing),
            Some(_) | None => return Ok(Missing::From(compared)),
        }
    }
}
