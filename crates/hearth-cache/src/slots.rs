//! All sessions: those in memory, and those being loaded. The rules are [`crate::residency`]'s; this file applies them under one lock a
//! stripe of keys, and lets readers of loaded sessions pass without it.
//!
//! Whatever changes a session's residency holds its stripe's lock, but for evictions, which only take away: a session that a rule found
//! in memory may be gone when the rule is applied, and is then left alone.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;

use hearth_domain::ports::Lookup;
use hearth_domain::{Append, Committed, ConversationKey, History, Version, WindowLimits};
use tokio::sync::oneshot;

use crate::budget::{MemoryStore, Put};
use crate::error::ReadError;
use crate::flight::{Flight, Outcome};
use crate::loaded_session::LoadedSession;
use crate::reading::{Reading, Source};
use crate::residency::{OnCommit, OnLoaded, OnRead, on_commit, on_read};
use crate::statistics::{Count, Statistics};
use crate::sync::{HashState, Mutex};

const STRIPES: usize = 64;

type Flights = HashMap<ConversationKey, Flight>;

/// One lock and the loads under way of the keys that it guards, on a cache line of its own.
#[derive(Default)]
#[repr(align(128))]
struct Stripe(Mutex<Flights>);

/// All sessions: those in memory, and those being loaded.
pub(crate) struct Slots {
    pub(crate) memory: MemoryStore,
    pub(crate) statistics: Statistics,
    stripes: Box<[Stripe]>,
    hasher: HashState,
    window: WindowLimits,
    /// Whether loads put their results into memory.
    keeps: bool,
}

/// What a reader who was not served at once does.
pub(crate) enum Joined {
    /// Is served after all: somebody's load ended meanwhile.
    Served(Arc<LoadedSession>),
    /// Waits for the load that another reader began.
    Follows(oneshot::Receiver<Outcome>),
    /// Begins the load, and waits for it like everybody else.
    Leads(oneshot::Receiver<Outcome>),
}

/// What became of one session of a load.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Landed {
    /// Everybody was told.
    Done,
    /// The load was overtaken; the store must be asked again.
    Again,
}

impl Slots {
    pub(crate) fn new(budget_bytes: u64, window: WindowLimits, keeps: bool) -> Self {
        Self {
            memory: MemoryStore::new(budget_bytes),
            statistics: Statistics::default(),
            stripes: (0..STRIPES).map(|_| Stripe::default()).collect(),
            hasher: HashState::default(),
            window,
            keeps,
        }
    }

    /// The session, if it may be served from memory. Takes no lock but the map's own shared one.
    pub(crate) fn served(
        &self,
        key: &ConversationKey,
        now: Duration,
        idle: Duration,
    ) -> Option<Arc<LoadedSession>> {
        let session = self.memory.get(key)?;
        if session.is_idle(now, idle) {
            self.expire(key, &session);
            return None;
        }
        session.touch(now);
        (!session.is_stale()).then_some(session)
    }

    /// Joins the load of a session, or begins it: whoever leads must see to it that the session gets loaded.
    pub(crate) fn join(&self, key: &ConversationKey) -> Joined {
        let mut flights = self.stripe(key).lock();
        let held = self.memory.peek(key);
        match on_read(held.as_ref().map(|held| held.held()), flights.contains_key(key)) {
            OnRead::Serve => {
                drop(flights);
                // Only a held session is served.
                held.map_or_else(|| self.join(key), Joined::Served)
            }
            OnRead::Join | OnRead::Lead => {
                let joined = match flights.entry(key.clone()) {
                    Entry::Occupied(mut flight) => Joined::Follows(flight.get_mut().join()),
                    Entry::Vacant(vacant) => Joined::Leads(vacant.insert(Flight::default()).join()),
                };
                drop(flights);
                drop(held);
                joined
            }
        }
    }

    /// The store answered for a session that is being loaded.
    pub(crate) fn landed(&self, key: &ConversationKey, lookup: Lookup, now: Duration) -> Landed {
        let source = match &lookup {
            Lookup::Found(_) => Source::Store,
            Lookup::New(_) => Source::New,
        };
        let session = Arc::new(LoadedSession::new(lookup.into_history(), now));
        let version = session.history().version();
        let mut flights = self.stripe(key).lock();
        let Entry::Occupied(mut flight) = flights.entry(key.clone()) else {
            return Landed::Done;
        };
        let (landing, put) = match flight.get_mut().load.on_loaded(version) {
            OnLoaded::Repeat => return Landed::Again,
            OnLoaded::GiveUp => (
                flight.remove().land(Err(ReadError::NotFresh { held: version })),
                None,
            ),
            OnLoaded::Publish => {
                let put = self.keeps.then(|| self.memory.put(key, &session));
                (flight.remove().land(Ok(Reading::new(session, source))), put)
            }
        };
        drop(flights);
        self.count(put);
        landing.tell();
        Landed::Done
    }

    /// The store could not be asked for a session that is being loaded. Nothing is marked as loaded by that; what is held since before is
    /// served as degraded where the store is away, and only then.
    pub(crate) fn failed(&self, key: &ConversationKey, error: &ReadError) {
        let mut flights = self.stripe(key).lock();
        let Some(flight) = flights.remove(key) else { return };
        let held = self.memory.peek(key).filter(|_| error.is_away());
        drop(flights);
        flight
            .land(held.map(Reading::degraded).ok_or_else(|| error.clone()))
            .tell();
    }

    /// A turn was committed. Loads that began before it are too old now, and a loaded session gets it at its end.
    pub(crate) fn committed(&self, append: &Append, committed: &Committed, now: Duration) {
        let key = &append.key;
        let mut flights = self.stripe(key).lock();
        if let Some(flight) = flights.get_mut(key) {
            flight.load.raise_floor(committed.version);
        }
        let Some(held) = self.memory.peek(key) else { return };
        let put = match on_commit(Some(held.held()), committed.version) {
            OnCommit::Nothing => None,
            OnCommit::MakeStale => {
                self.mark_stale(&held);
                None
            }
            OnCommit::Extend => {
                let turn = committed.views(&append.turn);
                match held.history().extended(turn, committed.version, self.window) {
                    Ok(history) => Some(self.memory.put(key, &Arc::new(LoadedSession::new(history, now)))),
                    // The ids do not follow what is held: another program wrote in between.
                    Err(_) => {
                        self.mark_stale(&held);
                        None
                    }
                }
            }
        };
        drop(flights);
        self.count(put);
    }

    /// A session that was just made up is loaded and empty, without asking anybody. One that is there already, or on its way, was not
    /// just made up, and is left as it is.
    pub(crate) fn open(&self, key: &ConversationKey, now: Duration) -> Reading {
        let session = Arc::new(LoadedSession::new(History::empty(Version::ZERO), now));
        let flights = self.stripe(key).lock();
        if let Some(held) = self.memory.peek(key) {
            drop(flights);
            return Reading::new(held, Source::Memory);
        }
        let keeps = self.keeps && !flights.contains_key(key);
        let put = keeps.then(|| self.memory.put(key, &session));
        drop(flights);
        self.count(put);
        Reading::new(session, Source::New)
    }

    /// What is held of the session while the store does not answer.
    pub(crate) fn degraded(&self, key: &ConversationKey) -> Option<Reading> {
        let held = self.memory.peek(key)?;
        Some(if held.is_stale() {
            Reading::degraded(held)
        } else {
            Reading::new(held, Source::Memory)
        })
    }

    /// What is in memory, or on its way there, is out of date.
    pub(crate) fn invalidate(&self, key: &ConversationKey) {
        let mut flights = self.stripe(key).lock();
        if let Some(flight) = flights.get_mut(key) {
            flight.load.overtake();
        }
        let held = self.memory.peek(key);
        if let Some(held) = &held {
            self.mark_stale(held);
        }
        drop(flights);
        drop(held);
    }

    /// A caller claims that the session has reached this version: where memory is older, readers go to the store. A claim is no proof,
    /// so that a load under way is not held to it.
    pub(crate) fn outdated(&self, key: &ConversationKey, claimed: Version) {
        let flights = self.stripe(key).lock();
        let held = self.memory.peek(key);
        self.mark_stale_below(held.as_deref(), claimed);
        drop(flights);
        drop(held);
    }

    /// The store said that the session has reached this version, and not how: nothing older is kept or published.
    pub(crate) fn heard_of(&self, key: &ConversationKey, version: Version) {
        let mut flights = self.stripe(key).lock();
        if let Some(flight) = flights.get_mut(key) {
            flight.load.raise_floor(version);
        }
        let held = self.memory.peek(key);
        self.mark_stale_below(held.as_deref(), version);
        drop(flights);
        drop(held);
    }

    /// The session leaves memory; what is on its way there must not come.
    pub(crate) fn forget(&self, key: &ConversationKey) {
        let mut flights = self.stripe(key).lock();
        if let Some(flight) = flights.get_mut(key) {
            flight.load.overtake();
        }
        let left = self.memory.remove(key);
        drop(flights);
        drop(left);
    }

    /// The session leaves memory because nobody used it, unless it changed meanwhile.
    pub(crate) fn expire(&self, key: &ConversationKey, session: &Arc<LoadedSession>) -> bool {
        let left = self.memory.remove_same(key, session);
        if left.is_some() {
            self.statistics.add(Count::Expired);
        }
        left.is_some()
    }

    fn mark_stale_below(&self, held: Option<&LoadedSession>, version: Version) {
        if let Some(held) = held
            && held.history().version() < version
        {
            self.mark_stale(held);
        }
    }

    fn mark_stale(&self, held: &LoadedSession) {
        if held.mark_stale() {
            self.statistics.add(Count::Invalidated);
        }
    }

    /// Counts what a put did, and drops what left memory: no lock is held here.
    fn count(&self, put: Option<Put>) {
        let Some(put) = put else { return };
        if put.refused {
            self.statistics.add(Count::Refused);
        }
        self.statistics.add_many(Count::Evictions, put.evicted);
        drop(put.left);
    }

    fn stripe(&self, key: &ConversationKey) -> &Mutex<Flights> {
        let stripes = u64::try_from(STRIPES).unwrap_or(1);
        let index = usize::try_from(self.hasher.hash_one(key) % stripes).unwrap_or(0);
        #[expect(clippy::indexing_slicing, reason = "the index is a remainder of the length")]
        &self.stripes[index].0
    }

    /// Recounts what is counted elsewhere, and checks what must always hold while nobody changes anything.
    pub(crate) fn validate(&self) {
        self.memory.validate();
        for (key, session) in self.memory.iter() {
            let loading = self.stripe(&key).lock().contains_key(&key);
            assert!(!loading || session.is_stale(), "{key} is fresh and being loaded");
        }
    }
}

#[cfg(all(test, feature = "shuttle"))]
mod interleavings;
#[cfg(all(test, not(feature = "shuttle")))]
mod tests;
