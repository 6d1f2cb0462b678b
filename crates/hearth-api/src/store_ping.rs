//! Whether the store answers: asked at most once a second, however often health is polled.

use std::time::Duration;

use hearth_domain::ports::{Clock, HistoryStore};
use tokio::sync::Mutex;

/// How long a check waits for the store.
const PING_TIMEOUT: Duration = Duration::from_secs(1);

/// How long an outcome counts.
const VALID: Duration = Duration::from_secs(1);

/// The last time that the store was asked.
#[derive(Debug, Default)]
pub struct StorePing {
    last: Mutex<Option<Outcome>>,
}

#[derive(Debug, Clone, Copy)]
struct Outcome {
    at: Duration,
    latency: Option<Duration>,
}

impl StorePing {
    /// How long the store took to answer, if it did, as of at most a second ago. Whoever comes while it is asked waits for that answer;
    /// nobody waits for more than two of them.
    ///
    /// # Cancel safety
    ///
    /// A caller who goes away leaves it to the next one to ask.
    pub async fn latency(&self, store: &impl HistoryStore, clock: &dyn Clock) -> Option<Duration> {
        let mut last = self.last.lock().await;
        let now = clock.now();
        if let Some(outcome) = last.filter(|outcome| now.saturating_sub(outcome.at) < VALID) {
            return outcome.latency;
        }
        let answered = tokio::time::timeout(PING_TIMEOUT, store.ping()).await;
        let at = clock.now();
        let latency = matches!(answered, Ok(Ok(()))).then(|| at.saturating_sub(now));
        *last = Some(Outcome { at, latency });
        latency
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use hearth_domain::MemoryStore;
    use hearth_testkit::clock::ManualClock;
    use hearth_testkit::faulty_store::{Call, FaultyStore};

    use super::*;

    #[tokio::test]
    async fn the_store_is_asked_once_a_second_whatever_it_answers() {
        let (store, clock) = (FaultyStore::new(MemoryStore::default()), ManualClock::default());
        let ping = StorePing::default();
        let poll = async |answers: bool| {
            let polls = join_all((0..50).map(|_| ping.latency(&store, &clock))).await;
            assert!(
                polls.iter().all(|latency| latency.is_some() == answers),
                "{polls:?}"
            );
        };
        poll(true).await;
        assert_eq!(store.calls(Call::Ping), 1);
        store.fail_everything();
        poll(true).await;
        assert_eq!(store.calls(Call::Ping), 1, "the answer still counts");
        clock.advance(VALID);
        poll(false).await;
        assert_eq!(store.calls(Call::Ping), 2);
        store.recover();
        clock.advance(VALID);
        poll(true).await;
        assert_eq!(store.calls(Call::Ping), 3);
    }
}
