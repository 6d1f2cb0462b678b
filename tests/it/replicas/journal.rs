//! What clients asked, when, and what they were told.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use hearth_testkit::poll::until;

use super::committed::Message;
use crate::server::DEADLINE;

/// A call that was answered. Times count from the journal's beginning.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) replica: usize,
    pub(crate) session: String,
    pub(crate) began: Duration,
    pub(crate) ended: Duration,
    pub(crate) told: Told,
}

/// What a client was told.
#[derive(Debug, Clone)]
pub(crate) enum Told {
    /// This history.
    History {
        version: u64,
        messages: Vec<Message>,
        source: String,
        degraded: bool,
        min_version: u64,
    },
    /// The turn that begins with this query has this version.
    Committed { version: u64, query: String },
    /// The turn was not kept, for sure.
    NotCommitted { query: String },
    /// The turn may have been kept.
    Unknown,
    /// The session is erased.
    Erased,
    /// Nothing that could be wrong.
    Other,
}

/// All calls.
pub(crate) struct Journal {
    start: Instant,
    calls: Mutex<Vec<Call>>,
    /// By session, the newest version that somebody was told of.
    newest: Mutex<HashMap<String, u64>>,
}

impl Journal {
    pub(crate) fn begin() -> Self {
        Self {
            start: Instant::now(),
            calls: Mutex::default(),
            newest: Mutex::default(),
        }
    }

    pub(crate) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    pub(crate) fn add(&self, call: Call) {
        if let Told::Committed { version, .. } = call.told {
            let mut newest = self.newest.lock().unwrap();
            let newest = newest.entry(call.session.clone()).or_default();
            *newest = version.max(*newest);
        }
        self.calls.lock().unwrap().push(call);
    }

    /// The newest version of a session that somebody was told of; 0 where nobody was.
    pub(crate) fn newest(&self, session: &str) -> u64 {
        self.newest.lock().unwrap().get(session).copied().unwrap_or(0)
    }

    /// Waits until so many more calls were answered.
    pub(crate) async fn more(&self, calls: usize) {
        let goal = self.calls.lock().unwrap().len() + calls;
        until(DEADLINE, async || self.calls.lock().unwrap().len() >= goal).await;
    }

    /// How many calls were told something of this kind.
    pub(crate) fn count(&self, kind: impl Fn(&Told) -> bool) -> usize {
        let calls = self.calls.lock().unwrap();
        calls.iter().filter(|call| kind(&call.told)).count()
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }
}
