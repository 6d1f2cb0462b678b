//! Every thread may be interrupted at every lock and at every atomic of a session: the model checker runs these under many schedules. One
//! that fails prints its seed; `SHUTTLE_RANDOM_SEED=<seed> cargo test -p hearth-cache --features shuttle --lib` runs the same ones again.
#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected stops")]
#![expect(
    clippy::print_stdout,
    reason = "a test that fails shows the seed that replays it"
)]

use std::collections::VecDeque;
use std::sync::PoisonError;

use hearth_domain::ports::{Change, Notice};
use hearth_domain::{Committed, CommittedMessage, MessageId};
use hearth_testkit::build::{append, exchange, key};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::sync::Mutex as Gate;
use shuttle::{Config, Runner, thread};

use super::*;
use crate::sync::{AtomicU64, Ordering};

mod other_writers;

const NOW: Duration = Duration::from_secs(3_600);
const IDLE: Duration = Duration::from_mins(30);
/// Of each of the two kinds of schedules: evenly random ones, and ones with few switches at unlikely places.
const SCHEDULES: usize = 2_000;
/// The variable that replays a run; the model checker knows it too.
const SEED: &str = "SHUTTLE_RANDOM_SEED";
const STACK_BYTES: usize = 1 << 18;

fn check(scenario: impl Fn() + Send + Sync + 'static) {
    let seed = std::env::var(SEED).map_or_else(
        |_| std::collections::hash_map::RandomState::new().hash_one(()),
        |seed| seed.parse().unwrap(),
    );
    println!("{SEED}={seed}");
    let mut config = Config::default();
    config.stack_size = STACK_BYTES;
    let scenario = Arc::new(scenario);
    let (evenly, few_switches) = (Arc::clone(&scenario), scenario);
    Runner::new(RandomScheduler::new_from_seed(seed, SCHEDULES), config.clone()).run(move || evenly());
    Runner::new(PctScheduler::new_from_seed(seed, 3, SCHEDULES), config).run(move || few_switches());
}

fn version(number: u64) -> Version {
    Version::new(number).unwrap()
}

/// A store of one session, whose every turn is one exchange; and how often it was asked.
#[derive(Default)]
struct Store {
    state: Gate<Stored>,
    loads: AtomicU64,
}

#[derive(Clone)]
struct Stored {
    history: History,
    erased: bool,
    next_id: i64,
    untold: VecDeque<Version>,
}

impl Default for Stored {
    fn default() -> Self {
        Self {
            history: History::empty(Version::ZERO),
            erased: false,
            next_id: 1,
            untold: VecDeque::new(),
        }
    }
}

/// A session in the store and in memory, under one set of threads.
struct World {
    key: ConversationKey,
    slots: Slots,
    store: Store,
}

impl World {
    fn new(budget_bytes: u64) -> Arc<Self> {
        Arc::new(Self {
            key: key("d", "u", "s"),
            slots: Slots::new(budget_bytes, WindowLimits::default(), true),
            store: Store::default(),
        })
    }

    fn stored(&self) -> Stored {
        let state = self.store.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.clone()
    }

    fn change<T>(&self, change: impl FnOnce(&mut Stored) -> T) -> T {
        let mut state = self.store.state.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state)
    }

    /// Reads as a reader does who also runs the loader's part, where he leads.
    fn read(&self) -> Result<Reading, ReadError> {
        if let Some(session) = self.slots.served(&self.key, NOW, IDLE) {
            return Ok(Reading::new(session, Source::Memory));
        }
        let mut waiting = match self.slots.join(&self.key, NOW) {
            Joined::Served(session) => return Ok(Reading::new(session, Source::Memory)),
            Joined::Follows(waiting) => waiting,
            Joined::Leads(waiting) => {
                self.load();
                waiting
            }
        };
        loop {
            match waiting.try_recv() {
                Ok(outcome) => return outcome,
                Err(oneshot::error::TryRecvError::Empty) => thread::yield_now(),
                Err(oneshot::error::TryRecvError::Closed) => panic!("a waiter was stranded"),
            }
        }
    }

    fn load(&self) {
        loop {
            self.slots.asking(std::slice::from_ref(&self.key));
            self.store.loads.fetch_add(1, Ordering::SeqCst);
            let lookup = Lookup::of(self.stored().history);
            if self.slots.landed(&self.key, lookup, NOW) == Landed::Done {
                return;
            }
        }
    }

    fn append(&self) -> Version {
        let turn = append(&self.key, exchange("query", "response"));
        let working = self.slots.begin(&self.key);
        let committed = self.commit(&turn);
        if let Some(mut applied) = working.committed(&turn, &committed, NOW) {
            while applied.try_recv() == Err(oneshot::error::TryRecvError::Empty) {
                thread::yield_now();
            }
        }
        committed.version
    }

    /// The store's part of an append. The feed may tell of it from then on.
    fn commit(&self, turn: &hearth_domain::Append) -> Committed {
        self.change(|stored| {
            let row = |id| CommittedMessage {
                id: MessageId(id),
                created_at: chrono::DateTime::UNIX_EPOCH,
            };
            let committed = Committed {
                version: stored.history.version().next(),
                messages: vec![row(stored.next_id), row(stored.next_id + 1)],
            };
            stored.next_id += 2;
            let views = committed.views(&turn.turn);
            stored.history = stored
                .history
                .extended(views, committed.version, WindowLimits::default())
                .unwrap();
            stored.untold.push_back(committed.version);
            committed
        })
    }

    /// A turn of another replica.
    fn append_elsewhere(&self) -> Version {
        self.commit(&append(&self.key, exchange("query", "response")))
            .version
    }

    /// The feed tells of all that was committed until now.
    fn tell(&self, own: bool) {
        while let Some(version) = self.change(|stored| stored.untold.pop_front()) {
            self.slots.heed(&Notice::Changes(vec![Change::Committed {
                key: self.key.clone(),
                version,
                own,
            }]));
        }
    }

    fn erase(&self) {
        self.change(|stored| {
            stored.history = History::empty(stored.history.version().next());
            stored.erased = true;
        });
        self.slots.forget(&self.key);
    }

    /// What a reader sees when all is quiet is what the store has.
    fn settle(&self) {
        self.slots.validate();
        assert_eq!(*self.read().unwrap().history(), self.stored().history);
        self.slots.validate();
    }
}

fn spawn(world: &Arc<World>, work: impl FnOnce(&World) + Send + 'static) -> thread::JoinHandle<()> {
    let world = Arc::clone(world);
    thread::spawn(move || work(&world))
}

fn join(threads: impl IntoIterator<Item = thread::JoinHandle<()>>) {
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn single_flight() {
    check(|| {
        let world = World::new(1 << 20);
        world.append();
        join([(); 3].map(|()| {
            spawn(&world, |world| {
                assert_eq!(world.read().unwrap().history().version(), version(1));
            })
        }));
        assert_eq!(world.store.loads.load(Ordering::SeqCst), 1);
        world.settle();
    });
}

#[test]
fn a_reader_never_sees_less_than_what_was_acknowledged() {
    check(|| {
        let world = World::new(1 << 20);
        join([(); 3].map(|()| {
            spawn(&world, |world| {
                let before = world.read().unwrap().history().version();
                let committed = world.append();
                let after = world.read().unwrap().history().version();
                assert!(before < committed && committed <= after);
            })
        }));
        world.settle();
    });
}

#[test]
fn append_against_invalidate() {
    check(|| {
        let world = World::new(1 << 20);
        world.append();
        world.read().unwrap();
        join([
            spawn(&world, |world| {
                let committed = world.append();
                assert!(world.read().unwrap().history().version() >= committed);
            }),
            spawn(&world, |world| {
                // A turn of another replica, whose notice names no version.
                let seen = world.change(|stored| {
                    stored.history = History::empty(stored.history.version().next());
                    stored.history.version()
                });
                world.slots.invalidate(&world.key);
                assert!(world.read().unwrap().history().version() >= seen);
            }),
            spawn(&world, |world| {
                world.read().unwrap();
            }),
        ]);
        world.settle();
    });
}

#[test]
fn end_and_erase_against_warm_up() {
    check(|| {
        let world = World::new(1 << 20);
        world.append();
        join([
            spawn(&world, |world| {
                world.erase();
                let reading = world.read().unwrap();
                assert!(reading.history().is_empty(), "what was erased is back");
            }),
            spawn(&world, |world| {
                let reading = world.read().unwrap();
                assert!(!reading.history().is_empty() || world.stored().erased);
            }),
            spawn(&world, |world| {
                world.read().unwrap();
            }),
        ]);
        world.settle();
    });
}

#[test]
fn eviction_and_expiry_against_read() {
    check(|| {
        // Room for two sessions, and three come.
        let world = World::new(1_100);
        world.append();
        let crowd = |number: u64| {
            move |world: &World| {
                let other = key("d", "u", &number.to_string());
                if let Joined::Leads(_) = world.slots.join(&other, NOW) {
                    let empty = Lookup::New(Version::ZERO);
                    assert_eq!(world.slots.landed(&other, empty, NOW), Landed::Done);
                }
            }
        };
        join([
            spawn(&world, crowd(1)),
            spawn(&world, crowd(2)),
            spawn(&world, |world| {
                let reading = world.read().unwrap();
                assert_eq!(reading.history().version(), version(1));
                let committed = world.append();
                assert!(world.read().unwrap().history().version() >= committed);
            }),
            spawn(&world, |world| {
                if let Some(held) = world.slots.memory.peek(&world.key) {
                    world.slots.expire(&world.key, &held);
                }
            }),
        ]);
        world.settle();
    });
}

#[test]
fn a_leader_who_is_refused_strands_nobody() {
    check(|| {
        let world = World::new(1 << 20);
        join([(); 3].map(|()| {
            spawn(&world, |world| {
                let mut waiting = match world.slots.join(&world.key, NOW) {
                    Joined::Served(_) => panic!("nothing was loaded"),
                    Joined::Follows(waiting) => waiting,
                    Joined::Leads(waiting) => {
                        world.slots.failed(&world.key, &ReadError::Overloaded);
                        waiting
                    }
                };
                loop {
                    match waiting.try_recv() {
                        Ok(outcome) => {
                            assert!(matches!(outcome, Err(ReadError::Overloaded)));
                            return;
                        }
                        Err(oneshot::error::TryRecvError::Empty) => thread::yield_now(),
                        Err(oneshot::error::TryRecvError::Closed) => panic!("a waiter was stranded"),
                    }
                }
            })
        }));
        world.settle();
    });
}
