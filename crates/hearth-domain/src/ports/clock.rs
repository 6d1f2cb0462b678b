//! Where time comes from.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

/// Time, as a parameter: tests move it by hand.
pub trait Clock: Send + Sync + 'static {
    /// Time that passed since some fixed moment; never goes back.
    fn now(&self) -> Duration;

    /// The same to within some milliseconds: for what happens millions of times a second.
    fn coarse(&self) -> Duration {
        self.now()
    }

    /// The time of day, for people and for rows.
    fn utc(&self) -> DateTime<Utc>;
}

/// The machine's time.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    start: Instant,
    #[cfg(target_os = "linux")]
    coarse_start: Duration,
}

impl Default for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that everybody else asks"
    )]
    fn default() -> Self {
        Self {
            start: Instant::now(),
            #[cfg(target_os = "linux")]
            coarse_start: monotonic_coarse(),
        }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// A third of the cost of [`Clock::now`]: the kernel's time of its last tick.
    #[cfg(target_os = "linux")]
    fn coarse(&self) -> Duration {
        monotonic_coarse().saturating_sub(self.coarse_start)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that everybody else asks"
    )]
    fn utc(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

#[cfg(target_os = "linux")]
fn monotonic_coarse() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::MonotonicCoarse);
    Duration::try_from(time).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_coarse_time_follows_the_exact_one() {
        let clock = SystemClock::default();
        let mut last = Duration::ZERO;
        while last < Duration::from_millis(50) {
            let coarse = clock.coarse();
            assert!(coarse >= last, "it went back");
            assert!(clock.now() + Duration::from_millis(20) >= coarse, "it ran ahead");
            last = coarse;
        }
    }
}
