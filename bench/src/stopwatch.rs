//! Time that passed, by the machine's monotonic clock.

use std::time::Duration;

use hearth_domain::ports::{Clock, SystemClock};

/// Runs from the moment when it is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch(SystemClock);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(SystemClock::default())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.0.now()
    }

    /// The same in nanoseconds.
    pub(crate) fn nanoseconds(&self) -> u64 {
        u64::try_from(self.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
