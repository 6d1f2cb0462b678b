//! What every handler is given.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::{HttpRequest, web};
use hearth_cache::Cache;
use hearth_chat::Chat;
use hearth_domain::TurnId;
use hearth_domain::ports::Clock;

use crate::auth::Guard;
use crate::coherence::Coherence;
use crate::error::{Code, Problem};
use crate::metrics::Metrics;
use crate::settings::Settings;
use crate::spans::Spans;
use crate::store::Store;
use crate::store_ping::StorePing;

/// How far the clocks of replicas differ, at most, as far as turns of others are concerned.
const CLOCKS_DIFFER_MAX: Duration = Duration::from_secs(30);

/// What every handler is given; one for all workers.
pub struct State {
    /// Histories.
    pub cache: Cache<Store>,
    /// How histories in memory keep up with other processes.
    pub coherence: Coherence,
    /// Chat turns.
    pub chat: Chat<Store>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// When the server started, by the clock.
    pub started: Duration,
    /// Tells who calls, and how often each may.
    pub guard: Guard,
    /// Bytes in a request's body, at most.
    pub body_bytes_max: usize,
    /// How long a request's body may take to arrive.
    pub body_timeout: Duration,
    /// Requests at once, at most.
    pub in_flight_max: usize,
    /// What is counted of requests and of calls of the model.
    pub metrics: Metrics,
    /// The spans of requests, where they are exported.
    pub spans: Spans,
    /// Whether the store answers.
    pub ping: StorePing,
    /// How long a turn may take until it is committed, or is not; with a margin for clocks that differ.
    turn_life_max: Duration,
    readiness_asked: AtomicBool,
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

/// The place of a request whose response is a stream, given back on drop.
pub struct StreamPlace(Arc<State>);

impl State {
    /// The state of a server that starts now.
    #[must_use]
    pub fn new(
        cache: Cache<Store>,
        coherence: Coherence,
        chat: Chat<Store>,
        clock: Arc<dyn Clock>,
        guard: Guard,
        settings: &Settings,
        metrics: Metrics,
    ) -> Self {
        let started = clock.now();
        Self {
            cache,
            coherence,
            chat,
            clock,
            started,
            guard,
            body_bytes_max: settings.server.body_bytes_max,
            body_timeout: settings.limits.body,
            in_flight_max: settings.limits.in_flight,
            metrics,
            spans: Spans::default(),
            ping: StorePing::default(),
            turn_life_max: settings.chat.turn_max + settings.store.commit_timeout + CLOCKS_DIFFER_MAX,
            readiness_asked: AtomicBool::new(false),
            phase: AtomicU8::new(Phase::Starting.into()),
            in_flight: AtomicUsize::new(0),
        }
    }

    /// The same state, whose requests become these spans.
    #[must_use]
    pub fn with_spans(self, spans: Spans) -> Self {
        Self { spans, ..self }
    }

    /// The state that a request is answered from, without counting one more holder of it: the count is shared by all workers.
    ///
    /// # Errors
    ///
    /// [`Code::Internal`] where the server was wired without one.
    pub fn of(request: &HttpRequest) -> Result<&Self, Problem> {
        let state = request.app_data::<web::Data<Self>>();
        state
            .map(|state| &***state)
            .ok_or_else(|| Problem::new(Code::Internal, "the server failed"))
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

    /// A place that a stream takes over from its request, which was let in before and gives its own back.
    #[must_use]
    pub fn enter_stream(self: Arc<Self>) -> StreamPlace {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        StreamPlace(self)
    }

    /// Whether a turn that is not known here may run on another replica: there are others, and it is young enough by its id, or the clocks
    /// differ.
    #[must_use]
    pub fn may_run_elsewhere(&self, turn: TurnId) -> bool {
        let Some(began) = turn.generated_at().filter(|_| self.store().is_shared()) else {
            return false;
        };
        let age = self.clock.utc().signed_duration_since(began).abs();
        age.to_std().is_ok_and(|age| age < self.turn_life_max)
    }

    /// Requests that have a place now.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Where the server is in its life, for somebody who sends traffic by it.
    #[must_use]
    pub fn readiness(&self) -> Phase {
        self.readiness_asked.store(true, Ordering::Relaxed);
        self.phase()
    }

    /// Whether somebody sends traffic by what [`State::readiness`] says.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        self.readiness_asked.load(Ordering::Relaxed)
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

impl Drop for StreamPlace {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
