//! What the clients of a test asked for and were told, in the order in which it happened.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

use tokio::sync::watch;

use crate::server::DEADLINE;

/// A turn that a client asked for, and what it was told.
#[derive(Debug, Clone)]
pub(crate) struct Write {
    pub(crate) session: String,
    /// What its messages begin with: nobody else's do.
    pub(crate) marker: String,
    /// Its `Idempotency-Key`, where it is sent with one.
    pub(crate) key: Option<String>,
    /// Role and content of its messages, in their order. A chat's response is only known once it is told.
    pub(crate) messages: Vec<(&'static str, Option<String>)>,
    pub(crate) began: u64,
    pub(crate) ended: u64,
    pub(crate) outcome: Outcome,
}

impl Write {
    /// A turn that is not asked for yet.
    pub(crate) fn planned(
        session: String,
        marker: String,
        messages: Vec<(&'static str, Option<String>)>,
    ) -> Self {
        Self {
            session,
            marker,
            key: None,
            messages,
            began: 0,
            ended: 0,
            outcome: Outcome::Refused("not sent".to_owned()),
        }
    }
}

/// What a client was told of its turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is there. The ids of its messages are what an append is told, and a chat is not.
    Committed {
        version: u64,
        ids: Option<Vec<i64>>,
        /// How many responses the model was given; a chat alone is told.
        responses: Option<u64>,
    },
    /// It certainly is not, and never will be.
    Refused(String),
    /// It may be.
    Unknown(String),
}

/// A history that a client was shown.
#[derive(Debug, Clone)]
pub(crate) struct Read {
    pub(crate) session: String,
    pub(crate) began: u64,
    pub(crate) version: u64,
    pub(crate) ids: Vec<i64>,
    /// Where it came from, and whether the store could not be asked for it.
    pub(crate) source: String,
    pub(crate) is_degraded: bool,
}

/// What was asked and told in one test.
#[derive(Debug)]
pub(crate) struct Ledger {
    moment: AtomicU64,
    acknowledged: watch::Sender<u64>,
    writes: Mutex<Vec<Write>>,
    reads: Mutex<Vec<Read>>,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self {
            moment: AtomicU64::new(0),
            acknowledged: watch::Sender::new(0),
            writes: Mutex::default(),
            reads: Mutex::default(),
        }
    }

    /// A moment later than all before it.
    pub(crate) fn moment(&self) -> u64 {
        self.moment.fetch_add(1, Ordering::SeqCst)
    }

    pub(crate) fn note_write(&self, write: Write) {
        let is_committed = matches!(write.outcome, Outcome::Committed { .. });
        self.writes.lock().unwrap().push(write);
        if is_committed {
            self.acknowledged.send_modify(|turns| *turns += 1);
        }
    }

    pub(crate) fn note_read(&self, read: Read) {
        self.reads.lock().unwrap().push(read);
    }

    /// Notes what became of a turn that was asked for again.
    pub(super) fn renote(&self, write: Write) {
        let mut writes = self.writes();
        let before = writes.iter_mut().find(|before| before.marker == write.marker);
        *before.unwrap() = write;
    }

    /// From here on, whoever was not answered is held to have been refused.
    pub(crate) fn take_broken_off_as_refused(&self) {
        for write in self.writes().iter_mut() {
            if let Outcome::Unknown(what) = &write.outcome {
                write.outcome = Outcome::Refused(what.clone());
            }
        }
    }

    /// Waits until so many more turns were acknowledged.
    pub(crate) async fn more(&self, turns: u64) {
        let mut acknowledged = self.acknowledged.subscribe();
        let enough = *acknowledged.borrow() + turns;
        let reached = acknowledged.wait_for(|now| *now >= enough);
        let outcome = tokio::time::timeout(DEADLINE, reached).await;
        assert!(
            outcome.is_ok(),
            "no {turns} more turns were acknowledged within {DEADLINE:?}"
        );
    }

    pub(crate) fn writes(&self) -> MutexGuard<'_, Vec<Write>> {
        self.writes.lock().unwrap()
    }

    pub(crate) fn reads(&self) -> MutexGuard<'_, Vec<Read>> {
        self.reads.lock().unwrap()
    }
}
