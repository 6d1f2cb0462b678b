//! The limiter: the generic cell rate algorithm over a bounded table.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::Quota;
use governor::clock;
use governor::middleware::{NoOpMiddleware, StateInformationMiddleware};
use governor::nanos::Nanos;
use hearth_domain::ports::Clock;

use super::rate::Rate;
use super::source::Source;
use super::table::Table;

/// Counts requests by their source. One for all workers; callers seldom wait for one another.
pub struct RateLimiter {
    inner: governor::RateLimiter<Source, Table, PortClock, StateInformationMiddleware>,
    clock: PortClock,
    quota: Quota,
}

/// The time of the port, as the algorithm's library asks for it.
#[derive(Clone)]
struct PortClock(Arc<dyn Clock>);

impl clock::Clock for PortClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.now().into()
    }
}

impl RateLimiter {
    /// A limiter of so many requests a second, after a burst that is one second's worth where `burst` is 0; nothing where there is no limit.
    #[must_use]
    pub fn new(requests_per_second: u32, burst: u32, clock: Arc<dyn Clock>) -> Option<Self> {
        let rate = NonZeroU32::new(requests_per_second)?;
        let quota = Quota::per_second(rate).allow_burst(NonZeroU32::new(burst).unwrap_or(rate));
        let clock = PortClock(clock);
        let table = Table::new(quota.replenish_interval().into());
        let limiter: governor::RateLimiter<_, _, _, NoOpMiddleware<Nanos>> =
            governor::RateLimiter::new(quota, table, clock.clone());
        Some(Self {
            inner: limiter.with_middleware(),
            clock,
            quota,
        })
    }

    /// Counts a request, unless it is one too many.
    #[must_use]
    pub fn count(&self, source: Source) -> Rate {
        let limit = self.quota.burst_size().get();
        let interval = self.quota.replenish_interval();
        match self.inner.check_key(&source) {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                Rate {
                    limit,
                    remaining,
                    reset: interval * limit.saturating_sub(remaining),
                    retry_after: None,
                }
            }
            Err(not_until) => Rate {
                limit,
                remaining: 0,
                reset: interval * limit,
                retry_after: Some(
                    not_until
                        .wait_time_from(clock::Clock::now(&self.clock))
                        .max(Duration::from_nanos(1)),
                ),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use hearth_testkit::clock::ManualClock;

    use super::*;

    #[test]
    fn a_burst_and_then_the_rate_for_each_source() {
        let clock = ManualClock::default();
        let limiter = RateLimiter::new(10, 3, Arc::new(clock.clone())).unwrap();
        let alice = Source::Key(1);
        for remaining in [2, 1, 0] {
            let rate = limiter.count(alice);
            assert_eq!((rate.remaining, rate.retry_after), (remaining, None));
        }
        let refused = limiter.count(alice);
        assert_eq!(refused.retry_after, Some(Duration::from_millis(100)));
        assert_eq!((refused.limit, refused.remaining), (3, 0));
        assert!(
            !limiter.count(Source::Key(2)).refused(),
            "others are not held back"
        );

        clock.advance(Duration::from_millis(99));
        assert_eq!(limiter.count(alice).retry_after, Some(Duration::from_millis(1)));
        clock.advance(Duration::from_millis(1));
        assert!(!limiter.count(alice).refused());
        assert!(limiter.count(alice).refused());

        clock.advance(Duration::from_secs(60));
        assert_eq!(limiter.count(alice).remaining, 2, "no more than a burst gathers");
    }

    #[test]
    fn without_a_rate_there_is_no_limiter() {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::default());
        assert!(RateLimiter::new(0, 5, Arc::clone(&clock)).is_none());
        let second = RateLimiter::new(50, 0, clock).unwrap();
        assert_eq!(second.count(Source::Unknown).limit, 50, "a second's worth");
    }
}
