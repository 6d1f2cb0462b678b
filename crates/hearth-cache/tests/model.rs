//! Any sequence of calls and failures, against a naive model of what each answer may be.
//!
//! The model keeps every state that the store ever had of a session, and which of them is the oldest that a reader may still be shown. It
//! knows nothing of slots, loads or eviction.

mod feed;
mod step;

use std::time::Duration;

use hearth_cache::{CacheConfig, ReadError, Reading, Source};
use hearth_domain::ports::HistoryStore;
use hearth_domain::{ConversationKey, History, Version, WindowLimits};
use hearth_testkit::build::{append, exchange, key};
use hearth_testkit::faulty_store::Call;
use hearth_testkit::manual_feed::manual_feed;
use hearth_testkit::poll;
use proptest::prelude::*;

use self::feed::{BOUND, Feed, gone};
use self::step::{Step, lives};
use crate::setup::{HANG, Setup, patient, version};

const SESSIONS: usize = 4;
const BUDGET_BYTES: u64 = 16 << 10;
const IDLE: Duration = Duration::from_mins(30);

/// What is known of one session.
struct Session {
    /// Every state that the store had, oldest first.
    states: Vec<History>,
    /// The oldest state that a reader may be shown.
    oldest_shown: usize,
    /// The oldest state that a reader may be shown while the store is away.
    oldest_degraded: usize,
    /// Whether it may be in memory.
    may_be_loaded: bool,
}

impl Session {
    fn newest(&self) -> usize {
        self.states.len() - 1
    }

    fn newest_is_new(&self) -> bool {
        let newest = &self.states[self.newest()];
        newest.is_empty() && !newest.is_truncated()
    }

    fn must_show_newest(&mut self) {
        self.oldest_shown = self.newest();
    }

    fn must_show(&mut self, state: usize) {
        self.oldest_shown = self.oldest_shown.max(state);
    }

    fn unload(&mut self) {
        self.must_show_newest();
        self.may_be_loaded = false;
    }

    fn erase(&mut self) {
        self.unload();
        self.oldest_degraded = self.newest();
    }
}

#[derive(Default)]
struct Counts {
    memory: u64,
    store: u64,
    new: u64,
    failed: u64,
}

struct World {
    setup: Setup,
    keys: Vec<ConversationKey>,
    sessions: Vec<Session>,
    store_is_away: bool,
    store_panics: bool,
    counts: Counts,
    feed: Option<Feed>,
    foreign_rows: i64,
}

fn window() -> WindowLimits {
    WindowLimits::new(3, 7).unwrap()
}

impl World {
    fn new(follows: bool) -> Self {
        let setup = Setup::with(CacheConfig {
            budget_bytes: BUDGET_BYTES,
            window: window(),
            idle: IDLE,
            ..patient()
        });
        let keys: Vec<_> = (0..SESSIONS)
            .map(|number| key("d", "u", &number.to_string()))
            .collect();
        let sessions = keys.iter().map(|_| Session {
            states: vec![History::empty(Version::ZERO)],
            oldest_shown: 0,
            oldest_degraded: 0,
            may_be_loaded: false,
        });
        let feed = follows.then(|| {
            let (teller, feed) = manual_feed();
            setup.cache.follow(feed, BOUND);
            Feed::new(teller)
        });
        Self {
            feed,
            foreign_rows: 0,
            sessions: sessions.collect(),
            setup,
            keys,
            store_is_away: false,
            store_panics: false,
            counts: Counts::default(),
        }
    }

    /// Notes what the store has now, where that is another state than before.
    async fn note(&mut self, number: usize) {
        let state = self.setup.stored_within(&self.keys[number], window()).await;
        let states = &mut self.sessions[number].states;
        if states.last() != Some(&state) {
            states.push(state);
        }
    }

    fn stored_version(&self, number: usize) -> u64 {
        let session = &self.sessions[number];
        session.states[session.newest()].version().get()
    }

    /// Checks an answer against all that is known of the session.
    fn judge(&mut self, number: usize, since: Version, outcome: Result<Reading, ReadError>, loads: usize) {
        let (away, panics, trusted) = (self.store_is_away, self.store_panics, self.is_trusted());
        // With a feed, a store that is known to be away is not asked.
        let asked = loads == 1 || (loads == 0 && away && self.feed.is_some());
        if loads > 0 && !away {
            self.store_panics = false;
        }
        let session = &mut self.sessions[number];
        let newest = session.newest();
        let stored = session.states[newest].version();
        match outcome {
            Ok(reading) => {
                let shown = session
                    .states
                    .iter()
                    .rposition(|state| state == reading.history());
                let shown = shown.unwrap_or_else(|| panic!("the store never had {:?}", reading.history()));
                assert!(reading.history().version() >= since);
                if reading.is_degraded() {
                    assert!(away && session.may_be_loaded && asked);
                    assert!(shown >= session.oldest_degraded, "it was erased");
                    return;
                }
                assert!(shown >= session.oldest_shown, "something newer was known");
                match reading.source() {
                    Source::Memory => assert!(session.may_be_loaded && loads == 0 && trusted),
                    Source::Store | Source::New => {
                        assert!(shown == newest && loads == 1 && !away && !panics);
                        let is_new = reading.history().is_empty() && !reading.history().is_truncated();
                        assert_eq!(reading.source() == Source::New, is_new);
                    }
                }
                session.oldest_shown = shown;
                session.may_be_loaded = true;
            }
            Err(ReadError::NotFresh { held }) => {
                assert!(held < since && asked);
                assert!(away || stored < since);
                if !away {
                    assert_eq!(held, stored);
                    session.oldest_shown = newest;
                    session.may_be_loaded = true;
                }
            }
            Err(ReadError::Store(_)) => {
                assert!((away || panics) && loads == 1);
            }
            Err(error) => panic!("{error}"),
        }
    }

    async fn read(&mut self, number: usize, since: Version) {
        let loads = self.setup.loads();
        let outcome = self.setup.cache.history_since(&self.keys[number], since).await;
        match &outcome {
            Err(_) => self.counts.failed += 1,
            Ok(reading) => match reading.source() {
                Source::Memory => self.counts.memory += 1,
                Source::Store => self.counts.store += 1,
                Source::New => self.counts.new += 1,
            },
        }
        self.judge(number, since, outcome, self.setup.loads() - loads);
    }

    async fn append(&mut self, number: usize, bytes: usize, onto: Option<Version>) {
        let mut turn = append(&self.keys[number], exchange(&"q".repeat(bytes), "an answer"));
        turn.if_version = onto;
        let outcome = self.setup.cache.append(turn).await;
        let before = self.stored_version(number);
        self.note(number).await;
        if self.stored_version(number) > before {
            self.committed(number, true);
        }
        let session = &mut self.sessions[number];
        if let Ok(committed) = outcome {
            assert_eq!(committed.version, session.states[session.newest()].version());
            assert!(!self.store_is_away);
            session.oldest_shown = session.newest();
        }
    }

    async fn step(&mut self, step: Step) {
        let cache = self.setup.cache.clone();
        match step {
            Step::Read(number) => self.read(number, Version::ZERO).await,
            Step::ReadSince(number, above) => {
                let since = version(self.stored_version(number) + above);
                self.read(number, since).await;
            }
            Step::WarmUp(number) => {
                let loads = self.setup.loads();
                let outcome = cache.warm_up(&self.keys[number]).await;
                self.judge(number, Version::ZERO, outcome, self.setup.loads() - loads);
            }
            Step::Open(number) => self.open(number),
            Step::Append(number, bytes) => self.append(number, bytes, None).await,
            Step::AppendOntoWrongVersion(number) => {
                let wrong = version(self.stored_version(number) + 1);
                self.append(number, 10, Some(wrong)).await;
                if !self.store_is_away {
                    self.sessions[number].must_show_newest();
                }
            }
            Step::AppendAndForget(number) => {
                self.setup.store.forget_commits(1);
                self.append(number, 10, None).await;
                self.setup.store.forget_commits(0);
                if !self.store_is_away {
                    self.sessions[number].must_show_newest();
                }
            }
            Step::AppendBehind(number) => {
                self.setup.write_behind(&self.keys[number], "behind").await;
                self.note(number).await;
                self.committed(number, false);
            }
            Step::EraseBehind(number) => {
                self.setup.store.inner().erase(&self.keys[number]).await.unwrap();
                self.note(number).await;
                self.is_to_tell(number, gone(&self.keys[number], false));
            }
            Step::End(number) => {
                if cache.end(self.keys[number].clone()).await.is_ok() {
                    self.sessions[number].unload();
                    self.is_to_tell(number, gone(&self.keys[number], true));
                }
            }
            Step::Erase(number) => self.erase(number).await,
            Step::EraseUser => self.erase_user().await,
            Step::Invalidate(number) => {
                cache.invalidate(&self.keys[number]);
                self.sessions[number].must_show_newest();
            }
            Step::Crowd(count) => self.crowd(count).await,
            Step::Wait(quarters) => self.setup.clock.advance(IDLE / 4 * quarters),
            Step::Sweep => {
                let before = self.setup.loaded_sessions();
                let expired = cache.expire_idle().await;
                assert_eq!(self.setup.loaded_sessions(), before - expired);
            }
            Step::StoreGoes => {
                self.setup.store.fail_everything();
                self.store_is_away = true;
            }
            Step::StorePanics => {
                self.setup.store.panic_in_next_load();
                self.store_panics = true;
            }
            Step::StoreComes => {
                self.setup.store.recover();
                self.store_is_away = false;
                self.store_panics = false;
                let coherence = || cache.performance().coherence;
                poll::until(HANG, async || {
                    !coherence().is_some_and(|known| known.store_is_away)
                })
                .await;
            }
            Step::ThirdsPass(thirds) => self.setup.clock.advance(BOUND / 3 * thirds),
            Step::Feed(step) => self.feed_step(step).await,
        }
    }

    fn open(&mut self, number: usize) {
        // Only what nobody has written to can have been made up.
        if self.sessions[number].newest() > 0 {
            return;
        }
        let reading = self.setup.cache.open(&self.keys[number]);
        assert!(reading.history().is_empty());
        match reading.source() {
            Source::Memory => self.counts.memory += 1,
            Source::Store | Source::New => self.counts.new += 1,
        }
        self.sessions[number].may_be_loaded = true;
    }

    async fn erase(&mut self, number: usize) {
        let outcome = self.setup.cache.erase(self.keys[number].clone()).await;
        assert_eq!(outcome.is_err(), self.store_is_away);
        self.note(number).await;
        if outcome.is_ok() {
            self.sessions[number].erase();
            self.is_to_tell(number, gone(&self.keys[number], true));
        } else {
            self.sessions[number].must_show_newest();
        }
    }

    async fn erase_user(&mut self) {
        let key = &self.keys[0];
        let erased = self
            .setup
            .cache
            .erase_user(key.department.clone(), key.user.clone())
            .await;
        for number in 0..SESSIONS {
            let had_messages = !self.sessions[number].newest_is_new();
            self.note(number).await;
            if erased.is_ok() && had_messages {
                self.sessions[number].erase();
                self.is_to_tell(number, gone(&self.keys[number], true));
            }
        }
    }

    async fn crowd(&mut self, count: usize) {
        let loads = self.setup.loads();
        let crowd: Vec<_> = (0..count)
            .map(|number| key("crowd", "u", &number.to_string()))
            .collect();
        self.setup.cache.warm_up_many(&crowd).await;
        if !self.store_is_away && self.setup.loads() > loads {
            self.store_panics = false;
        }
    }

    /// What holds after every step.
    fn validate(&self) {
        self.setup.cache.validate();
        let performance = self.setup.cache.performance();
        let (reads, queries) = (performance.figures.reads, performance.figures.queries);
        assert_eq!(
            (
                reads.memory,
                reads.store,
                reads.new,
                reads.failed,
                reads.coalesced
            ),
            (
                self.counts.memory,
                self.counts.store,
                self.counts.new,
                self.counts.failed,
                0
            )
        );
        assert_eq!(
            queries.issued,
            u64::try_from(self.setup.store.calls(Call::Load)).unwrap()
        );
        assert_eq!(performance.load_queue, 0);
        assert!(performance.memory.bytes <= BUDGET_BYTES);
        let loaded = self.setup.cache.recently_used(usize::MAX);
        assert_eq!(loaded.len(), performance.memory.sessions);
        for (key, session) in self.keys.iter().zip(&self.sessions) {
            assert!(
                session.may_be_loaded || !loaded.contains(key),
                "{key} was un-loaded"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn every_answer_is_one_that_the_model_allows(life in lives()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut world = World::new(life.follows);
            for step in life.steps {
                world.step(step).await;
                world.validate();
            }
        });
    }
}
