//! The keys that were used lately, each as the store had it a moment ago.
//!
//! A key that is in use is asked for again in the background about once a second, and what is known of it serves for [`LIFE`] at most: so
//! long a revocation may take to reach a replica. Where the store cannot be asked, a key that was good stays good for [`OUTAGE`]; a
//! revocation could not be read anyway, and loaded sessions are to be read on. A key that is not known then is no wrong key but a 503. That
//! it could not be asked is itself no news after the time that asking takes: it is asked again then, before the key serves.

use std::collections::HashMap;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use hearth_cache::Spawner;
use hearth_domain::ports::{Clock, KeyStore, StoreError};
use parking_lot::Mutex;

use super::key_text::{KeyText, key_id};
use super::known_key::KnownKey;

/// What is known of a key serves for so long without another word from the store.
const LIFE: Duration = Duration::from_secs(2);

/// A key in use is asked for again when what is known of it is so old.
const REFRESH: Duration = Duration::from_secs(1);

/// While the store cannot be asked, a key that was good stays good for so long.
const OUTAGE: Duration = Duration::from_mins(15);

/// Keys that are known at once, at most.
const KNOWN_MAX: usize = 10_000;

/// Ids that are known to be no key's, at most.
const ABSENT_MAX: usize = 4_096;

/// Unknown ids that the store is asked for at once, at most: a flood of them leaves connections to the others.
const ASKED_MAX: usize = 16;

/// Why a key does not open anything.
#[derive(Debug, Clone)]
pub enum NotVerified {
    /// It is unknown, wrong or revoked.
    Invalid,
    /// The store cannot be asked, and the key is not known.
    Store(Arc<StoreError>),
    /// Too many unknown keys are being asked for.
    Overloaded,
}

/// The keys that were used lately. Clones share them.
pub struct KeyRing<S>(Arc<Ring<S>>);

struct Ring<S> {
    store: Arc<S>,
    clock: Arc<dyn Clock>,
    spawner: Spawner,
    /// A store that did not answer is taken to be away for so long: longer than it takes to ask it again, and once more.
    away: Duration,
    /// Read by every request without a lock; replaced when a key comes or goes, which is seldom.
    known: ArcSwap<HashMap<u64, Arc<KnownKey>>>,
    asked: Mutex<Asked>,
}

#[derive(Default)]
struct Asked {
    /// The questions under way: one an id, however many wait for it.
    flights: HashMap<u64, Flight>,
    /// Ids that are no key's, or a revoked one's, and when the store was asked.
    absent: HashMap<u64, Duration>,
}

/// A question to the store, which goes on whoever waits for it.
type Flight = Shared<BoxFuture<'static, Outcome>>;

type Outcome = Result<Arc<KnownKey>, NotVerified>;

impl<S> Clone for KeyRing<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: KeyStore> KeyRing<S> {
    /// No keys yet; the store, whose answers take up to `store_timeout`, is asked on the spawner's runtime.
    #[must_use]
    pub fn new(store: Arc<S>, store_timeout: Duration, clock: Arc<dyn Clock>, spawner: Spawner) -> Self {
        Self(Arc::new(Ring {
            store,
            clock,
            spawner,
            away: (store_timeout + REFRESH) * 2,
            known: ArcSwap::default(),
            asked: Mutex::default(),
        }))
    }

    /// Whether nothing is known of the id, so that the store would have to be asked.
    #[must_use]
    pub fn is_unknown(&self, key: &KeyText) -> bool {
        !self.0.known.load().contains_key(&key.id()) && !self.is_absent(key.id())
    }

    /// A key that was good a moment ago: the store needs not be asked of it, not even in the background.
    #[must_use]
    pub fn recognise(&self, key: &KeyText) -> Option<Arc<KnownKey>> {
        let known = self.0.known.load().get(&key.id()).cloned()?;
        let is_fresh = known.age(self.0.clock.coarse()) < REFRESH;
        (is_fresh && known.is_of(&key.hash())).then_some(known)
    }

    /// Checks a key: one hash and one look into a map, unless the store must be asked.
    ///
    /// Cancel safe: a question to the store goes on for whoever else waits for it.
    ///
    /// # Errors
    ///
    /// [`NotVerified`].
    pub async fn verify(&self, key: &KeyText) -> Outcome {
        let hash = key.hash();
        let found = self.0.known.load().get(&key.id()).cloned();
        let known = match found {
            // A wrong secret is not worth a question.
            Some(known) if !known.is_of(&hash) => return Err(NotVerified::Invalid),
            Some(known) => self.current(known).await?,
            None if self.is_absent(key.id()) => return Err(NotVerified::Invalid),
            None => self.fly(key.id(), None)?.await?,
        };
        if known.is_of(&hash) {
            Ok(known)
        } else {
            Err(NotVerified::Invalid)
        }
    }

    /// A known key, if it still serves.
    async fn current(&self, known: Arc<KnownKey>) -> Outcome {
        let now = self.0.clock.coarse();
        let age = known.age(now);
        if age < REFRESH {
            return Ok(known);
        }
        let failed = known.failed_since(now);
        let due = failed.is_none_or(|since| since >= REFRESH);
        if due {
            // It goes on without being waited for.
            let _asked = self.fly(known.id(), Some(&known))?;
        }
        let is_away = failed.is_some_and(|since| since < self.0.away);
        if age < LIFE || (is_away && age < OUTAGE) {
            return Ok(known);
        }
        match self.fly(known.id(), Some(&known))?.await {
            Err(NotVerified::Store(_)) if age < OUTAGE => Ok(known),
            outcome => outcome,
        }
    }

    fn is_absent(&self, id: u64) -> bool {
        let now = self.0.clock.now();
        let asked = self.0.asked.lock();
        let since = asked.absent.get(&id);
        since.is_some_and(|since| now.saturating_sub(*since) < LIFE)
    }

    /// Joins the question for an id, or asks it.
    fn fly(&self, id: u64, known: Option<&Arc<KnownKey>>) -> Result<Flight, NotVerified> {
        let mut asked = self.0.asked.lock();
        if let Some(flight) = asked.flights.get(&id) {
            return Ok(flight.clone());
        }
        if known.is_none() {
            // Its question may have ended since nothing was known of it.
            if let Some(known) = self.0.known.load().get(&id) {
                return Ok(ready(Ok(Arc::clone(known))).boxed().shared());
            }
            if asked.flights.len() >= ASKED_MAX {
                return Err(NotVerified::Overloaded);
            }
        }
        let landing = Landing {
            ring: self.clone(),
            id,
            unconfirmed: known.cloned(),
        };
        let task = self.0.spawner.spawn(landing.ask());
        let flight = task
            .map(|ended| ended.unwrap_or_else(|error| Err(store_failed(error.into()))))
            .boxed()
            .shared();
        asked.flights.insert(id, flight.clone());
        Ok(flight)
    }

    /// The store has the key.
    fn admit(&self, key: KnownKey, asked: Duration) -> Arc<KnownKey> {
        if let Some(known) = self
            .0
            .known
            .load()
            .get(&key.id())
            .filter(|known| known.equals(&key))
        {
            known.confirm(asked);
            return Arc::clone(known);
        }
        let key = Arc::new(key);
        self.0.known.rcu(|known| {
            let mut known = HashMap::clone(known);
            make_room(&mut known, asked);
            known.insert(key.id(), Arc::clone(&key));
            known
        });
        key
    }

    /// The store has no such key, or a revoked one.
    fn dismiss(&self, id: u64, asked: Duration) {
        if self.0.known.load().contains_key(&id) {
            self.0.known.rcu(|known| {
                let mut known = HashMap::clone(known);
                known.remove(&id);
                known
            });
        }
        let absent = &mut self.0.asked.lock().absent;
        if absent.len() >= ABSENT_MAX {
            absent.retain(|_, since| asked.saturating_sub(*since) < LIFE);
        }
        if absent.len() < ABSENT_MAX {
            absent.insert(id, asked);
        }
    }
}

/// Drops the keys that the store confirmed longest ago, where there are too many.
fn make_room(known: &mut HashMap<u64, Arc<KnownKey>>, now: Duration) {
    while known.len() >= KNOWN_MAX {
        let oldest = known.values().max_by_key(|key| key.age(now)).map(|key| key.id());
        match oldest {
            Some(id) => known.remove(&id),
            None => return,
        };
    }
}

/// A question to the store; however it ends, the next one may be asked.
struct Landing<S: KeyStore> {
    ring: KeyRing<S>,
    id: u64,
    /// The key that was known before, until the store has answered.
    unconfirmed: Option<Arc<KnownKey>>,
}

impl<S: KeyStore> Landing<S> {
    async fn ask(mut self) -> Outcome {
        let asked = self.ring.0.clock.now();
        let id = key_id(self.id).map_err(|_never| NotVerified::Invalid)?;
        let found = match self.ring.0.store.find_key(&id).await {
            Ok(found) => found,
            Err(error) => return Err(NotVerified::Store(Arc::new(error))),
        };
        self.unconfirmed = None;
        match found.filter(|key| key.revoked_at.is_none()) {
            Some(key) => Ok(self.ring.admit(KnownKey::new(self.id, key, asked), asked)),
            None => {
                self.ring.dismiss(self.id, asked);
                Err(NotVerified::Invalid)
            }
        }
    }
}

fn store_failed(error: Box<dyn std::error::Error + Send + Sync>) -> NotVerified {
    NotVerified::Store(Arc::new(StoreError::Failed(error)))
}

impl<S: KeyStore> Drop for Landing<S> {
    fn drop(&mut self) {
        if let Some(known) = &self.unconfirmed {
            known.fail(self.ring.0.clock.now());
        }
        let flight = self.ring.0.asked.lock().flights.remove(&self.id);
        drop(flight);
    }
}

#[cfg(test)]
mod tests;
