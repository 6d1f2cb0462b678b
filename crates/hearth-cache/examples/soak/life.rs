//! One life of a cache: clients that read, append, end, erase and invalidate at once over few sessions, and what each may see.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hearth_cache::{Cache, CacheConfig, Spawner};
use hearth_domain::ports::{AppendError, HistoryStore};
use hearth_domain::{ConversationKey, NewMessage, Role, Version, WindowLimits};
use hearth_testkit::build;
use hearth_testkit::clock::ManualClock;
use tokio::runtime::Builder;
use tokio::task::JoinSet;

use crate::unsteady_store::UnsteadyStore;

const CLIENTS: u64 = 16;
const STEPS: u64 = 60;
const SESSIONS: usize = 6;

/// What was done.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    reads: u64,
    failed_reads: u64,
    turns: u64,
    erases: u64,
}

/// What is known to be true of a session, for whoever reads it from now on.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    /// No reader sees less.
    version: Version,
    /// No reader sees a turn of this version or an earlier one: it was erased.
    erased: Version,
}

struct Life {
    cache: Cache<UnsteadyStore>,
    clock: ManualClock,
    keys: Vec<ConversationKey>,
    known: Mutex<Vec<Known>>,
    /// The version of each acknowledged turn, by the number that is its content.
    turns: Mutex<HashMap<u64, Version>>,
    last_turn: AtomicU64,
    tally: Mutex<Tally>,
}

/// Lives one life, and panics where anybody sees what must not be seen.
pub(crate) fn live(seed: u64) -> Tally {
    let replay = Replay(seed);
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let tally = runtime.block_on(async {
        let life = Arc::new(Life::new(seed));
        for _ in 0..3 {
            let mut clients = JoinSet::new();
            for client in 0..CLIENTS {
                let dice = fastrand::Rng::with_seed(seed.wrapping_mul(31).wrapping_add(client));
                clients.spawn(Arc::clone(&life).client(dice));
            }
            while let Some(ended) = clients.join_next().await {
                ended.expect("a client saw what it must not see");
            }
            life.settle().await;
        }
        *life.tally.lock().unwrap_or_else(PoisonError::into_inner)
    });
    std::mem::forget(replay);
    tally
}

/// Tells how to see it again, if this life ends early.
struct Replay(u64);

impl Drop for Replay {
    fn drop(&mut self) {
        println!(
            "it went wrong with seed {}: cargo run --release -p hearth-cache --example soak -- 1 {}",
            self.0, self.0
        );
    }
}

impl Life {
    fn new(seed: u64) -> Self {
        let clock = ManualClock::default();
        let config = CacheConfig {
            window: WindowLimits::new(4, 12).expect("small limits"),
            budget_bytes: 6_000,
            load_batch_max: 3,
            loads_in_flight_max: 2,
            load_queue_max: 4,
            ..CacheConfig::default()
        };
        let spawner = Spawner::new(tokio::runtime::Handle::current());
        let store = Arc::new(UnsteadyStore::new(seed));
        Self {
            cache: Cache::new(store, config, Arc::new(clock.clone()), spawner),
            clock,
            keys: (0..SESSIONS)
                .map(|session| build::key("d", "u", &session.to_string()))
                .collect(),
            known: Mutex::new(vec![Known::default(); SESSIONS]),
            turns: Mutex::default(),
            last_turn: AtomicU64::new(0),
            tally: Mutex::default(),
        }
    }

    async fn client(self: Arc<Self>, mut dice: fastrand::Rng) {
        for _ in 0..STEPS {
            let session = dice.usize(0..SESSIONS);
            match dice.u32(0..100) {
                0..55 => self.read(session, dice.bool()).await,
                55..85 => self.append(session).await,
                85..90 => self.end(session).await,
                90..93 => self.erase(session).await,
                93..97 => self.cache.invalidate(self.key(session)),
                _ => self.clock.advance(Duration::from_mins(dice.u64(1..40))),
            }
        }
    }

    async fn read(&self, session: usize, demand: bool) {
        let before = self.known(session);
        let key = self.key(session);
        let outcome = if demand {
            self.cache.history_since(key, before.version).await
        } else {
            self.cache.history(key).await
        };
        self.count(|tally| tally.reads += 1);
        let Ok(reading) = outcome else {
            self.count(|tally| tally.failed_reads += 1);
            return;
        };
        let history = reading.history();
        assert!(
            reading.is_degraded() || history.version() >= before.version,
            "{key}: a reader was shown {} after {} was acknowledged",
            history.version(),
            before.version
        );
        for message in history.messages() {
            let turn: u64 = message
                .content
                .parse()
                .expect("a message's content is its turn's number");
            let version = self
                .turns
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get(&turn)
                .copied();
            assert!(
                version.is_none_or(|version| version > before.erased),
                "{key}: an erased message came back"
            );
        }
        assert!(
            history.len() <= 12 && history.responses() <= 4,
            "{key}: the window is too large"
        );
    }

    async fn append(&self, session: usize) {
        let number = self.last_turn.fetch_add(1, Ordering::Relaxed);
        let say = |role| NewMessage::new(role, number.to_string()).expect("a short content");
        let turn = build::turn(&[say(Role::User), say(Role::Assistant)]);
        match self.cache.append(build::append(self.key(session), turn)).await {
            Ok(committed) => {
                self.turns
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(number, committed.version);
                self.learn(session, |known| {
                    known.version = known.version.max(committed.version)
                });
                self.count(|tally| tally.turns += 1);
            }
            Err(AppendError::Unknown(_) | AppendError::NotCommitted(_)) => {}
            Err(error) => panic!("no version was expected: {error}"),
        }
    }

    async fn end(&self, session: usize) {
        // An end that the store refuses changes nothing that a reader may see.
        let _outcome = self.cache.end(self.key(session).clone()).await;
    }

    async fn erase(&self, session: usize) {
        if let Ok(version) = self.cache.erase(self.key(session).clone()).await {
            self.learn(session, |known| {
                known.version = known.version.max(version);
                known.erased = known.erased.max(version);
            });
            self.count(|tally| tally.erases += 1);
        }
    }

    /// With nobody at work, memory and store agree, and every figure is what a recount says.
    async fn settle(&self) {
        self.cache.validate();
        for key in &self.keys {
            let Ok(reading) = self.cache.history(key).await else {
                continue;
            };
            let limits = WindowLimits::new(4, 12).expect("small limits");
            let stored = self
                .cache
                .store()
                .inner
                .load(std::slice::from_ref(key), limits)
                .await;
            let stored = stored
                .expect("the reference store answers")
                .pop()
                .expect("for one session");
            if !reading.is_degraded() {
                assert_eq!(
                    reading.history(),
                    &stored.into_history(),
                    "{key}: memory is not what is stored"
                );
            }
        }
        let figures = self.cache.performance().figures;
        assert!(figures.reads.coalesced <= figures.reads.total());
    }

    fn key(&self, session: usize) -> &ConversationKey {
        self.keys.get(session).expect("one of the sessions")
    }

    fn known(&self, session: usize) -> Known {
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(session)
            .copied()
            .unwrap_or_default()
    }

    fn learn(&self, session: usize, change: impl FnOnce(&mut Known)) {
        if let Some(known) = self
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_mut(session)
        {
            change(known);
        }
    }

    fn count(&self, change: impl FnOnce(&mut Tally)) {
        change(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.reads += other.reads;
        self.failed_reads += other.failed_reads;
        self.turns += other.turns;
        self.erases += other.erases;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} reads ({} failed), {} turns, {} erases",
            self.reads, self.failed_reads, self.turns, self.erases
        )
    }
}
