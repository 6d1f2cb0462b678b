//! How far memory can be trusted: as far as the change feed is known to have told everything.
//!
//! Two things say so, and every read from memory compares both. The *epoch* changes whenever something may have been missed: what was loaded
//! under an earlier one is suspect. The newest heartbeat says when the feed was last known to keep up: past the bound, everything is suspect, be
//! it that the feed is silent, that it lags, or that this process stood still.
//!
//! Where no feed is followed, the epoch never changes and the bound is never passed.

use std::time::Duration;

use crate::loaded_session::LoadedSession;
use crate::sync::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// The time between two moments at which any change may have been missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Epoch(u32);

impl Epoch {
    /// Epochs take 31 bits, and begin again after the last: sessions keep theirs beside one bit of their own.
    const MASK: u32 = u32::MAX >> 1;

    pub(crate) const fn new(number: u32) -> Self {
        Self(number & Self::MASK)
    }

    pub(crate) const fn number(self) -> u32 {
        self.0
    }

    const fn next(self) -> Self {
        Self::new(self.0.wrapping_add(1))
    }
}

/// How far memory can be trusted. It is read with every hit and written a few times a second, on a cache line of its own.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Freshness {
    epoch: AtomicU32,
    /// Until when memory is as fresh as it must be; always, where no feed is followed. Nanoseconds of the clock, as below.
    fresh_until: AtomicU64,
    /// The moment of the newest heartbeat; zero before the first.
    newest_heartbeat: AtomicU64,
    max_staleness: AtomicU64,
    is_followed: AtomicBool,
    is_connected: AtomicBool,
}

impl Default for Freshness {
    fn default() -> Self {
        Self {
            epoch: AtomicU32::new(0),
            fresh_until: AtomicU64::new(u64::MAX),
            newest_heartbeat: AtomicU64::new(0),
            max_staleness: AtomicU64::new(u64::MAX),
            is_followed: AtomicBool::new(false),
            is_connected: AtomicBool::new(false),
        }
    }
}

impl Freshness {
    /// From now on nothing is trusted that no heartbeat vouches for. Nothing can have been loaded before the clock began: that moment counts as
    /// the first heartbeat.
    pub(crate) fn follow(&self, max_staleness: Duration) {
        let max_staleness = nanoseconds(max_staleness);
        self.max_staleness.store(max_staleness, Ordering::Release);
        self.fresh_until.store(max_staleness, Ordering::Release);
        self.is_followed.store(true, Ordering::Release);
    }

    /// Whether there is a feed to trust or not to trust.
    pub(crate) fn is_followed(&self) -> bool {
        self.is_followed.load(Ordering::Acquire)
    }

    /// The age past which nothing is trusted.
    pub(crate) fn max_staleness(&self) -> Duration {
        Duration::from_nanos(self.max_staleness.load(Ordering::Acquire))
    }

    /// A heartbeat came back that was sent at `sent`; all that was told before it has been heeded.
    pub(crate) fn heartbeat(&self, sent: Duration) {
        let sent = nanoseconds(sent);
        self.newest_heartbeat.fetch_max(sent, Ordering::AcqRel);
        let until = sent.saturating_add(self.max_staleness.load(Ordering::Acquire));
        self.fresh_until.fetch_max(until, Ordering::AcqRel);
    }

    /// The feed listens anew.
    pub(crate) fn connected(&self) {
        self.is_connected.store(true, Ordering::Release);
        self.begin_epoch();
    }

    /// The feed has lost its source. What is loaded stays as fresh as it was: the bound has yet to pass.
    pub(crate) fn disconnected(&self) {
        self.is_connected.store(false, Ordering::Release);
    }

    /// Whether the feed listens.
    pub(crate) fn is_connected(&self) -> bool {
        self.is_connected.load(Ordering::Acquire)
    }

    /// Everything that is loaded, or on its way, is suspect.
    pub(crate) fn begin_epoch(&self) {
        // One task changes it: that of the feed.
        let next = self.epoch().next();
        self.epoch.store(next.number(), Ordering::Release);
    }

    pub(crate) fn epoch(&self) -> Epoch {
        Epoch::new(self.epoch.load(Ordering::Acquire))
    }

    /// Whether what was loaded in `epoch` and what changed since then is known now.
    pub(crate) fn covers(&self, epoch: Epoch, now: Duration) -> bool {
        self.epoch() == epoch && nanoseconds(now) <= self.fresh_until.load(Ordering::Acquire)
    }

    /// Whether a session may be served as it is.
    pub(crate) fn trusts(&self, session: &LoadedSession, now: Duration) -> bool {
        session.is_fresh_in(self.epoch()) && nanoseconds(now) <= self.fresh_until.load(Ordering::Acquire)
    }

    /// The age of the newest heartbeat; nothing before the first.
    pub(crate) fn staleness(&self, now: Duration) -> Option<Duration> {
        match self.newest_heartbeat.load(Ordering::Acquire) {
            0 => None,
            newest => Some(now.saturating_sub(Duration::from_nanos(newest))),
        }
    }
}

/// Saturates after five centuries.
fn nanoseconds(time: Duration) -> u64 {
    const A_SECOND: u64 = 1_000_000_000;
    let seconds = time.as_secs().saturating_mul(A_SECOND);
    seconds.saturating_add(u64::from(time.subsec_nanos()))
}

#[cfg(all(test, not(feature = "shuttle")))]
mod tests {
    use hearth_domain::{History, Version};

    use super::*;

    const BOUND: Duration = Duration::from_secs(1);
    const START: Duration = Duration::from_secs(3_600);

    fn loaded(freshness: &Freshness) -> LoadedSession {
        LoadedSession::new(History::empty(Version::ZERO), START, freshness.epoch())
    }

    #[test]
    fn without_a_feed_nothing_is_ever_suspect() {
        let freshness = Freshness::default();
        assert!(freshness.trusts(&loaded(&freshness), Duration::MAX));
        assert_eq!(freshness.staleness(START), None);
    }

    #[test]
    fn only_the_newest_heartbeat_counts_and_only_within_the_bound() {
        let freshness = Freshness::default();
        freshness.follow(BOUND);
        let session = loaded(&freshness);
        assert!(!freshness.trusts(&session, START), "no heartbeat vouches for it");
        freshness.heartbeat(START);
        freshness.heartbeat(START - BOUND);
        assert!(freshness.trusts(&session, START + BOUND));
        assert!(!freshness.trusts(&session, START + BOUND + Duration::from_nanos(1)));
        assert_eq!(freshness.staleness(START + BOUND), Some(BOUND));
    }

    #[test]
    fn what_was_loaded_before_a_gap_is_suspect_and_what_is_loaded_after_it_is_not() {
        let freshness = Freshness::default();
        freshness.follow(BOUND);
        freshness.heartbeat(START);
        let before = loaded(&freshness);
        freshness.connected();
        assert!(freshness.is_connected());
        assert!(!freshness.trusts(&before, START));
        assert!(freshness.trusts(&loaded(&freshness), START));
        freshness.disconnected();
        assert!(!freshness.is_connected());
        assert!(
            freshness.trusts(&loaded(&freshness), START),
            "the bound has yet to pass"
        );
    }

    #[test]
    fn a_feed_of_nothing_without_a_bound_is_no_feed() {
        let freshness = Freshness::default();
        freshness.follow(Duration::MAX);
        assert!(freshness.trusts(&loaded(&freshness), START));
    }

    #[test]
    fn epochs_begin_again_after_the_last() {
        assert_eq!(Epoch::new(Epoch::MASK).next(), Epoch::new(0));
    }
}
