//! What a ring lets in, and how often it asks.

use std::collections::BTreeSet;

use hearth_domain::{Departments, MemoryStore, Scope};
use hearth_testkit::clock::ManualClock;
use hearth_testkit::faulty_store::{Call, FaultyStore, Point};
use hearth_testkit::poll::until;
use tokio::runtime::Handle;

use super::*;
use crate::commands::keys::{NewKey, create};

const DEADLINE: Duration = Duration::from_secs(30);

/// A store with a key, and a ring over it whose time stands still.
struct Setup {
    store: FaultyStore<MemoryStore<ManualClock>>,
    clock: ManualClock,
    ring: KeyRing<FaultyStore<MemoryStore<ManualClock>>>,
    key: KeyText,
}

impl Setup {
    async fn new() -> Self {
        let clock = ManualClock::default();
        let store = FaultyStore::new(MemoryStore::new(clock.clone()));
        let new = NewKey {
            label: String::new(),
            departments: Departments::All,
            scopes: BTreeSet::from([Scope::Read]),
        };
        let mut shown = Vec::new();
        create(&store, &clock, new, &mut shown).await.unwrap();
        let shown = String::from_utf8(shown).unwrap();
        let ring = KeyRing::new(
            Arc::new(store.clone()),
            Duration::from_secs(2),
            Arc::new(clock.clone()),
            Spawner::new(Handle::current()),
        );
        Self {
            store,
            clock,
            ring,
            key: KeyText::parse(shown.trim_end()).unwrap(),
        }
    }

    async fn verified(&self) -> bool {
        self.ring.verify(&self.key).await.is_ok()
    }

    fn asked(&self) -> usize {
        self.store.calls(Call::FindKey)
    }

    async fn until_asked(&self, times: usize) {
        until(DEADLINE, async || self.asked() == times && self.is_idle()).await;
    }

    fn is_idle(&self) -> bool {
        self.ring.0.asked.lock().flights.is_empty()
    }

    async fn revoke(&self) {
        self.store.revoke_key(&self.key.key_id().unwrap()).await.unwrap();
    }
}

fn other(key: &KeyText, id: u64) -> KeyText {
    let mut text = key.reveal();
    text.replace_range(7..23, &format!("{id:016x}"));
    KeyText::parse(&text).unwrap()
}

fn other_secret(key: &KeyText) -> KeyText {
    let mut text = key.reveal();
    let last = if text.ends_with('0') { "1" } else { "0" };
    text.replace_range(text.len() - 1.., last);
    KeyText::parse(&text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_in_use_costs_a_question_a_second() {
    let setup = Setup::new().await;
    for _ in 0..100 {
        assert!(setup.verified().await);
    }
    assert_eq!(setup.asked(), 1);
    setup.clock.advance(REFRESH);
    for _ in 0..100 {
        assert!(setup.verified().await);
    }
    setup.until_asked(2).await;
    assert!(setup.verified().await);
    assert_eq!(setup.asked(), 2, "the answer serves for another second");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_come_at_once_ask_once() {
    let setup = Setup::new().await;
    let gate = setup.store.hold(Point::BeforeFindKey);
    let callers: Vec<_> = (0..50)
        .map(|_| {
            let (ring, text) = (setup.ring.clone(), setup.key.reveal());
            Handle::current().spawn(async move { ring.verify(&KeyText::parse(&text).unwrap()).await.is_ok() })
        })
        .collect();
    gate.arrived(1).await;
    gate.open();
    for caller in callers {
        assert!(caller.await.unwrap());
    }
    assert_eq!(setup.asked(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_refused_within_its_life_and_stays_refused() {
    let setup = Setup::new().await;
    assert!(setup.verified().await);
    setup.revoke().await;
    assert!(setup.verified().await, "nobody could know yet");
    setup.clock.advance(LIFE);
    assert!(matches!(
        setup.ring.verify(&setup.key).await,
        Err(NotVerified::Invalid)
    ));
    let asked = setup.asked();
    assert!(!setup.verified().await);
    assert_eq!(setup.asked(), asked, "that it is revoked is known for a while");
    setup.store.fail_everything();
    setup.clock.advance(LIFE);
    assert!(!setup.verified().await, "an outage brings it back to nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_that_the_background_hears_of_takes_hold_at_once() {
    let setup = Setup::new().await;
    assert!(setup.verified().await);
    setup.revoke().await;
    setup.clock.advance(REFRESH);
    setup.verified().await;
    setup.until_asked(2).await;
    assert!(!setup.verified().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_is_refused_and_costs_no_question() {
    let setup = Setup::new().await;
    let wrong = other_secret(&setup.key);
    assert!(
        setup.ring.verify(&wrong).await.is_err(),
        "not even where the key is not known yet"
    );
    assert!(setup.verified().await);
    for _ in 0..10 {
        assert!(matches!(
            setup.ring.verify(&wrong).await,
            Err(NotVerified::Invalid)
        ));
    }
    assert_eq!(setup.asked(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_ids_are_remembered_and_bounded() {
    let setup = Setup::new().await;
    let none = other(&setup.key, 7);
    for _ in 0..10 {
        assert!(matches!(
            setup.ring.verify(&none).await,
            Err(NotVerified::Invalid)
        ));
    }
    assert_eq!(setup.asked(), 1);
    for id in 0..u64::try_from(ABSENT_MAX).unwrap() + 100 {
        assert!(setup.ring.verify(&other(&setup.key, id)).await.is_err());
    }
    let asked = setup.ring.0.asked.lock().absent.len();
    assert_eq!(asked, ABSENT_MAX);
    setup.clock.advance(LIFE);
    assert!(setup.ring.verify(&none).await.is_err());
    let asked = setup.ring.0.asked.lock().absent.len();
    assert_eq!(asked, 1, "what is old makes room");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_unknown_ids_leaves_those_who_are_known_alone() {
    let setup = Setup::new().await;
    assert!(setup.verified().await);
    let gate = setup.store.hold(Point::BeforeFindKey);
    let flood: Vec<_> = (0..u64::try_from(ASKED_MAX).unwrap())
        .map(|id| {
            let (ring, key) = (setup.ring.clone(), other(&setup.key, id));
            Handle::current().spawn(async move { ring.verify(&key).await.is_err() })
        })
        .collect();
    gate.arrived(ASKED_MAX).await;
    let more = setup.ring.verify(&other(&setup.key, 1_000)).await;
    assert!(matches!(more, Err(NotVerified::Overloaded)));
    setup.clock.advance(REFRESH);
    assert!(setup.verified().await);
    gate.arrived(ASKED_MAX + 1).await;
    gate.open();
    for one in flood {
        assert!(one.await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_keeps_those_who_are_known_for_a_while_and_asks_on() {
    let setup = Setup::new().await;
    assert!(setup.verified().await);
    setup.store.fail_everything();
    setup.clock.advance(LIFE);
    assert!(setup.verified().await, "the first one waits for the failure");
    let asked = setup.asked();
    for _ in 0..100 {
        assert!(setup.verified().await);
    }
    assert_eq!(setup.asked(), asked, "the others do not");
    setup.clock.advance(REFRESH);
    assert!(setup.verified().await);
    setup.until_asked(asked + 1).await;
    let unknown = setup.ring.verify(&other(&setup.key, 7)).await;
    assert!(
        matches!(unknown, Err(NotVerified::Store(_))),
        "who is not known is not called wrong"
    );

    setup.clock.advance(OUTAGE);
    assert!(matches!(
        setup.ring.verify(&setup.key).await,
        Err(NotVerified::Store(_))
    ));
    setup.store.recover();
    setup.clock.advance(REFRESH);
    assert!(setup.verified().await, "service resumes by itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_hangs_holds_nobody_who_is_known_back() {
    let setup = Setup::new().await;
    assert!(setup.verified().await);
    let gate = setup.store.hold(Point::BeforeFindKey);
    setup.clock.advance(REFRESH);
    assert!(setup.verified().await);
    gate.arrived(1).await;
    assert!(setup.verified().await);
    gate.open();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_was_away_once_lets_no_revoked_key_in_later() {
    let setup = Setup::new().await;
    assert!(setup.verified().await);
    setup.clock.advance(REFRESH);
    setup.store.fail(Call::FindKey, 1);
    assert!(setup.verified().await);
    setup.until_asked(2).await;
    // It is back, and nobody has used the key since.
    setup.revoke().await;
    setup.clock.advance(setup.ring.0.away);
    assert!(!setup.verified().await);
}
