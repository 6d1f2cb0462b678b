//! Whether what clients were told agrees with a table from which sessions were erased meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use super::judgement::{Turn, judge_order, turns};
use super::ledger::{Ledger, Outcome, Read, Write};
use super::rows::rows;
use crate::server::Server;

/// An erasure of a session that was acknowledged.
#[derive(Debug)]
pub(crate) struct Erasure {
    pub(crate) session: String,
    pub(crate) began: u64,
    pub(crate) ended: u64,
}

/// Judges all sessions of a ledger whose turns were erased again and again, on a server that is at rest.
pub(crate) async fn judge_erased(server: &Server, ledger: &Ledger, erasures: &[Erasure]) {
    let writes = ledger.writes().clone();
    let reads = ledger.reads().clone();
    let sessions: BTreeSet<&str> = erasures.iter().map(|erasure| erasure.session.as_str()).collect();
    for session in sessions {
        let writes: Vec<&Write> = writes.iter().filter(|write| write.session == session).collect();
        let reads: Vec<&Read> = reads.iter().filter(|read| read.session == session).collect();
        let erasures: Vec<&Erasure> = erasures
            .iter()
            .filter(|erasure| erasure.session == session)
            .collect();
        let rows = rows(server, session).await;
        let turns = turns(&rows, &writes);
        judge_order(&writes, &told_versions(&writes));
        judge_refusals(&writes, &erasures);
        judge_table(&writes, &turns, &erasures);
        judge_prompts(&turns);
        judge_reads(&writes, &reads, &erasures);
    }
}

/// The versions that were told, each once, by the markers of their turns.
fn told_versions<'a>(writes: &[&'a Write]) -> BTreeMap<&'a str, u64> {
    let mut versions = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for write in writes {
        if let Outcome::Committed { version, .. } = write.outcome {
            assert!(seen.insert(version), "{version} was told twice: {write:?}");
            versions.insert(write.marker.as_str(), version);
        }
    }
    versions
}

/// Who is refused was overtaken by an erasure.
fn judge_refusals(writes: &[&Write], erasures: &[&Erasure]) {
    for write in writes {
        match &write.outcome {
            Outcome::Committed { .. } => {}
            Outcome::Refused(code) => {
                assert_eq!(code, "session_erased", "{write:?}");
                let overtook =
                    |erasure: &&Erasure| erasure.began < write.ended && write.began < erasure.ended;
                assert!(erasures.iter().any(overtook), "{write:?}");
            }
            Outcome::Unknown(_) => panic!("{write:?}"),
        }
    }
}

/// Nothing is there that was acknowledged before an erasure began, and all that was asked for after the last one.
fn judge_table(writes: &[&Write], turns: &[Turn<'_>], erasures: &[&Erasure]) {
    let mut markers = BTreeSet::new();
    for turn in turns {
        let write = turn.write;
        assert!(markers.insert(write.marker.as_str()), "twice: {write:?}");
        assert!(matches!(write.outcome, Outcome::Committed { .. }), "{write:?}");
        let erased_by = erasures.iter().find(|erasure| write.ended < erasure.began);
        assert!(erased_by.is_none(), "{write:?} is there after {erased_by:?}");
    }
    let last = erasures.iter().map(|erasure| erasure.ended).max();
    for write in writes {
        let is_kept = matches!(write.outcome, Outcome::Committed { .. }) && Some(write.began) > last;
        assert!(
            !is_kept || markers.contains(write.marker.as_str()),
            "lost: {write:?}"
        );
    }
}

/// A chat that is kept was answered from what is kept: the model was given no response that is not before it in the table.
fn judge_prompts(turns: &[Turn<'_>]) {
    let mut before = 0;
    for turn in turns {
        if let Outcome::Committed {
            responses: Some(given),
            ..
        } = turn.write.outcome
        {
            assert!(given <= before, "{given} of {before}: {:?}", turn.write);
        }
        let roles = turn.write.messages.iter().map(|(role, _)| *role);
        before += u64::try_from(roles.filter(|role| *role == "assistant").count()).unwrap();
    }
}

/// No reader who came after an erasure was shown what was acknowledged before it. Appends alone are told the ids of their messages.
fn judge_reads(writes: &[&Write], reads: &[&Read], erasures: &[&Erasure]) {
    let mut ids: BTreeMap<i64, &Write> = BTreeMap::new();
    for write in writes {
        if let Outcome::Committed { ids: Some(told), .. } = &write.outcome {
            ids.extend(told.iter().map(|id| (*id, *write)));
        }
    }
    for read in reads {
        let Some(erasure) = erasures.iter().rev().find(|erasure| erasure.ended < read.began) else {
            continue;
        };
        for write in read.ids.iter().filter_map(|id| ids.get(id)) {
            assert!(
                write.ended > erasure.began,
                "{read:?} shows {write:?} after {erasure:?}"
            );
        }
    }
}
