//! Where time comes from.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

/// Time, as a parameter: tests move it by hand.
pub trait Clock: Send + Sync + 'static {
    /// Time that passed since some fixed moment; never goes back.
    fn now(&self) -> Duration;

    /// The time of day, for people and for rows.
    fn utc(&self) -> DateTime<Utc>;
}

/// The machine's time.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    start: Instant,
}

impl Default for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that everybody else asks"
    )]
    fn default() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that everybody else asks"
    )]
    fn utc(&self) -> DateTime<Utc> {
        Utc::now()
    }
}
