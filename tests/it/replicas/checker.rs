//! Whether what clients were told can be true of what was committed.

use super::committed::{Committed, Event};
use super::crew::BOUND;
use super::journal::{Call, Told};

/// Checks every call.
pub(crate) fn check(calls: &[Call], committed: &Committed) {
    let queries = committed.queries();
    for (query, count) in &queries {
        assert_eq!(*count, 1, "{query} was committed more than once");
    }
    for call in calls {
        match &call.told {
            Told::History { .. } => check_history(call, calls, committed),
            Told::Committed { version, query } => {
                let event = committed.event(&call.session, *version);
                let is_there = matches!(event, Some(Event::Turn(turn)) if turn[0].2 == *query);
                assert!(is_there, "acknowledged, and not there: {call:?}, but {event:?}");
            }
            Told::NotCommitted { query } => {
                assert!(!queries.contains_key(query.as_str()), "refused, and there: {call:?}");
            }
            Told::Unknown | Told::Erased | Told::Other => {}
        }
    }
}

fn check_history(call: &Call, calls: &[Call], committed: &Committed) {
    let Told::History {
        version,
        messages,
        degraded,
        min_version,
        ..
    } = &call.told
    else {
        return;
    };
    let expected = committed.history(&call.session, *version);
    assert_eq!(
        Some(messages),
        expected.as_ref(),
        "replica {} does not show the history at its version: {call:?}",
        call.replica
    );
    assert!(version >= min_version, "not as new as was asked for: {call:?}");
    if !degraded {
        let before = calls
            .iter()
            .filter(|other| other.session == call.session && other.ended + BOUND < call.began);
        for other in before {
            let known = known_version(other, calls);
            assert!(*version >= known, "older than {other:?}, which was over long before: {call:?}");
        }
    }
}

/// The version that a session had when this call was answered, at least, as far as its caller could know.
fn known_version(call: &Call, calls: &[Call]) -> u64 {
    match &call.told {
        Told::Committed { version, .. } => *version,
        // It raised whatever version there was when it began.
        Told::Erased => {
            let before = calls
                .iter()
                .filter(|other| other.session == call.session && other.ended < call.began);
            let versions = before.filter_map(|other| match other.told {
                Told::Committed { version, .. } => Some(version),
                _ => None,
            });
            versions.max().unwrap_or(0) + 1
        }
        Told::History { .. } | Told::NotCommitted { .. } | Told::Unknown | Told::Other => 0,
    }
}
