//! How a history is read: from memory, else by a load that many may share, within a deadline; and how that is counted and told.

use std::time::Duration;

use hearth_domain::ports::HistoryStore;
use hearth_domain::{ConversationKey, Version};

use crate::cache::Shared;
use crate::error::ReadError;
use crate::flight::Outcome;
use crate::reading::{Reading, Source};
use crate::slots::Joined;
use crate::statistics::Count;

/// How often a reader who asks for a version goes to the store: the first load may have begun before that version was committed.
const FRESH_ATTEMPTS: usize = 2;

/// What a read that memory could not answer at once came to.
struct Loaded {
    outcome: Outcome,
    part: Part,
}

/// A reader's part in the load that answered it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// None: it had just ended.
    Came,
    /// It began the load.
    Led,
    /// It waited for a load that another reader had begun.
    Followed,
}

impl<S: HistoryStore> Shared<S> {
    pub(crate) async fn read(&self, key: &ConversationKey, version: Version) -> Outcome {
        if let Some(reading) = self.read_at_once(key, version) {
            return Ok(reading);
        }
        let began = self.clock.now();
        let loaded = self.read_store(key, version).await;
        self.count(&loaded, self.clock.now().saturating_sub(began));
        loaded.outcome.inspect(|reading| tell(key, reading))
    }

    /// What memory has, counted and told; where it has not, nothing is.
    pub(crate) fn read_at_once(&self, key: &ConversationKey, version: Version) -> Option<Reading> {
        // The exact time is asked for where it is needed alone: it costs as much as the read itself.
        let statistics = &self.slots.statistics;
        let timed = statistics.is_timed().then(|| self.clock.now());
        let reading = self.read_memory(key, version, self.clock.coarse())?;
        statistics.add_memory_read(timed.map(|began| self.clock.now().saturating_sub(began)));
        tell(key, &reading);
        Some(reading)
    }

    pub(crate) fn open(&self, key: &ConversationKey) -> Reading {
        let reading = self.slots.open(key, self.clock.now());
        self.slots.statistics.add(match reading.source() {
            Source::Memory => Count::Memory,
            Source::Store | Source::New => Count::New,
        });
        tell(key, &reading);
        reading
    }

    pub(crate) async fn warm_up(&self, key: &ConversationKey) -> Outcome {
        match self.read_memory(key, Version::ZERO, self.clock.coarse()) {
            Some(reading) => Ok(reading),
            None => self.read_store(key, Version::ZERO).await.outcome,
        }
    }

    fn read_memory(&self, key: &ConversationKey, version: Version, now: Duration) -> Option<Reading> {
        let session = self.slots.served(key, now, self.config.idle)?;
        (session.history().version() >= version).then(|| Reading::new(session, Source::Memory))
    }

    async fn read_store(&self, key: &ConversationKey, version: Version) -> Loaded {
        let mut loaded = self.load_since(key, version).await;
        for _ in 1..FRESH_ATTEMPTS {
            let Ok(reading) = &loaded.outcome else { break };
            // What this reader's own load brought, or what is held while the store is away, does not get newer by asking again.
            let is_final = loaded.part == Part::Led || reading.is_degraded();
            if is_final || reading.history().version() >= version {
                break;
            }
            loaded = self.load_since(key, version).await;
        }
        loaded.outcome = loaded.outcome.and_then(|reading| {
            let held = reading.history().version();
            if held >= version {
                Ok(reading)
            } else {
                Err(ReadError::NotFresh { held })
            }
        });
        loaded
    }

    async fn load_since(&self, key: &ConversationKey, version: Version) -> Loaded {
        if version > Version::ZERO {
            self.slots.outdated(key, version);
        }
        self.load(key).await
    }

    /// Waits for the load of a session, which somebody else may have begun.
    async fn load(&self, key: &ConversationKey) -> Loaded {
        let now = self.clock.now();
        let at_once = |reading| Loaded {
            outcome: Ok(reading),
            part: Part::Came,
        };
        if self.outage.is_known()
            && let Some(reading) = self.slots.degraded(key, now)
        {
            return at_once(reading);
        }
        let (waiting, part) = match self.slots.join(key, now) {
            Joined::Served(session) => return at_once(Reading::new(session, Source::Memory)),
            Joined::Follows(waiting) => (waiting, Part::Followed),
            Joined::Leads(waiting) => {
                if let Err(error) = self.queue.push(key.clone()) {
                    self.slots.failed(key, &error);
                }
                (waiting, Part::Led)
            }
        };
        let outcome = match tokio::time::timeout(self.config.wait_timeout(), waiting).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_gone)) => Err(ReadError::ShuttingDown),
            // The store hangs: what is held since before is better than nothing.
            Err(_elapsed) => self
                .slots
                .degraded(key, self.clock.now())
                .ok_or(ReadError::TimedOut),
        };
        Loaded { outcome, part }
    }

    fn count(&self, loaded: &Loaded, elapsed: Duration) {
        let statistics = &self.slots.statistics;
        match &loaded.outcome {
            Err(_) => statistics.add(Count::Failed),
            // It waited for the store in vain: its time is neither memory's nor that of a load.
            Ok(reading) if reading.is_degraded() => statistics.add(Count::Memory),
            Ok(reading) => match reading.source() {
                Source::Memory => statistics.add_memory_read(None),
                Source::Store => {
                    statistics.add(Count::Store);
                    statistics.record_store_read(elapsed);
                }
                Source::New => {
                    statistics.add(Count::New);
                    statistics.record_store_read(elapsed);
                }
            },
        }
        // After the read itself, so that there are never more of these than reads.
        if loaded.part == Part::Followed {
            statistics.add(Count::Coalesced);
        }
    }
}

/// The story of a read, one line at debug level.
fn tell(key: &ConversationKey, reading: &Reading) {
    let history = reading.history();
    match reading.source() {
        Source::Memory => {
            tracing::debug!(session = %key.session, responses = history.responses(), "fast path");
        }
        Source::Store => {
            tracing::debug!(session = %key.session, responses = history.responses(), "warm-up");
        }
        Source::New => {
            tracing::debug!(session = %key.session, responses = history.responses(), "new conversation");
        }
    }
}
