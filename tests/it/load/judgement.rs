//! Whether what clients were told agrees with the table: every acknowledged turn is there once, whole and in its place; every refused one
//! is not; and no reader was shown less than was acknowledged before it asked.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::ledger::{Ledger, Outcome, Read, Write};
use super::rows::{Row, rows};
use crate::server::Server;

/// Judges all sessions of a ledger whose turns were never erased, on a server that is at rest.
pub(crate) async fn judge(server: &Server, ledger: &Ledger) {
    let writes = ledger.writes().clone();
    let reads = ledger.reads().clone();
    let sessions: BTreeSet<&str> = writes.iter().map(|write| write.session.as_str()).collect();
    for session in sessions {
        let writes: Vec<&Write> = writes.iter().filter(|write| write.session == session).collect();
        let reads: Vec<&Read> = reads.iter().filter(|read| read.session == session).collect();
        let rows = rows(server, session).await;
        let turns = turns(&rows, &writes);
        judge_session(&writes, &reads, &turns);
        judge_memory(server, session, &turns).await;
    }
}

fn judge_session(writes: &[&Write], reads: &[&Read], turns: &[Turn<'_>]) {
    let versions = judge_writes(writes, turns);
    judge_order(writes, &versions);
    let acknowledged = Acknowledged::of(writes);
    for read in reads {
        judge_read(read, turns, &acknowledged);
    }
}

/// A turn of the table.
pub(super) struct Turn<'a> {
    pub(super) write: &'a Write,
    pub(super) ids: Vec<i64>,
}

/// The turns of a session's rows, in the order of their ids: whole ones, next to each other.
pub(super) fn turns<'a>(rows: &[Row], writes: &[&'a Write]) -> Vec<Turn<'a>> {
    let mut by_first: HashMap<&str, &Write> = HashMap::new();
    for write in writes {
        let (_, first) = &write.messages[0];
        by_first.insert(first.as_ref().unwrap(), write);
    }
    let mut turns = Vec::new();
    let mut rest = rows;
    while let Some(first) = rest.first() {
        let write = by_first[first.content.as_str()];
        assert!(
            rest.len() >= write.messages.len(),
            "half a turn: {rest:?} of {write:?}"
        );
        let (rows, after) = rest.split_at(write.messages.len());
        for (row, (role, content)) in rows.iter().zip(&write.messages) {
            assert_eq!(row.role, *role, "{write:?}");
            match content {
                Some(content) => assert_eq!(row.content, *content, "{write:?}"),
                None => assert!(row.content.contains(&write.marker), "{row:?} answers {write:?}"),
            }
        }
        turns.push(Turn {
            write,
            ids: rows.iter().map(|row| row.id).collect(),
        });
        rest = after;
    }
    assert!(rows.is_sorted_by(|a, b| a.id < b.id));
    turns
}

/// Compares what was told with the table, and gives the version of each turn that is there, by its marker.
fn judge_writes<'a>(writes: &[&Write], turns: &[Turn<'a>]) -> BTreeMap<&'a str, u64> {
    let mut versions = BTreeMap::new();
    for (turn, version) in turns.iter().zip(1..) {
        let before = versions.insert(turn.write.marker.as_str(), version);
        assert_eq!(before, None, "twice: {:?}", turn.write);
        match &turn.write.outcome {
            Outcome::Committed {
                version: told, ids, ..
            } => {
                assert_eq!(*told, version, "{:?}", turn.write);
                if let Some(ids) = ids {
                    assert_eq!(*ids, turn.ids, "{:?}", turn.write);
                }
            }
            Outcome::Refused(_) => panic!("it was told that nothing was kept: {:?}", turn.write),
            Outcome::Unknown(_) => {}
        }
    }
    for write in writes {
        if matches!(write.outcome, Outcome::Committed { .. }) {
            assert!(versions.contains_key(write.marker.as_str()), "lost: {write:?}");
        }
    }
    versions
}

/// A turn that was asked for after another one was acknowledged comes after it.
pub(super) fn judge_order(writes: &[&Write], versions: &BTreeMap<&str, u64>) {
    let acknowledged = Acknowledged::of(writes);
    for write in writes {
        if let Some(version) = versions.get(write.marker.as_str()) {
            let before = acknowledged.before(write.began);
            assert!(
                *version > before,
                "{write:?} is version {version} although {before} was told before"
            );
        }
    }
}

/// The highest version that anybody was told, by the moment.
struct Acknowledged(BTreeMap<u64, u64>);

impl Acknowledged {
    fn of(writes: &[&Write]) -> Self {
        let mut told: Vec<(u64, u64)> = Vec::new();
        for write in writes {
            if let Outcome::Committed { version, .. } = write.outcome {
                told.push((write.ended, version));
            }
        }
        told.sort_unstable();
        let mut highest = 0;
        let highest_then = told.into_iter().map(|(moment, version)| {
            highest = highest.max(version);
            (moment, highest)
        });
        Self(highest_then.collect())
    }

    fn before(&self, moment: u64) -> u64 {
        self.0
            .range(..moment)
            .next_back()
            .map_or(0, |(_, version)| *version)
    }
}

/// A history is the end of the turns up to its version, and not older than what was told before, one that is degraded included.
fn judge_read(read: &Read, turns: &[Turn<'_>], acknowledged: &Acknowledged) {
    let before = acknowledged.before(read.began);
    assert!(
        read.version >= before,
        "{read:?} although {before} was told before"
    );
    let until = usize::try_from(read.version).unwrap();
    assert!(until <= turns.len(), "{read:?} of {} turns", turns.len());
    let ids: Vec<i64> = turns[..until].iter().flat_map(|turn| turn.ids.clone()).collect();
    assert!(ids.ends_with(&read.ids), "{read:?} of {ids:?}");
    assert_eq!(read.ids.is_empty(), ids.is_empty(), "{read:?}");
    assert!(read.source != "new" || read.ids.is_empty(), "{read:?}");
    assert!(!read.is_degraded || read.source == "memory", "{read:?}");
}

/// What memory shows in the end is what the table has.
async fn judge_memory(server: &Server, session: &str, turns: &[Turn<'_>]) {
    server.history(session).await;
    let history = server.history(session).await;
    assert_eq!(history["source"], "memory");
    assert_eq!(history["version"], turns.len());
    let messages = history["messages"].as_array().unwrap();
    let shown: Vec<i64> = messages
        .iter()
        .map(|message| message["id"].as_i64().unwrap())
        .collect();
    let ids: Vec<i64> = turns.iter().flat_map(|turn| turn.ids.clone()).collect();
    assert!(
        ids.ends_with(&shown) && shown.is_empty() == ids.is_empty(),
        "{shown:?} of {ids:?}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes of one message each that were told versions 1 to 3, one after the other, and a fourth that was refused.
    fn writes() -> Vec<Write> {
        let write = |number: u64| {
            let marker = number.to_string();
            let mut write = Write::planned("s".into(), marker.clone(), vec![("user", Some(marker))]);
            (write.began, write.ended) = (number * 10, number * 10 + 5);
            if number < 4 {
                write.outcome = Outcome::Committed {
                    version: number,
                    ids: None,
                    responses: None,
                };
            }
            write
        };
        (1..=4).map(write).collect()
    }

    /// Whether a table passes; each word is the content of a row.
    fn passes(writes: &[Write], table: &str, read: Option<(u64, u64, &[i64])>) -> bool {
        let rows: Vec<Row> = (1..).zip(table.split_whitespace()).map(row).collect();
        let writes: Vec<&Write> = writes.iter().collect();
        let read = read.map(|(began, version, ids)| Read {
            session: "s".into(),
            began,
            version,
            ids: ids.to_vec(),
            source: "memory".into(),
            is_degraded: false,
        });
        let judged = std::panic::catch_unwind(|| {
            judge_session(&writes, &read.iter().collect::<Vec<_>>(), &turns(&rows, &writes));
        });
        judged.is_ok()
    }

    fn row((id, content): (i64, &str)) -> Row {
        Row {
            id,
            role: "user".into(),
            content: content.into(),
        }
    }

    #[test]
    fn only_what_agrees_with_every_answer_passes() {
        assert!(passes(&writes(), "1 2 3", None));
        for wrong in ["1 2", "1 2 3 3", "2 1 3", "1 2 3 4", "1 2 3 5"] {
            assert!(!passes(&writes(), wrong, None), "{wrong}");
        }
        let mut unknown = writes();
        unknown[2].outcome = Outcome::Unknown(String::new());
        assert!(passes(&unknown, "1 2", None) && passes(&unknown, "1 2 3", None));
        assert!(!passes(&unknown, "1 3 2", None));
        let mut of_two = writes();
        of_two[2].messages.push(("assistant", Some("more".into())));
        assert!(!passes(&of_two, "1 2 3", None), "half a turn");
    }

    #[test]
    fn only_readers_that_are_shown_all_that_was_told_pass() {
        assert!(passes(&writes(), "1 2 3", Some((26, 2, &[1, 2]))));
        assert!(passes(&writes(), "1 2 3", Some((26, 3, &[2, 3]))), "a window");
        assert!(
            !passes(&writes(), "1 2 3", Some((26, 1, &[1]))),
            "older than what was told"
        );
        assert!(
            !passes(&writes(), "1 2 3", Some((26, 2, &[2, 3]))),
            "not of its version"
        );
        assert!(!passes(&writes(), "1 2 3", Some((26, 2, &[]))), "empty");
        assert!(
            !passes(&writes(), "1 2 3", Some((26, 4, &[1, 2, 3]))),
            "never committed"
        );
    }
}
