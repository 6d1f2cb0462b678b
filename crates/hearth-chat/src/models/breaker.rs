//! A server that fails and fails is left alone for a while.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hearth_domain::ports::{Availability, Clock, ModelError};

/// Times the pause may double while the server stays away.
const DOUBLINGS_MAX: u32 = 4;

/// When another try is worth it while one request tries.
const PROBE_RETRY: Duration = Duration::from_secs(1);

/// A circuit breaker: after a number of failures in a row it refuses requests for a pause, then lets one through; if that fails, it pauses
/// for twice as long.
pub(super) struct Breaker {
    state: Mutex<State>,
    failures_max: u32,
    pause: Duration,
    clock: Arc<dyn Clock>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Requests pass; so many in a row have failed.
    Closed { failures: u32 },
    /// Requests are refused until then; the pause has doubled so many times.
    Open { until: Duration, doublings: u32 },
    /// One request tries.
    Probing { doublings: u32 },
}

impl Breaker {
    pub(super) fn new(failures_max: u32, pause: Duration, clock: Arc<dyn Clock>) -> Self {
        Self {
            state: Mutex::new(State::Closed { failures: 0 }),
            failures_max: failures_max.max(1),
            pause,
            clock,
        }
    }

    /// Whether a request would be refused now; changes nothing.
    pub(super) fn check(&self) -> Result<(), ModelError> {
        match self.availability() {
            Availability::Available => Ok(()),
            Availability::Probing => Err(refused(PROBE_RETRY)),
            Availability::Unavailable(left) => Err(refused(left)),
        }
    }

    /// Lets a request pass, or refuses it. Dropping the attempt before it heard anything is a failure.
    pub(super) fn enter(&self) -> Result<Attempt<'_>, ModelError> {
        let mut state = self.state();
        let is_probe = match *state {
            State::Closed { .. } => false,
            State::Open { until, doublings } => {
                let left = until.saturating_sub(self.clock.now());
                if !left.is_zero() {
                    return Err(refused(left));
                }
                *state = State::Probing { doublings };
                true
            }
            State::Probing { .. } => return Err(refused(PROBE_RETRY)),
        };
        drop(state);
        Ok(Attempt {
            breaker: self,
            is_probe,
            heard: AtomicBool::new(false),
        })
    }

    /// What health says.
    pub(super) fn availability(&self) -> Availability {
        match *self.state() {
            State::Closed { .. } => Availability::Available,
            State::Probing { .. } => Availability::Probing,
            State::Open { until, .. } => {
                let left = until.saturating_sub(self.clock.now());
                if left.is_zero() {
                    // The next request tries.
                    Availability::Available
                } else {
                    Availability::Unavailable(left)
                }
            }
        }
    }

    /// Takes an attempt's outcome; one that began before the breaker opened says nothing about now.
    fn settle(&self, is_probe: bool, succeeded: bool) {
        let mut state = self.state();
        let before = *state;
        *state = match (before, succeeded) {
            (State::Closed { .. }, true) => State::Closed { failures: 0 },
            (State::Closed { failures }, false) if failures + 1 < self.failures_max => State::Closed {
                failures: failures + 1,
            },
            (State::Closed { .. }, false) => self.open(0),
            (State::Probing { .. }, true) if is_probe => State::Closed { failures: 0 },
            (State::Probing { doublings }, false) if is_probe => {
                self.open((doublings + 1).min(DOUBLINGS_MAX))
            }
            (State::Open { .. } | State::Probing { .. }, _) => before,
        };
        let after = *state;
        drop(state);
        match (before, after) {
            (State::Closed { .. } | State::Probing { .. }, State::Open { until, .. }) => tracing::warn!(
                pause_seconds = until.saturating_sub(self.clock.now()).as_secs(),
                "the model's server keeps failing: it is not asked for a while"
            ),
            (State::Probing { .. }, State::Closed { .. }) => tracing::info!("the model's server is back"),
            _ => {}
        }
    }

    fn open(&self, doublings: u32) -> State {
        let pause = self.pause.saturating_mul(1 << doublings);
        State::Open {
            until: self.clock.now().saturating_add(pause),
            doublings,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is one assignment: whoever panicked left nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refused(retry_after: Duration) -> ModelError {
    ModelError::Unavailable {
        retry_after,
        source: "its server has failed too often and is not asked for a while".into(),
    }
}

/// A request that was let through.
pub(super) struct Attempt<'a> {
    breaker: &'a Breaker,
    is_probe: bool,
    heard: AtomicBool,
}

impl Attempt<'_> {
    /// The server says something.
    pub(super) fn heard(&self) {
        self.heard.store(true, Ordering::Relaxed);
    }

    /// The server is there, whatever it answered.
    pub(super) fn succeeded(self) {
        self.heard();
    }

    /// The server is not there, or broken.
    pub(super) fn failed(self) {
        self.heard.store(false, Ordering::Relaxed);
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let succeeded = self.heard.load(Ordering::Relaxed);
        self.breaker.settle(self.is_probe, succeeded);
    }
}

#[cfg(test)]
mod tests {
    use hearth_testkit::clock::ManualClock;

    use super::*;

    const PAUSE: Duration = Duration::from_secs(5);

    fn breaker() -> (Breaker, ManualClock) {
        let clock = ManualClock::default();
        (Breaker::new(3, PAUSE, Arc::new(clock.clone())), clock)
    }

    fn fail(breaker: &Breaker, times: usize) {
        for _ in 0..times {
            breaker.enter().unwrap().failed();
        }
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_success_between_them_does_not() {
        let (breaker, _clock) = breaker();
        fail(&breaker, 2);
        breaker.enter().unwrap().succeeded();
        fail(&breaker, 2);
        assert_eq!(breaker.availability(), Availability::Available);
        fail(&breaker, 1);
        assert_eq!(breaker.availability(), Availability::Unavailable(PAUSE));
        let Err(ModelError::Unavailable { retry_after, .. }) = breaker.enter().map(|_| ()) else {
            panic!("it let a request pass");
        };
        assert_eq!(retry_after, PAUSE);
        assert!(breaker.check().is_err());
    }

    #[test]
    fn one_request_tries_and_its_outcome_decides() {
        let (breaker, clock) = breaker();
        fail(&breaker, 3);
        clock.advance(PAUSE);
        assert!(breaker.check().is_ok());
        let probe = breaker.enter().unwrap();
        assert_eq!(breaker.availability(), Availability::Probing);
        assert!(breaker.enter().is_err() && breaker.check().is_err());
        probe.failed();
        assert_eq!(breaker.availability(), Availability::Unavailable(2 * PAUSE));

        clock.advance(2 * PAUSE);
        breaker.enter().unwrap().succeeded();
        assert_eq!(breaker.availability(), Availability::Available);
        fail(&breaker, 2);
        assert_eq!(breaker.availability(), Availability::Available, "it counts anew");
    }

    #[test]
    fn the_pause_does_not_grow_for_ever() {
        let (breaker, clock) = breaker();
        fail(&breaker, 3);
        for _ in 0..10 {
            clock.advance(16 * PAUSE);
            fail(&breaker, 1);
        }
        assert_eq!(breaker.availability(), Availability::Unavailable(16 * PAUSE));
    }

    #[test]
    fn giving_up_is_a_failure_unless_something_came() {
        let (breaker, _clock) = breaker();
        for heard in [true, true, true, false, false, true, false, false] {
            let attempt = breaker.enter().unwrap();
            if heard {
                attempt.heard();
            }
        }
        assert_eq!(breaker.availability(), Availability::Available);
        drop(breaker.enter().unwrap());
        assert!(breaker.check().is_err());
    }

    #[test]
    fn an_attempt_from_before_says_nothing_about_now() {
        let (breaker, clock) = breaker();
        let (early, late) = (breaker.enter().unwrap(), breaker.enter().unwrap());
        fail(&breaker, 3);
        early.succeeded();
        assert!(breaker.check().is_err());
        clock.advance(PAUSE);
        let probe = breaker.enter().unwrap();
        late.failed();
        assert_eq!(breaker.availability(), Availability::Probing);
        probe.succeeded();
        assert_eq!(breaker.availability(), Availability::Available);
    }
}
