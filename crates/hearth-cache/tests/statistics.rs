//! Figures: counted, and in agreement with each other.

use std::time::Duration;

use hearth_cache::{Queries, Reads, Source};
use hearth_testkit::faulty_store::{Call, Point};
use tokio::task::JoinSet;

use crate::setup::{Setup, session, sessions, version};

#[tokio::test]
async fn each_read_is_counted_once_by_where_its_answer_came_from() {
    let setup = Setup::new();
    let known = session("known");
    setup.write_behind(&known, "hello").await;
    setup.read(&known).await;
    for _ in 0..5 {
        setup.read(&known).await;
    }
    setup.read(&session("unknown")).await;
    assert_eq!(setup.cache.open(&session("made up")).source(), Source::New);
    assert_eq!(setup.cache.open(&known).source(), Source::Memory);
    setup.store.fail(Call::Load, 1);
    assert!(setup.cache.history(&session("failed")).await.is_err());
    assert!(setup.cache.history_since(&known, version(9)).await.is_err());

    let figures = setup.figures();
    let expected = Reads {
        memory: 6,
        store: 1,
        new: 2,
        failed: 2,
        coalesced: 0,
    };
    assert_eq!(figures.reads, expected);
    assert_eq!(figures.reads.total(), 11);
    assert_eq!(figures.queries, Queries { issued: 4, saved: 7 });
    assert!((figures.reads.hit_ratio() - 6.0 / 11.0).abs() < 1e-9);
}

#[tokio::test]
async fn a_warm_up_that_waits_is_no_coalesced_read() {
    let setup = Setup::new();
    let key = session("s");
    let gate = setup.store.hold(Point::BeforeLoad);
    let reader = setup.waiting_reader(&key).await;
    let follower = setup.waiting_reader(&key).await;
    let (warm_up, ()) = tokio::join!(setup.cache.warm_up(&key), async { gate.open() });
    warm_up.unwrap();
    reader.await.unwrap().unwrap();
    follower.await.unwrap().unwrap();
    let figures = setup.figures();
    assert_eq!((figures.reads.total(), figures.reads.coalesced), (2, 1));
    assert_eq!(figures.queries, Queries { issued: 1, saved: 1 });
}

#[tokio::test]
async fn a_degraded_read_is_memorys_but_its_time_is_not() {
    let setup = Setup::new();
    let key = setup.loaded("s").await;
    setup.cache.invalidate(&key);
    setup.store.fail(Call::Load, usize::MAX);
    assert!(setup.read(&key).await.is_degraded());
    let figures = setup.figures();
    assert_eq!((figures.reads.memory, figures.reads.store), (1, 1));
    assert_eq!(figures.memory_latency.p99, Duration::ZERO, "nothing was timed");
}

#[tokio::test]
async fn latencies_are_those_of_the_clock() {
    let setup = Setup::new();
    let key = session("s");
    let gate = setup.store.hold(Point::BeforeLoad);
    let reader = setup.waiting_reader(&key).await;
    setup.clock.advance(Duration::from_millis(16));
    gate.open();
    assert_eq!(reader.await.unwrap().unwrap().source(), Source::New);
    let performance = setup.cache.performance();
    let p50 = performance.figures.store_latency.p50;
    assert!(
        p50.abs_diff(Duration::from_millis(16)) <= Duration::from_millis(1),
        "{p50:?}"
    );
    assert_eq!(performance.uptime, Duration::from_millis(16));
    assert_eq!(performance.speedup_p50(), None, "memory was not timed yet");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn figures_add_up_under_load() {
    let setup = Setup::new();
    let keys = sessions(50);
    let mut readers = JoinSet::new();
    for _ in 0..8 {
        let (cache, keys) = (setup.cache.clone(), keys.clone());
        readers.spawn(async move {
            for _ in 0..20 {
                for key in &keys {
                    cache.history(key).await.unwrap();
                }
                let reads = cache.performance().figures.reads;
                assert!(reads.coalesced <= reads.total());
            }
        });
    }
    readers.join_all().await;
    let performance = setup.cache.performance();
    let (reads, queries) = (performance.figures.reads, performance.figures.queries);
    assert_eq!((reads.total(), reads.failed, reads.store), (8_000, 0, 0));
    assert_eq!(reads.new - reads.coalesced, 50, "one reader of each session led");
    assert_eq!(queries.issued, u64::try_from(setup.loads()).unwrap());
    assert_eq!(queries.saved, 8_000 - queries.issued);
    assert_eq!(performance.memory.sessions, 50);
    setup.cache.validate();
}
