//! A store that hangs: nobody waits longer than the deadlines say. Time is tokio's, paused: it moves when everybody waits.

use std::time::Duration;

use hearth_cache::{CacheConfig, ReadError, Source};
use hearth_domain::ports::{AppendError, StoreError};
use hearth_testkit::faulty_store::Point;
use tokio::time::Instant;

use crate::setup::{Setup, arrived, says, session, sessions, version};

fn one_at_a_time() -> CacheConfig {
    CacheConfig {
        loads_in_flight_max: 1,
        load_batch_max: 1,
        ..CacheConfig::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_load_that_hangs_ends_by_its_deadline_and_keeps_nothing() {
    let setup = Setup::with(one_at_a_time());
    let key = session("s");
    let gate = setup.store.hold(Point::BeforeLoad);
    let began = Instant::now();
    let outcome = setup.cache.history(&key).await;
    assert!(matches!(&outcome, Err(ReadError::Store(error)) if matches!(**error, StoreError::TimedOut)));
    assert!(began.elapsed().abs_diff(Duration::from_secs(2)) < Duration::from_millis(10));
    assert_eq!(setup.loaded_sessions(), 0);
    drop(gate);
    assert_eq!(setup.read(&key).await.source(), Source::New);
}

#[tokio::test(start_paused = true)]
async fn who_waits_behind_others_has_a_deadline_and_the_load_goes_on() {
    let setup = Setup::with(one_at_a_time());
    let keys = sessions(4);
    let gate = setup.store.hold(Point::BeforeLoad);
    let began = Instant::now();
    let mut readers = Vec::new();
    for key in &keys {
        readers.push(setup.waiting_reader(key).await);
    }
    let last = readers.pop().unwrap().await.unwrap();
    assert!(matches!(last, Err(ReadError::TimedOut)), "{last:?}");
    assert!(began.elapsed().abs_diff(Duration::from_secs(4)) < Duration::from_millis(10));
    gate.open();
    let found = setup.read(&keys[3]).await;
    assert_eq!(
        found.source(),
        Source::New,
        "it joined the load that was queued before"
    );
    let asked = setup.store.loads().concat();
    assert_eq!(asked.iter().filter(|key| **key == keys[3]).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_stale_is_served_when_the_store_hangs() {
    let setup = Setup::with(one_at_a_time());
    let key = setup.loaded("stale").await;
    setup.cache.invalidate(&key);
    let _gate = setup.store.hold(Point::BeforeLoad);
    let (mut before, others) = (Vec::new(), sessions(5));
    for other in &others {
        before.push(setup.waiting_reader(other).await);
    }
    let reading = setup.read(&key).await;
    assert!(reading.is_degraded(), "its own load did not even begin");
    assert_eq!(reading.history().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_hangs_is_unknown_and_memory_does_not_vouch_for_it() {
    let setup = Setup::with(one_at_a_time());
    let key = setup.loaded("s").await;
    let gate = setup.store.hold(Point::AfterAppend);
    let outcome = setup.cache.append(says(&key, "the second")).await;
    assert!(matches!(outcome, Err(AppendError::Unknown(StoreError::TimedOut))));
    let reading = setup.read(&key).await;
    assert_eq!(
        (reading.source(), reading.history().version()),
        (Source::Store, version(2))
    );
    gate.open();
    assert_eq!(setup.append(&key, "the third").await, version(3));
    assert_eq!(*setup.read(&key).await.history(), setup.stored(&key).await);
    setup.cache.validate();
}

#[tokio::test(start_paused = true)]
async fn an_erase_that_hangs_times_out_and_takes_effect_when_it_ends() {
    let setup = Setup::with(one_at_a_time());
    let key = setup.loaded("s").await;
    let gate = setup.store.hold(Point::BeforeErase);
    let outcome = setup.cache.erase(key.clone()).await;
    assert!(matches!(outcome, Err(StoreError::TimedOut)));
    arrived(&gate, 1).await;
    gate.open();
    hearth_testkit::poll::until(crate::setup::HANG, async || setup.loaded_sessions() == 0).await;
    assert_eq!(setup.read(&key).await.source(), Source::New);
}
