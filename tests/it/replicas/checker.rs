//! Whether what clients were told can be true of what was committed.

use std::collections::HashMap;
use std::time::Duration;

use super::committed::{Committed, Event};
use super::crew::BOUND;
use super::journal::{Call, Told};

/// Of one session, from when on which version was known to somebody, at least: both grow.
#[derive(Default)]
struct Known(Vec<(Duration, u64)>);

/// Checks every call.
pub(crate) fn check(calls: &[Call], committed: &Committed) {
    let queries = committed.queries();
    for (query, count) in &queries {
        assert_eq!(*count, 1, "{query} was committed more than once");
    }
    let known = known(calls);
    for call in calls {
        match &call.told {
            Told::History { .. } => check_history(call, &known[&call.session], committed),
            Told::Committed { version, query } => {
                let event = committed.event(&call.session, *version);
                let is_there = matches!(event, Some(Event::Turn(turn)) if turn[0].2 == *query);
                assert!(is_there, "acknowledged, and not there: {call:?}, but {event:?}");
            }
            Told::NotCommitted { query } => {
                assert!(
                    !queries.contains_key(query.as_str()),
                    "refused, and there: {call:?}"
                );
            }
            Told::Unknown | Told::Erased | Told::Other => {}
        }
    }
}

fn check_history(call: &Call, known: &Known, committed: &Committed) {
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
        let known = known.before(call.began.saturating_sub(BOUND));
        assert!(
            *version >= known,
            "version {known} was known {BOUND:?} before it was asked: {call:?}"
        );
    }
}

/// By session, what was known to those who were told.
fn known(calls: &[Call]) -> HashMap<String, Known> {
    let mut by_end: Vec<&Call> = calls.iter().collect();
    by_end.sort_by_key(|call| call.ended);
    let mut sessions: HashMap<String, Known> = HashMap::new();
    for call in by_end {
        let known = sessions.entry(call.session.clone()).or_default();
        let version = match call.told {
            Told::Committed { version, .. } => version,
            // It raised whatever version there was when it began.
            Told::Erased => known.before(call.began) + 1,
            Told::History { .. } | Told::NotCommitted { .. } | Told::Unknown | Told::Other => 0,
        };
        known.add(call.ended, version);
    }
    sessions
}

impl Known {
    /// The version that was known before a moment.
    fn before(&self, moment: Duration) -> u64 {
        let place = self.0.partition_point(|(since, _)| *since < moment);
        place.checked_sub(1).map_or(0, |place| self.0[place].1)
    }

    fn add(&mut self, since: Duration, version: u64) {
        let newest = self.0.last().map_or(0, |(_, version)| *version);
        self.0.push((since, version.max(newest)));
    }
}
