//! All sessions: those in memory, those being loaded, and those being written to from here. The rules are [`crate::residency`]'s; this file applies them under one lock a
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
use hearth_domain::{ConversationKey, History, Version, WindowLimits};
use tokio::sync::oneshot;

use crate::budget::{MemoryStore, Put};
use crate::error::ReadError;
use crate::flight::{Flight, Outcome};
use crate::freshness::Freshness;
use crate::loaded_session::LoadedSession;
use crate::own_work::OwnWork;
use crate::reading::{Reading, Source};
use crate::residency::{Held, OnLoaded, OnRead, on_read};
use crate::statistics::{Count, Statistics};
use crate::sync::{HashState, Mutex};

const STRIPES: usize = 64;

/// What is under way for the keys of one stripe.
#[derive(Default)]
struct UnderWay {
    loads: HashMap<ConversationKey, Flight, HashState>,
    own_work: HashMap<ConversationKey, OwnWork, HashState>,
}

/// One lock and what is under way for the keys that it guards, on a cache line of its own.
#[derive(Default)]
#[repr(align(128))]
struct Stripe(Mutex<UnderWay>);

/// All sessions: those in memory, those being loaded, and those being written to from here.
pub(crate) struct Slots {
    pub(crate) memory: MemoryStore,
    pub(crate) statistics: Statistics,
    pub(crate) freshness: Freshness,
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
            freshness: Freshness::default(),
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
        self.freshness.trusts(&session, now).then_some(session)
    }

    /// Joins the load of a session, or begins it: whoever leads must see to it that the session gets loaded.
    pub(crate) fn join(&self, key: &ConversationKey, now: Duration) -> Joined {
        let mut under_way = self.stripe(key).lock();
        let held = self.memory.peek(key);
        let state = held.as_deref().map(|held| self.held(held, now));
        match (on_read(state, under_way.loads.contains_key(key)), held) {
            (OnRead::Serve, Some(held)) => {
                drop(under_way);
                Joined::Served(held)
            }
            (OnRead::Serve | OnRead::Join | OnRead::Lead, held) => {
                let joined = match under_way.loads.entry(key.clone()) {
                    Entry::Occupied(mut flight) => Joined::Follows(flight.get_mut().join()),
                    Entry::Vacant(vacant) => {
                        self.count_suspect(held.as_deref());
                        Joined::Leads(vacant.insert(Flight::default()).join())
                    }
                };
                drop(under_way);
                drop(held);
                joined
            }
        }
    }

    /// The store is about to be asked for these sessions, which are being loaded.
    pub(crate) fn asking(&self, keys: &[ConversationKey]) {
        for key in keys {
            let mut under_way = self.stripe(key).lock();
            // Under the lock: what is heard of from now on finds the load as one that has begun.
            let epoch = self.freshness.epoch();
            if let Some(flight) = under_way.loads.get_mut(key) {
                flight.ask(epoch);
            }
        }
    }

    /// The store answered for a session that is being loaded.
    pub(crate) fn landed(&self, key: &ConversationKey, lookup: Lookup, now: Duration) -> Landed {
        let source = match &lookup {
            Lookup::Found(_) => Source::Store,
            Lookup::New(_) => Source::New,
        };
        let history = lookup.into_history();
        let version = history.version();
        let mut under_way = self.stripe(key).lock();
        let Entry::Occupied(mut flight) = under_way.loads.entry(key.clone()) else {
            return Landed::Done;
        };
        let load = &mut flight.get_mut().load;
        let epoch = load.epoch();
        let verdict = load.on_loaded(version, self.freshness.covers(epoch, now));
        let (landing, landed, put) = match verdict {
            OnLoaded::Repeat => return Landed::Again,
            OnLoaded::GiveUp => {
                let error = ReadError::NotFresh { held: version };
                (flight.remove().land(Err(error)), Landed::Done, None)
            }
            OnLoaded::Publish => {
                let session = Arc::new(LoadedSession::new(history, now, epoch));
                let put = self.keeps.then(|| self.memory.put(key, &session));
                let landing = flight.remove().land(Ok(Reading::new(session, source)));
                (landing, Landed::Done, put)
            }
            OnLoaded::PublishSuspect | OnLoaded::TellEarly => {
                let session = Arc::new(LoadedSession::new(history, now, epoch));
                let reading = Reading::new(Arc::clone(&session), source);
                let landing = flight.get_mut().land_early(Ok(reading));
                let landed = if flight.get().is_over() {
                    flight.remove();
                    Landed::Done
                } else {
                    session.mark_stale();
                    Landed::Again
                };
                let keeps = self.keeps && verdict == OnLoaded::PublishSuspect;
                (landing, landed, keeps.then(|| self.memory.put(key, &session)))
            }
        };
        drop(under_way);
        self.count(put);
        landing.tell();
        landed
    }

    /// The store could not be asked for a session that is being loaded. Nothing is marked as loaded by that; what is held since before is
    /// served as degraded where the store is away, and only then.
    pub(crate) fn failed(&self, key: &ConversationKey, error: &ReadError) {
        let mut under_way = self.stripe(key).lock();
        let Some(flight) = under_way.loads.remove(key) else {
            return;
        };
        let held = self.memory.peek(key).filter(|_| error.is_away());
        drop(under_way);
        flight
            .land(held.map(Reading::degraded).ok_or_else(|| error.clone()))
            .tell();
    }

    /// A session that was just made up is loaded and empty, without asking anybody. One that is there already, or on its way, was not
    /// just made up, and is left as it is.
    pub(crate) fn open(&self, key: &ConversationKey, now: Duration) -> Reading {
        let epoch = self.freshness.epoch();
        let session = Arc::new(LoadedSession::new(History::empty(Version::ZERO), now, epoch));
        let under_way = self.stripe(key).lock();
        if let Some(held) = self.memory.peek(key) {
            drop(under_way);
            return Reading::new(held, Source::Memory);
        }
        let keeps = self.keeps && !under_way.loads.contains_key(key);
        let put = keeps.then(|| self.memory.put(key, &session));
        drop(under_way);
        self.count(put);
        Reading::new(session, Source::New)
    }

    /// What is held of the session while the store does not answer.
    pub(crate) fn degraded(&self, key: &ConversationKey, now: Duration) -> Option<Reading> {
        let held = self.memory.peek(key)?;
        Some(if self.freshness.trusts(&held, now) {
            Reading::new(held, Source::Memory)
        } else {
            Reading::degraded(held)
        })
    }

    /// What is in memory, or on its way there, is out of date.
    pub(crate) fn invalidate(&self, key: &ConversationKey) {
        let mut under_way = self.stripe(key).lock();
        if let Some(flight) = under_way.loads.get_mut(key) {
            flight.load.overtake();
        }
        let held = self.memory.peek(key);
        if let Some(held) = &held {
            self.mark_stale(held);
        }
        drop(under_way);
        drop(held);
    }

    /// A caller claims that the session has reached this version: where memory is older, readers go to the store. A claim is no proof,
    /// so that a load under way is not held to it.
    pub(crate) fn outdated(&self, key: &ConversationKey, claimed: Version) {
        let under_way = self.stripe(key).lock();
        let held = self.memory.peek(key);
        self.mark_stale_below(held.as_deref(), claimed);
        drop(under_way);
        drop(held);
    }

    /// The store said that the session has reached this version, and not how: nothing older is kept or published.
    pub(crate) fn heard_of(&self, key: &ConversationKey, version: Version) {
        let mut under_way = self.stripe(key).lock();
        let held = self.reached(key, version, &mut under_way);
        drop(under_way);
        drop(held);
    }

    /// The session leaves memory; what is on its way there must not come.
    pub(crate) fn forget(&self, key: &ConversationKey) {
        let mut under_way = self.stripe(key).lock();
        let left = self.left(key, &mut under_way);
        drop(under_way);
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

    /// [`Slots::heard_of`] under the lock; what it returns is dropped after it.
    fn reached(
        &self,
        key: &ConversationKey,
        version: Version,
        under_way: &mut UnderWay,
    ) -> Option<Arc<LoadedSession>> {
        if let Some(flight) = under_way.loads.get_mut(key) {
            flight.load.raise_floor(version);
        }
        let held = self.memory.peek(key);
        self.mark_stale_below(held.as_deref(), version);
        held
    }

    /// [`Slots::forget`] under the lock; what it returns is dropped after it.
    fn left(&self, key: &ConversationKey, under_way: &mut UnderWay) -> Option<Arc<LoadedSession>> {
        if let Some(flight) = under_way.loads.get_mut(key) {
            flight.load.overtake();
        }
        self.memory.remove(key)
    }

    /// A session in memory, as far as its residency goes: one that is suspect is read as if it were stale.
    fn held(&self, session: &LoadedSession, now: Duration) -> Held {
        Held {
            stale: !self.freshness.trusts(session, now),
            ..session.held()
        }
    }

    /// A session that is about to be reloaded because it is suspect is stale from then on, whatever the feed says meanwhile.
    fn count_suspect(&self, held: Option<&LoadedSession>) {
        if held.is_some_and(LoadedSession::mark_stale) {
            self.statistics.add(Count::Suspected);
        }
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

    fn stripe(&self, key: &ConversationKey) -> &Mutex<UnderWay> {
        let stripes = u64::try_from(STRIPES).unwrap_or(1);
        let index = usize::try_from(self.hasher.hash_one(key) % stripes).unwrap_or(0);
        #[expect(clippy::indexing_slicing, reason = "the index is a remainder of the length")]
        &self.stripes[index].0
    }

    /// Recounts what is counted elsewhere, and checks what must always hold while nobody changes anything.
    pub(crate) fn validate(&self) {
        self.memory.validate();
        for (key, session) in self.memory.iter() {
            let loading = self.stripe(&key).lock().loads.contains_key(&key);
            assert!(!loading || session.is_stale(), "{key} is fresh and being loaded");
        }
        for stripe in &self.stripes {
            for (key, work) in &stripe.0.lock().own_work {
                assert!(!work.is_over(), "nobody works on {key}");
            }
        }
    }
}

mod notices;
mod own_commits;
mod users;

pub(crate) use own_commits::Working;

#[cfg(all(test, feature = "shuttle"))]
mod interleavings;
#[cfg(all(test, not(feature = "shuttle")))]
mod tests;
