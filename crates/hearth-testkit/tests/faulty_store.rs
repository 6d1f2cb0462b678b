//! The faulty store does what it is told, and otherwise what the store beneath does.
#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected stops")]

use hearth_domain::ports::{
    AppendError, Claimed, HistoryStore, KeyStore, Lookup, RequestLog, SessionIndex, StoreError,
};
use hearth_domain::{MemoryStore, WindowLimits};
use hearth_testkit::build::{append, claim, exchange, key};
use hearth_testkit::faulty_store::{Call, FaultyStore, Point};
use tokio::task::JoinSet;

async fn open() -> (FaultyStore<MemoryStore>, ()) {
    (FaultyStore::new(MemoryStore::default()), ())
}

hearth_testkit::conformance!(open);
hearth_testkit::conformance_keys!(open);

async fn load(store: FaultyStore<MemoryStore>) -> Result<Lookup, StoreError> {
    let key = key("d", "u", "s");
    let mut lookups = store.load(&[key], WindowLimits::default()).await?;
    Ok(lookups.pop().unwrap())
}

#[tokio::test]
async fn it_fails_as_often_as_it_was_told() {
    let (store, ()) = open().await;
    store.fail(Call::Load, 2);
    for _ in 0..2 {
        assert!(matches!(
            load(store.clone()).await,
            Err(StoreError::Unavailable(_))
        ));
    }
    assert!(load(store.clone()).await.is_ok());
    assert_eq!(store.calls(Call::Load), 3);
    assert_eq!(store.loads(), vec![vec![key("d", "u", "s")]; 3]);
}

#[tokio::test]
async fn it_fails_altogether_and_recovers() {
    let (store, ()) = open().await;
    let key = key("d", "u", "s");
    let turns = [append(&key, exchange("q", "a")), append(&key, exchange("q", "a"))];
    store.fail_everything();
    for _ in 0..3 {
        assert!(store.ping().await.is_err());
        assert!(store.end(&key).await.is_err());
        assert!(store.recent(1).await.is_err());
        assert!(store.claim(&claim(&key, "k")).await.is_err());
        assert!(store.list_keys().await.is_err());
        let results = store.append(&turns).await;
        assert_eq!(results.len(), 2);
        assert!(
            results
                .iter()
                .all(|result| matches!(result, Err(AppendError::NotCommitted(_))))
        );
    }
    store.recover();
    store.ping().await.unwrap();
    assert_eq!(store.recent(1).await.unwrap(), [], "what failed did nothing");
    let claimed = store.claim(&claim(&key, "k")).await.unwrap();
    assert!(matches!(claimed, Claimed::Granted { .. }), "{claimed:?}");
}

#[tokio::test]
async fn it_panics_once() {
    let (store, ()) = open().await;
    store.panic_in_next_load();
    let mut loads = JoinSet::new();
    loads.spawn(load(store.clone()));
    assert!(loads.join_next().await.unwrap().unwrap_err().is_panic());
    assert!(load(store).await.is_ok());
}

#[tokio::test]
async fn commits_that_it_forgets_are_committed() {
    let (store, ()) = open().await;
    store.forget_commits(1);
    let turns = [append(&key("d", "u", "s"), exchange("q", "a"))];
    let results = store.append(&turns).await;
    assert!(matches!(results.first(), Some(Err(AppendError::Unknown(_)))));
    assert!(matches!(load(store.clone()).await, Ok(Lookup::Found(_))));
    assert!(store.append(&turns).await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_load_is_held_before_and_after_its_read() {
    let (store, ()) = open().await;
    for (point, sees_the_turn) in [(Point::AfterLoad, false), (Point::BeforeLoad, true)] {
        store.inner().erase(&key("d", "u", "s")).await.unwrap();
        let gate = store.hold(point);
        let mut loads = JoinSet::new();
        loads.spawn(load(store.clone()));
        gate.arrived(1).await;
        let turns = [append(&key("d", "u", "s"), exchange("q", "a"))];
        assert!(store.append(&turns).await.iter().all(Result::is_ok));
        assert!(loads.try_join_next().is_none(), "it is held");
        gate.open();
        let lookup = loads.join_next().await.unwrap().unwrap().unwrap();
        assert_eq!(matches!(lookup, Lookup::Found(_)), sees_the_turn, "{point:?}");
    }
}

#[tokio::test]
async fn a_held_call_fails_where_that_was_asked_for_meanwhile() {
    let (store, ()) = open().await;
    let gate = store.hold(Point::BeforeLoad);
    let mut loads = JoinSet::new();
    loads.spawn(load(store.clone()));
    loads.spawn(load(store.clone()));
    gate.arrived(2).await;
    store.fail(Call::Load, 1);
    gate.let_one_pass();
    assert!(loads.join_next().await.unwrap().unwrap().is_err());
    assert_eq!((gate.arrivals(), loads.len()), (2, 1));
    drop(gate);
    assert!(
        loads.join_next().await.unwrap().unwrap().is_ok(),
        "a gate that goes away is open"
    );
}

#[tokio::test]
async fn a_claim_is_held_before_and_after_it_is_granted() {
    for (point, other_is_granted) in [(Point::BeforeClaim, true), (Point::AfterClaim, false)] {
        let (store, ()) = open().await;
        let key = key("d", "u", "s");
        let gate = store.hold(point);
        let mut claims = JoinSet::new();
        let (claiming, first) = (store.clone(), claim(&key, "k"));
        claims.spawn(async move { claiming.claim(&first).await.unwrap() });
        gate.arrived(1).await;
        let other = store.inner().claim(&claim(&key, "k")).await.unwrap();
        assert_eq!(
            matches!(other, Claimed::Granted { .. }),
            other_is_granted,
            "{point:?}"
        );
        gate.open();
        let held = claims.join_next().await.unwrap().unwrap();
        assert_eq!(
            matches!(held, Claimed::Granted { .. }),
            !other_is_granted,
            "{point:?}"
        );
    }
}
