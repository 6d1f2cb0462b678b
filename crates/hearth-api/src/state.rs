//! What every handler is given.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;

use hearth_cache::Cache;
use hearth_chat::Chat;
use hearth_domain::ports::Clock;

use crate::store::Store;

/// What every handler is given; one for all workers.
pub struct State {
    /// Histories.
    pub cache: Cache<Store>,
    /// Chat turns.
    pub chat: Chat<Store>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// When the server started, by the clock.
    pub started: Duration,
    /// Bytes in a request's body, at most.
    pub body_bytes_max: usize,
    /// Requests at once, at most.
    pub in_flight_max: usize,
    phase: AtomicU8,
    in_flight: AtomicUsize,
}

/// Where a server is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It serves whoever asks, and should not get traffic yet.
    Starting,
    /// It should get traffic.
    Serving,
    /// It finishes what was accepted.
    Draining,
}

const STARTING: u8 = 0;
const SERVING: u8 = 1;
const DRAINING: u8 = 2;

impl From<Phase> for u8 {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Starting => STARTING,
            Phase::Serving => SERVING,
            Phase::Draining => DRAINING,
        }
    }
}

/// A place among the requests in flight, given back on drop.
pub struct Place<'a>(&'a AtomicUsize);

impl State {
    /// The state of a server that starts now.
    #[must_use]
    pub fn new(
        cache: Cache<Store>,
        chat: Chat<Store>,
        clock: Arc<dyn Clock>,
        body_bytes_max: usize,
        in_flight_max: usize,
    ) -> Self {
        let started = clock.now();
        Self {
            cache,
            chat,
            clock,
            started,
            body_bytes_max,
            in_flight_max,
            phase: AtomicU8::new(Phase::Starting.into()),
            in_flight: AtomicUsize::new(0),
        }
    }

    /// The store beneath the cache.
    #[must_use]
    pub fn store(&self) -> &Store {
        self.cache.store()
    }

    /// A place among the requests in flight, unless all are taken.
    #[must_use]
    pub fn enter(&self) -> Option<Place<'_>> {
        let place = Place(&self.in_flight);
        (self.in_flight.fetch_add(1, Ordering::Relaxed) < self.in_flight_max).then_some(place)
    }

    /// Where the server is in its life.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            STARTING => Phase::Starting,
            SERVING => Phase::Serving,
            _ => Phase::Draining,
        }
    }

    /// Notes that the server got on in its life; it never goes back.
    pub fn advance(&self, phase: Phase) {
        self.phase.fetch_max(phase.into(), Ordering::Relaxed);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
