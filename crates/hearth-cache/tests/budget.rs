//! The byte budget: what is in memory stays within it, and what leaves is un-loaded by that.

use hearth_cache::{CacheConfig, Source};
use hearth_domain::{ConversationKey, SessionId};
use hearth_testkit::build::{append, exchange};

use crate::setup::{Setup, patient, session, sessions};

fn within(budget_bytes: u64) -> CacheConfig {
    CacheConfig {
        budget_bytes,
        ..patient()
    }
}

#[tokio::test]
async fn memory_stays_within_the_budget_and_what_was_evicted_is_asked_for_again() {
    const BUDGET: u64 = 64 << 10;
    let setup = Setup::with(within(BUDGET));
    let keys = sessions(500);
    for key in &keys {
        setup.write_behind(key, &"x".repeat(500)).await;
        assert_eq!(setup.read(key).await.source(), Source::Store);
        assert!(setup.cache.performance().memory.bytes <= BUDGET);
    }
    setup.cache.validate();
    let kept = setup.loaded_sessions();
    assert!((10..500).contains(&kept), "{kept} sessions are kept");
    assert_eq!(setup.figures().evictions, 500 - u64::try_from(kept).unwrap());

    let loaded = setup.cache.recently_used(500);
    assert_eq!(loaded.len(), kept);
    let evicted = keys.iter().find(|key| !loaded.contains(key)).unwrap();
    let reading = setup.read(evicted).await;
    assert_eq!((reading.source(), reading.history().len()), (Source::Store, 2));
}

#[tokio::test]
async fn a_session_that_grows_is_weighed_again() {
    let setup = Setup::with(within(128 << 10));
    let key = session("s");
    setup.read(&key).await;
    let mut before = setup.cache.performance().memory.bytes;
    for _ in 0..20 {
        setup.append(&key, &"x".repeat(2_500)).await;
        let bytes = setup.cache.performance().memory.bytes;
        let contents = u64::try_from(setup.read(&key).await.history().json().len()).unwrap();
        assert!(bytes >= before && bytes > contents, "{before} became {bytes}");
        assert!(
            bytes < contents + contents / 4 + 1_000,
            "{contents} bytes weigh {bytes}"
        );
        before = bytes;
        setup.cache.validate();
    }
}

#[tokio::test]
async fn sessions_that_grow_push_others_out() {
    const BUDGET: u64 = 64 << 10;
    let setup = Setup::with(within(BUDGET));
    let keys = sessions(20);
    for key in &keys {
        setup.read(key).await;
    }
    assert_eq!(setup.loaded_sessions(), 20);
    for _ in 0..8 {
        for key in &keys {
            setup.append(key, &"x".repeat(2_000)).await;
            assert!(setup.cache.performance().memory.bytes <= BUDGET);
        }
    }
    assert!(setup.loaded_sessions() < 20);
    setup.cache.validate();
    for key in &keys {
        assert_eq!(*setup.read(key).await.history(), setup.stored(key).await);
    }
}

#[tokio::test]
async fn a_session_too_large_for_the_budget_is_served_and_not_kept() {
    let setup = Setup::with(within(64 << 10));
    let (large, small) = (session("large"), setup.loaded("small").await);
    let words = exchange(&"x".repeat(32_768), &"y".repeat(32_768));
    setup.cache.append(append(&large, words)).await.unwrap();
    for refused in 1..=3 {
        let reading = setup.read(&large).await;
        assert_eq!((reading.source(), reading.history().len()), (Source::Store, 2));
        assert_eq!((setup.figures().refused, setup.loaded_sessions()), (refused, 1));
    }
    assert_eq!(setup.read(&small).await.source(), Source::Memory);
    setup.cache.validate();
}

#[tokio::test]
async fn a_session_that_grows_beyond_the_budget_leaves_memory_whole() {
    let setup = Setup::with(within(64 << 10));
    let key = setup.loaded("s").await;
    for _ in 0..3 {
        setup.append(&key, &"x".repeat(32_000)).await;
        setup.cache.validate();
    }
    assert_eq!((setup.figures().refused, setup.loaded_sessions()), (1, 0));
    let reading = setup.read(&key).await;
    assert_eq!((reading.source(), reading.history().len()), (Source::Store, 8));
}

#[tokio::test]
async fn no_budget_at_all_is_a_cache_that_serves_and_keeps_nothing() {
    let setup = Setup::with(within(0));
    let key = session("s");
    setup.append(&key, "hello").await;
    for _ in 0..3 {
        assert_eq!(setup.read(&key).await.source(), Source::Store);
    }
    let memory = setup.cache.performance().memory;
    assert_eq!((memory.sessions, memory.bytes), (0, 0));
}

#[tokio::test]
async fn odd_budgets_are_kept_too() {
    for budget in [1, 100, 1_000, (64 << 20) - 1, (100 << 20) + 7] {
        let setup = Setup::with(within(budget));
        for key in &sessions(50) {
            setup.write_behind(key, "hello").await;
            setup.read(key).await;
        }
        setup.cache.validate();
        assert!(setup.cache.performance().memory.bytes <= budget, "{budget}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_unknown_ids_neither_grows_memory_nor_pushes_out_what_is_in_use() {
    const BUDGET: u64 = 4 << 20;
    const FLOOD: usize = 100_000;
    let setup = Setup::with(within(BUDGET));
    let in_use = sessions(200);
    for key in &in_use {
        setup.write_behind(key, &"x".repeat(1_000)).await;
        setup.read(key).await;
    }
    let unknown: Vec<ConversationKey> = (0..FLOOD)
        .map(|_| ConversationKey {
            session: SessionId::generate(),
            ..session("s")
        })
        .collect();
    for part in unknown.chunks(1_000) {
        assert_eq!(setup.cache.warm_up_many(part).await.new, part.len());
        let memory = setup.cache.performance().memory;
        assert!(memory.bytes <= BUDGET && memory.sessions < 28_000, "{memory:?}");
        for key in &in_use {
            assert_eq!(setup.read(key).await.source(), Source::Memory);
        }
    }
    assert!(setup.figures().evictions > 70_000);
    assert_eq!(setup.cache.performance().load_queue, 0);
    setup.cache.validate();
}
