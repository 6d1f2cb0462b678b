//! A store that fails and panics: who is told, who is served what was held before, and that the cache goes on.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use chrono::DateTime;
use hearth_cache::{Cache, CacheConfig, ReadError, Reading, Source, Spawner};
use hearth_domain::ports::{AppendError, StoreError};
use hearth_domain::{ConversationKey, MessageId, MessageView, Role, Status};
use hearth_testkit::clock::ManualClock;
use hearth_testkit::faulty_store::{Call, Point};
use tokio::runtime::Handle;

use crate::panicking_store::PanickingStore;
use crate::setup::{Setup, arrived, patient, says, session, sessions, version};

fn panicking() -> (Cache<PanickingStore>, Arc<PanickingStore>) {
    let store = Arc::new(PanickingStore::default());
    let cache = Cache::new(
        Arc::clone(&store),
        patient(),
        Arc::new(ManualClock::default()),
        Spawner::new(Handle::current()),
    );
    (cache, store)
}

fn is_panic(outcome: &Result<Reading, ReadError>) -> bool {
    matches!(outcome, Err(ReadError::Store(error)) if matches!(**error, StoreError::Failed(_)))
}

#[tokio::test]
async fn a_panic_in_a_load_is_an_error_for_all_who_wait_and_the_cache_goes_on() {
    let setup = Setup::new();
    let key = session("s");
    let gate = setup.store.hold(Point::BeforeLoad);
    let readers = [setup.waiting_reader(&key).await, setup.waiting_reader(&key).await];
    arrived(&gate, 1).await;
    setup.store.panic_in_next_load();
    gate.open();
    for reader in readers {
        assert!(is_panic(&reader.await.unwrap()));
    }
    assert_eq!(setup.read(&key).await.source(), Source::New);
}

#[tokio::test]
async fn panics_before_the_first_await_use_up_no_loader() {
    let (cache, store) = panicking();
    let workers = patient().loads_in_flight_max;
    store.loads.store(workers * 2, Ordering::SeqCst);
    for key in &sessions(workers * 2) {
        assert!(is_panic(&cache.history(key).await));
    }
    assert_eq!(cache.history(&session("s")).await.unwrap().source(), Source::New);
}

#[tokio::test]
async fn a_commit_that_panicked_may_have_happened() {
    let (cache, store) = panicking();
    let key = session("s");
    assert_eq!(cache.history(&key).await.unwrap().history().len(), 0);
    store.appends.store(1, Ordering::SeqCst);
    let outcome = cache.append(says(&key, "hello")).await;
    assert!(matches!(outcome, Err(AppendError::Unknown(_))), "{outcome:?}");
    assert_eq!(cache.history(&key).await.unwrap().history().version(), version(1));
}

#[tokio::test]
async fn an_erase_that_panicked_may_have_happened() {
    let (cache, store) = panicking();
    let key = session("s");
    cache.append(says(&key, "hello")).await.unwrap();
    assert_eq!(cache.history(&key).await.unwrap().history().len(), 2);
    store.erases.store(1, Ordering::SeqCst);
    assert!(matches!(
        cache.erase(key.clone()).await,
        Err(StoreError::Failed(_))
    ));
    assert!(cache.history(&key).await.unwrap().history().is_empty());
}

/// Two rows of one id: the store cannot make a history of them.
fn spoil(setup: &Setup, key: &ConversationKey) {
    for _ in 0..2 {
        let row = MessageView {
            id: MessageId(1),
            role: Role::User,
            content: "twice".into(),
            created_at: DateTime::UNIX_EPOCH,
            status: Status::Complete,
        };
        setup.store.inner().insert_foreign(key, &row);
    }
}

#[tokio::test]
async fn a_session_that_cannot_be_loaded_does_not_fail_the_others_of_its_batch() {
    let setup = Setup::with(CacheConfig {
        loads_in_flight_max: 1,
        ..patient()
    });
    let keys = sessions(10);
    spoil(&setup, &keys[4]);
    let mut readers = Vec::new();
    for key in &keys {
        readers.push(setup.waiting_reader(key).await);
    }
    for (number, reader) in readers.into_iter().enumerate() {
        let outcome = reader.await.unwrap();
        assert_eq!(is_panic(&outcome), number == 4, "{number}: {outcome:?}");
        assert_eq!(outcome.is_ok(), number != 4, "{number}: {outcome:?}");
    }
    assert_eq!(setup.loads(), 11, "all together, then each alone");
    assert_eq!(setup.loaded_sessions(), 9);
}

#[tokio::test]
async fn a_store_that_goes_away_while_each_is_asked_for_alone_is_not_asked_for_the_rest() {
    let setup = Setup::with(CacheConfig {
        loads_in_flight_max: 1,
        ..patient()
    });
    let keys = sessions(10);
    spoil(&setup, &keys[4]);
    let gate = setup.store.hold(Point::BeforeLoad);
    let mut readers = Vec::new();
    for key in &keys {
        readers.push(setup.waiting_reader(key).await);
    }
    for call in 1..=3 {
        arrived(&gate, call).await;
        gate.let_one_pass();
    }
    arrived(&gate, 4).await;
    setup.store.fail(Call::Load, usize::MAX);
    gate.open();
    let mut served = 0;
    for reader in readers {
        served += usize::from(reader.await.unwrap().is_ok());
    }
    assert_eq!((served, setup.loads()), (2, 4));
}

#[tokio::test]
async fn what_is_loaded_is_read_while_the_store_is_away() {
    let setup = Setup::new();
    let key = setup.loaded("s").await;
    setup.store.fail_everything();
    let reading = setup.read(&key).await;
    assert_eq!((reading.source(), reading.is_degraded()), (Source::Memory, false));
    assert_eq!(setup.loads(), 1);
    assert!(setup.cache.history(&session("cold")).await.is_err());
    assert_eq!(setup.loaded_sessions(), 1);
}

#[tokio::test]
async fn what_is_stale_is_served_as_degraded_while_the_store_is_away() {
    let setup = Setup::new();
    let key = setup.loaded("s").await;
    setup.write_behind(&key, "the second").await;
    setup.cache.invalidate(&key);
    setup.store.fail_everything();
    for _ in 0..2 {
        let reading = setup.read(&key).await;
        assert_eq!((reading.source(), reading.is_degraded()), (Source::Memory, true));
        assert_eq!(reading.history().version(), version(1));
    }
    setup.store.recover();
    let reading = setup.read(&key).await;
    assert_eq!((reading.source(), reading.is_degraded()), (Source::Store, false));
    assert_eq!(reading.history().version(), version(2));
}

#[tokio::test]
async fn who_was_told_of_a_turn_is_not_shown_less_while_the_store_is_away() {
    let setup = Setup::new();
    let key = setup.loaded("s").await;
    setup.cache.invalidate(&key);
    setup.append(&key, "the second").await;
    setup.store.fail_everything();
    assert!(matches!(
        setup.cache.history(&key).await,
        Err(ReadError::Store(_))
    ));
    setup.store.recover();
    assert_eq!(setup.read(&key).await.history().version(), version(2));
}

#[tokio::test]
async fn what_is_degraded_is_not_as_new_as_a_version_that_it_does_not_have() {
    let setup = Setup::new();
    let key = setup.loaded("s").await;
    setup.store.fail(Call::Load, usize::MAX);
    let outcome = setup.cache.history_since(&key, version(2)).await;
    assert!(matches!(outcome, Err(ReadError::NotFresh { held }) if held == version(1)));
    assert_eq!(setup.loads(), 2, "a store that is away is asked once");
    let reading = setup.cache.history_since(&key, version(1)).await.unwrap();
    assert!(reading.is_degraded());
}

#[tokio::test]
async fn a_store_that_is_there_and_fails_is_no_reason_to_serve_what_is_stale() {
    let setup = Setup::new();
    let key = setup.loaded("s").await;
    setup.cache.invalidate(&key);
    setup.store.panic_in_next_load();
    assert!(is_panic(&setup.cache.history(&key).await));
    assert_eq!(setup.read(&key).await.source(), Source::Store);
}
