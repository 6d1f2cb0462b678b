//! A clock that is moved by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use hearth_domain::ports::Clock;

/// Where `now` begins: far enough from zero that a test can subtract from it.
const START: Duration = Duration::from_secs(3_600);

/// Where `utc` begins: 2026-01-01T00:00:00Z, in seconds since the epoch.
const START_UTC_SECONDS: i64 = 1_767_225_600;

/// Time that stands still until a test moves it. Clones show the same time.
#[derive(Debug, Clone, Default)]
pub struct ManualClock {
    elapsed_nanos: Arc<AtomicU64>,
}

impl ManualClock {
    /// Lets time pass, for every clone.
    pub fn advance(&self, by: Duration) {
        let nanos = u64::try_from(by.as_nanos()).unwrap();
        self.elapsed_nanos.fetch_add(nanos, Ordering::SeqCst);
    }

    /// Time that passed since the clock was made.
    fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.elapsed_nanos.load(Ordering::SeqCst))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Duration {
        START + self.elapsed()
    }

    fn utc(&self) -> DateTime<Utc> {
        let start = DateTime::from_timestamp(START_UTC_SECONDS, 0).unwrap();
        start + TimeDelta::from_std(self.elapsed()).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_moves_only_when_it_is_told_to_and_clones_move_along() {
        let clock = ManualClock::default();
        let clone = clock.clone();
        let (now, utc) = (clock.now(), clock.utc());
        assert_eq!(utc.to_rfc3339(), "2026-01-01T00:00:00+00:00");
        clone.advance(Duration::from_millis(1_500));
        assert_eq!(clock.now() - now, Duration::from_millis(1_500));
        assert_eq!(clock.utc() - utc, TimeDelta::milliseconds(1_500));
    }
}
