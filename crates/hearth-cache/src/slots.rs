//! All sessions: those in memory, and those being loaded. The rules are [`crate::residency`]'s; this file applies them under one lock a
//! stripe of keys, and lets readers of loaded sessions pass without it.
//!
//! Whatever changes a session's residency holds its stripe's lock, but for evictions, which only take away: a session that a rule found
//! in memory may be gone when the rule is applied, and is then left alone.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;

use hearth_domain::ports::{Lookup, StoreError};
use hearth_domain::{Append, Committed, ConversationKey, History, Version, WindowLimits};
use tokio::sync::oneshot;

use crate::budget::{MemoryStore, Put};
use crate::error::ReadError;
use crate::flight::{Flight, Outcome};
use crate::loaded_session::LoadedSession;
use crate::reading::{Reading, Source};
use crate::residency::{OnCommit, OnLoaded, OnRead, on_commit, on_read};
use crate::statistics::{Count, Statistics};
use crate::sync::Mutex;

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
    hasher: RandomState,
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
            hasher: RandomState::new(),
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
            OnRead::Join | OnRead::Lead => match flights.entry(key.clone()) {
                Entry::Occupied(mut flight) => Joined::Follows(flight.get_mut().join()),
                Entry::Vacant(vacant) => Joined::Leads(vacant.insert(Flight::default()).join()),
            },
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
        let held = self.memory.peek(key).filter(|_| is_away(error));
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

    /// A session that was just made up is loaded and empty, without asking anybody.
    pub(crate) fn open(&self, key: &ConversationKey, now: Duration) -> Arc<LoadedSession> {
        let session = Arc::new(LoadedSession::new(History::empty(Version::ZERO), now));
        if self.keeps {
            let flights = self.stripe(key).lock();
            let put = self.memory.put(key, &session);
            drop(flights);
            self.count(Some(put));
        }
        session
    }

    /// What is in memory, or on its way there, is out of date.
    pub(crate) fn invalidate(&self, key: &ConversationKey) {
        let mut flights = self.stripe(key).lock();
        if let Some(flight) = flights.get_mut(key) {
            flight.load.overtake();
        }
        if let Some(held) = self.memory.peek(key) {
            self.mark_stale(&held);
        }
    }

    /// What is in memory is older than a version that somebody was told: readers go to the store.
    pub(crate) fn outdated(&self, key: &ConversationKey, than: Version) {
        let _order = self.stripe(key).lock();
        if let Some(held) = self
            .memory
            .peek(key)
            .filter(|held| held.history().version() < than)
        {
            self.mark_stale(&held);
        }
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

    /// Recounts what is counted elsewhere, and checks what must always hold.
    #[cfg(test)]
    pub(crate) fn validate(&self) {
        let mut responses = 0;
        let mut sessions = 0;
        for (key, session) in self.memory.iter() {
            sessions += 1;
            responses += u64::from(session.history().responses());
            let loading = self.stripe(&key).lock().contains_key(&key);
            assert!(!loading || session.is_stale(), "{key} is fresh and being loaded");
        }
        assert_eq!(self.memory.len(), sessions);
        assert_eq!(self.memory.responses(), responses);
    }
}

/// Whether a load failed because the store is away, and not for what it said.
fn is_away(error: &ReadError) -> bool {
    match error {
        ReadError::Store(error) => match &**error {
            StoreError::Unavailable(_) | StoreError::TimedOut => true,
            StoreError::Failed(_) => false,
        },
        ReadError::TimedOut => true,
        ReadError::Overloaded | ReadError::NotFresh { .. } | ReadError::ShuttingDown => false,
    }
}
