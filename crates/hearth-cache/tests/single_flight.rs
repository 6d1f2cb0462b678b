//! One load a session, however many wait for it and whoever goes away; sessions that arrive together share a call.

use std::sync::Arc;

use hearth_cache::{Cache, CacheConfig, ReadError, Source, Spawner};
use hearth_domain::{ConversationKey, MemoryStore};
use hearth_testkit::clock::ManualClock;
use hearth_testkit::faulty_store::{Call, Point};
use hearth_testkit::poll;
use tokio::runtime::Handle;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::setup::{HANG, Setup, arrived, patient, session, sessions};

const READERS: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_who_come_together_cause_one_load() {
    let setup = Setup::new();
    for round in 0..20 {
        let key = session(&round.to_string());
        setup.write_behind(&key, "hello").await;
        let barrier = Arc::new(Barrier::new(READERS));
        let mut readers = JoinSet::new();
        for _ in 0..READERS {
            let (cache, key, barrier) = (setup.cache.clone(), key.clone(), Arc::clone(&barrier));
            readers.spawn(async move {
                barrier.wait().await;
                cache.history(&key).await
            });
        }
        for reading in readers.join_all().await {
            assert_eq!(reading.unwrap().history().len(), 2);
        }
        assert_eq!(setup.loads(), round + 1);
    }
    setup.cache.validate();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn all_who_wait_have_the_same_history() {
    let setup = Setup::new();
    let key = session("s");
    setup.write_behind(&key, "hello").await;
    let gate = setup.store.hold(Point::BeforeLoad);
    let mut readers = Vec::new();
    for _ in 0..READERS {
        readers.push(setup.waiting_reader(&key).await);
    }
    gate.open();
    let mut bytes = Vec::new();
    for reader in readers {
        let reading = reader.await.unwrap().unwrap();
        assert_eq!(reading.source(), Source::Store);
        bytes.push(reading.history().json().as_ptr());
    }
    bytes.dedup();
    assert_eq!(bytes.len(), 1, "nobody has a copy");
    assert_eq!(setup.loads(), 1);
    assert_eq!(setup.figures().reads.coalesced, 199);
}

#[tokio::test]
async fn cold_sessions_that_gather_during_a_call_share_the_next_ones() {
    let setup = Setup::with(CacheConfig {
        loads_in_flight_max: 1,
        load_batch_max: 8,
        ..patient()
    });
    let keys = sessions(21);
    let gate = setup.store.hold(Point::BeforeLoad);
    let mut readers = vec![setup.waiting_reader(&keys[0]).await];
    arrived(&gate, 1).await;
    for key in &keys[1..] {
        readers.push(setup.waiting_reader(key).await);
        readers.push(setup.waiting_reader(key).await);
    }
    gate.open();
    for reader in readers {
        reader.await.unwrap().unwrap();
    }
    let batches: Vec<usize> = setup.store.loads().iter().map(Vec::len).collect();
    assert_eq!(batches, [1, 8, 8, 4]);
    let asked: Vec<ConversationKey> = setup.store.loads().concat();
    assert_eq!(asked, keys, "in the order of arrival, each once");
}

#[tokio::test]
async fn no_more_calls_are_under_way_than_configured() {
    let setup = Setup::with(CacheConfig {
        loads_in_flight_max: 3,
        load_batch_max: 1,
        ..patient()
    });
    let gate = setup.store.hold(Point::BeforeLoad);
    let mut readers = Vec::new();
    for key in &sessions(10) {
        readers.push(setup.waiting_reader(key).await);
    }
    arrived(&gate, 3).await;
    assert_eq!(setup.cache.performance().load_queue, 7);
    assert_eq!(gate.arrivals(), 3);
    gate.open();
    for reader in readers {
        reader.await.unwrap().unwrap();
    }
    assert_eq!(setup.cache.performance().load_queue, 0);
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_strands_nobody() {
    let setup = Setup::with(CacheConfig {
        loads_in_flight_max: 1,
        load_batch_max: 1,
        load_queue_max: 2,
        ..patient()
    });
    let keys = sessions(4);
    let gate = setup.store.hold(Point::BeforeLoad);
    let mut readers = vec![setup.waiting_reader(&keys[0]).await];
    arrived(&gate, 1).await;
    readers.push(setup.waiting_reader(&keys[1]).await);
    readers.push(setup.waiting_reader(&keys[2]).await);
    for _ in 0..2 {
        let refused = setup.cache.history(&keys[3]).await;
        assert!(matches!(refused, Err(ReadError::Overloaded)), "{refused:?}");
    }
    readers.push(setup.waiting_reader(&keys[2]).await);
    gate.open();
    for reader in readers {
        reader.await.unwrap().unwrap();
    }
    assert_eq!(setup.read(&keys[3]).await.source(), Source::New);
    assert_eq!(setup.figures().reads.failed, 2);
}

#[tokio::test]
async fn a_leader_who_goes_away_cancels_nobodys_load() {
    let setup = Setup::new();
    let key = session("s");
    let gate = setup.store.hold(Point::BeforeLoad);
    let leader = setup.waiting_reader(&key).await;
    let follower = setup.waiting_reader(&key).await;
    arrived(&gate, 1).await;
    leader.abort();
    assert!(leader.await.unwrap_err().is_cancelled());
    gate.open();
    assert_eq!(follower.await.unwrap().unwrap().source(), Source::New);
    assert_eq!(setup.loads(), 1);
}

#[tokio::test]
async fn a_leader_who_goes_away_before_the_store_is_asked_cancels_nobodys_load() {
    let setup = Setup::new();
    let key = session("s");
    let leader = setup.waiting_reader(&key).await;
    let follower = setup.waiting_reader(&key).await;
    assert_eq!(setup.loads(), 0, "the loader did not run yet");
    leader.abort();
    assert_eq!(follower.await.unwrap().unwrap().source(), Source::New);
}

#[tokio::test]
async fn a_load_that_nobody_waits_for_any_more_ends_all_the_same() {
    let setup = Setup::new();
    let key = session("s");
    let gate = setup.store.hold(Point::BeforeLoad);
    let readers = [setup.waiting_reader(&key).await, setup.waiting_reader(&key).await];
    arrived(&gate, 1).await;
    for reader in &readers {
        reader.abort();
    }
    for reader in readers {
        assert!(reader.await.unwrap_err().is_cancelled());
    }
    gate.open();
    poll::until(HANG, async || setup.loaded_sessions() == 1).await;
    assert_eq!(setup.read(&key).await.source(), Source::Memory);
}

#[tokio::test]
async fn everybody_who_waits_has_the_same_error() {
    let setup = Setup::new();
    let key = session("s");
    setup.store.fail(Call::Load, 1);
    let gate = setup.store.hold(Point::BeforeLoad);
    let mut readers = Vec::new();
    for _ in 0..3 {
        readers.push(setup.waiting_reader(&key).await);
    }
    gate.open();
    let mut errors = Vec::new();
    for reader in readers {
        match reader.await.unwrap() {
            Err(ReadError::Store(error)) => errors.push(error),
            outcome => panic!("{outcome:?}"),
        }
    }
    assert!(errors.iter().all(|error| Arc::ptr_eq(error, &errors[0])));
    assert_eq!((setup.loads(), setup.loaded_sessions()), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cache_that_nobody_has_any_more_lets_go_of_its_store() {
    let store = Arc::new(MemoryStore::default());
    let cache = Cache::new(
        Arc::clone(&store),
        patient(),
        Arc::new(ManualClock::default()),
        Spawner::new(Handle::current()),
    );
    cache.history(&session("s")).await.unwrap();
    let held = Arc::downgrade(&store);
    drop((cache, store));
    poll::until(HANG, async || held.strong_count() == 0).await;
}

#[tokio::test]
async fn limits_of_zero_are_limits_of_one() {
    let setup = Setup::with(CacheConfig {
        loads_in_flight_max: 0,
        load_batch_max: 0,
        load_queue_max: 0,
        ..patient()
    });
    assert_eq!(setup.read(&session("s")).await.source(), Source::New);
}

#[tokio::test]
async fn a_session_that_is_overtaken_keeps_nobody_else_waiting() {
    let setup = Setup::with(CacheConfig {
        loads_in_flight_max: 1,
        load_batch_max: 1,
        ..patient()
    });
    let (busy, other) = (session("busy"), session("other"));
    let gate = setup.store.hold(Point::AfterLoad);
    let mut readers = vec![setup.waiting_reader(&busy).await];
    arrived(&gate, 1).await;
    setup.cache.invalidate(&busy);
    readers.push(setup.waiting_reader(&other).await);
    gate.open();
    for reader in readers {
        assert_eq!(reader.await.unwrap().unwrap().source(), Source::New);
    }
    let loads = setup.store.loads().concat();
    assert_eq!(loads, [busy.clone(), other, busy]);
}
