//! What every handler is given.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
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
    /// Whether the server is stopping.
    pub draining: AtomicBool,
    in_flight: AtomicUsize,
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
            draining: AtomicBool::new(false),
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

    /// Whether the server is stopping.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
