//! Single flight: one load of a session, and everybody who waits for it.

use tokio::sync::oneshot;

use crate::error::ReadError;
use crate::reading::Reading;
use crate::residency::Load;

/// What a load comes to, for each who waits.
pub(crate) type Outcome = Result<Reading, ReadError>;

/// One load and those who wait for it. Whoever waits may go away; the load does not notice.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    pub(crate) load: Load,
    waiters: Vec<oneshot::Sender<Outcome>>,
}

impl Flight {
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
