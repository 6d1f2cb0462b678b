//! The requests with a key that are worked on here: repeats wait for the first attempt instead of asking the store.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::{Identity, Past};

/// The requests that are worked on here.
#[derive(Debug)]
pub(crate) struct Running {
    waiting_max: usize,
    requests: Mutex<HashMap<Identity, Arc<Outcome>>>,
}

type Outcome = watch::Sender<Option<Past>>;

/// What a request finds.
#[derive(Debug)]
pub(super) enum Entered {
    /// Nobody works on it here.
    First(Working),
    /// Somebody does.
    Follows(Waiter),
    /// Somebody does, and as many wait as may.
    Full,
}

/// The one who works on a request here. Those who wait are told when it goes away, whatever it came to.
#[derive(Debug)]
pub(super) struct Working {
    running: Arc<Running>,
    identity: Identity,
    outcome: Arc<Outcome>,
}

/// One who waits for the first attempt.
#[derive(Debug)]
pub(super) struct Waiter(watch::Receiver<Option<Past>>);

impl Running {
    pub(crate) fn new(waiting_max: usize) -> Self {
        Self {
            waiting_max,
            requests: Mutex::default(),
        }
    }

    pub(super) fn enter(self: &Arc<Self>, identity: &Identity) -> Entered {
        let mut requests = self.requests.lock();
        if let Some(outcome) = requests.get(identity) {
            return if outcome.receiver_count() < self.waiting_max {
                Entered::Follows(Waiter(outcome.subscribe()))
            } else {
                Entered::Full
            };
        }
        let outcome = Arc::new(Outcome::new(None));
        requests.insert(identity.clone(), Arc::clone(&outcome));
        drop(requests);
        Entered::First(Working {
            running: Arc::clone(self),
            identity: identity.clone(),
            outcome,
        })
    }
}

impl Working {
    /// Tells those who wait what it came to.
    pub(super) fn tell(&self, past: Past) {
        self.outcome.send_replace(Some(past));
    }
}

impl Waiter {
    /// What the first attempt came to; none where it failed.
    pub(super) async fn outcome(mut self) -> Option<Past> {
        let outcome = self.0.wait_for(Option::is_some).await.ok()?;
        outcome.clone()
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        // Before the sender goes, which wakes those who wait: they find the place free.
        let listed = self.running.requests.lock().remove(&self.identity);
        drop(listed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::FutureExt;
    use hearth_domain::ports::PastAnswer;
    use hearth_domain::{BodyHash, Department, Endpoint, IdempotencyKey, RequestKey, SessionId, UserId};
    use serde_json::Value;

    use super::*;

    fn identity(key: &str) -> Identity {
        let request = RequestKey {
            department: Department::new("d").unwrap(),
            user: UserId::new("u").unwrap(),
            endpoint: Endpoint::Chat,
            key: IdempotencyKey::new(key).unwrap(),
        };
        (request, BodyHash([0; 32]))
    }

    fn first(entered: Entered) -> Working {
        match entered {
            Entered::First(working) => working,
            Entered::Follows(_) | Entered::Full => panic!("somebody works on it"),
        }
    }

    fn follower(entered: Entered) -> Waiter {
        match entered {
            Entered::Follows(waiter) => waiter,
            Entered::First(_) | Entered::Full => panic!("nobody may wait for it"),
        }
    }

    #[tokio::test]
    async fn who_waits_is_told_the_outcome() {
        let running = Arc::new(Running::new(1));
        let working = first(running.enter(&identity("k")));
        let mut waiting = Box::pin(follower(running.enter(&identity("k"))).outcome());
        assert!(waiting.as_mut().now_or_never().is_none());
        assert!(matches!(running.enter(&identity("k")), Entered::Full));
        first(running.enter(&identity("other")));
        let past = Arc::new(PastAnswer {
            session: SessionId::new("1").unwrap(),
            answer: Value::Null,
            committed: None,
        });
        working.tell(Arc::clone(&past));
        drop(working);
        assert_eq!(waiting.await, Some(past));
        assert!(running.requests.lock().is_empty());
    }

    #[tokio::test]
    async fn who_waits_finds_the_place_free_after_a_failure() {
        let running = Arc::new(Running::new(2));
        let working = first(running.enter(&identity("k")));
        let waiter = follower(running.enter(&identity("k")));
        drop(working);
        assert_eq!(waiter.outcome().await, None);
        first(running.enter(&identity("k")));
    }
}
