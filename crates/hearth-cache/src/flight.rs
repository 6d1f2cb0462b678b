//! Single flight: one load of a session, and everybody who waits for it.

use tokio::sync::oneshot;

use crate::error::ReadError;
use crate::freshness::Epoch;
use crate::reading::Reading;
use crate::residency::Load;

/// What a load comes to, for each who waits.
pub(crate) type Outcome = Result<Reading, ReadError>;

/// One load and those who wait for it. Whoever waits may go away; the load does not notice.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    pub(crate) load: Load,
    waiters: Vec<oneshot::Sender<Outcome>>,
    /// How many of them waited when the store was asked.
    early: usize,
}

impl Flight {
    /// The store is about to be asked.
    pub(crate) fn ask(&mut self, epoch: Epoch) {
        self.load.ask(epoch);
        self.early = self.waiters.len();
    }

    pub(crate) fn join(&mut self) -> oneshot::Receiver<Outcome> {
        let (sender, receiver) = oneshot::channel();
        self.waiters.push(sender);
        receiver
    }

    /// The end of the flight; nobody is told before the caller has released its locks.
    pub(crate) fn land(self, outcome: Outcome) -> Landing {
        Landing {
            waiters: self.waiters,
            outcome,
        }
    }

    /// The end of the flight for those who waited when the store was asked; the others wait for the next answer.
    pub(crate) fn land_early(&mut self, outcome: Outcome) -> Landing {
        let early = self.early.min(self.waiters.len());
        let late = self.waiters.split_off(early);
        let waiters = std::mem::replace(&mut self.waiters, late);
        self.waiters.retain(|waiter| !waiter.is_closed());
        self.early = 0;
        self.load.begin_again();
        Landing { waiters, outcome }
    }

    /// Whether nobody waits any more.
    pub(crate) const fn is_over(&self) -> bool {
        self.waiters.is_empty()
    }
}

/// A load that came to its end.
#[must_use = "those who wait must be told, after the locks are released"]
pub(crate) struct Landing {
    waiters: Vec<oneshot::Sender<Outcome>>,
    outcome: Outcome,
}

impl Landing {
    pub(crate) fn tell(self) {
        for waiter in self.waiters {
            // Whoever does not wait any more does not hear it.
            let _gone = waiter.send(self.outcome.clone());
        }
    }
}
