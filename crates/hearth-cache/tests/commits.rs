//! Appends: memory follows each commit, and never shows less than what was acknowledged.

use hearth_cache::{CacheConfig, Source};
use hearth_domain::ports::AppendError;
use hearth_domain::{Append, WindowLimits};
use hearth_testkit::faulty_store::{Call, Point};
use hearth_testkit::poll;
use tokio::runtime::Handle;

use crate::setup::{HANG, Setup, arrived, contents, patient, says, session, version};

#[tokio::test]
async fn an_append_to_a_loaded_session_shows_what_the_store_would_load() {
    let window = WindowLimits::new(5, 9).unwrap();
    let setup = Setup::with(CacheConfig { window, ..patient() });
    let key = setup.loaded("s").await;
    for number in 2..=20 {
        assert_eq!(
            setup.append(&key, "\"quoted\" and ünïcode\n").await,
            version(number)
        );
        let reading = setup.read(&key).await;
        assert_eq!(reading.source(), Source::Memory);
        let reloaded = setup.stored_within(&key, window).await;
        assert_eq!(reading.history().json(), reloaded.json());
        assert_eq!(reading.history().etag(), reloaded.etag());
        assert_eq!(*reading.history(), reloaded);
    }
    assert_eq!(setup.loads(), 1);
    setup.cache.validate();
}

#[tokio::test]
async fn an_append_to_a_session_that_is_not_loaded_loads_nothing() {
    let setup = Setup::new();
    let key = session("s");
    setup.append(&key, "hello").await;
    assert_eq!((setup.loads(), setup.loaded_sessions()), (0, 0));
    assert_eq!(setup.read(&key).await.source(), Source::Store);
}

#[tokio::test]
async fn readers_who_hold_an_older_history_keep_it() {
    let setup = Setup::new();
    let key = setup.loaded("s").await;
    let before = setup.read(&key).await;
    setup.append(&key, "the second").await;
    assert_eq!(contents(&before), ["the first", "an answer"]);
    assert_eq!(setup.read(&key).await.history().len(), 4);
}

#[tokio::test]
async fn a_commit_during_a_load_is_in_what_the_load_publishes() {
    let setup = Setup::new();
    let key = session("s");
    setup.write_behind(&key, "the first").await;
    let gate = setup.store.hold(Point::AfterLoad);
    let reader = setup.waiting_reader(&key).await;
    arrived(&gate, 1).await;
    assert_eq!(setup.append(&key, "the second").await, version(2));
    gate.open();
    let reading = reader.await.unwrap().unwrap();
    assert_eq!(reading.history().version(), version(2));
    assert_eq!(setup.loads(), 2, "the first answer was too old");
    assert_eq!(setup.read(&key).await.history().version(), version(2));
}

#[tokio::test]
async fn a_commit_before_the_store_is_asked_repeats_no_load() {
    let setup = Setup::new();
    let key = session("s");
    let gate = setup.store.hold(Point::BeforeLoad);
    let reader = setup.waiting_reader(&key).await;
    arrived(&gate, 1).await;
    setup.append(&key, "hello").await;
    gate.open();
    assert_eq!(reader.await.unwrap().unwrap().history().version(), version(1));
    assert_eq!(setup.loads(), 1);
}

#[tokio::test]
async fn a_turn_that_was_missed_is_read_once() {
    let setup = Setup::new();
    let key = setup.loaded("s").await;
    setup.write_behind(&key, "missed").await;
    setup.append(&key, "heard").await;
    let readings = [setup.read(&key).await, setup.read(&key).await];
    assert_eq!(readings[0].source(), Source::Store);
    assert_eq!(readings[1].source(), Source::Memory);
    assert_eq!(*readings[1].history(), setup.stored(&key).await);
    assert_eq!((setup.loads(), setup.figures().invalidated), (2, 1));
}

#[tokio::test]
async fn a_commit_of_unknown_outcome_makes_stale() {
    let setup = Setup::new();
    let key = setup.loaded("s").await;
    setup.store.forget_commits(1);
    let outcome = setup.cache.append(says(&key, "the second")).await;
    assert!(matches!(outcome, Err(AppendError::Unknown(_))));
    let reading = setup.read(&key).await;
    assert_eq!(
        (reading.source(), reading.history().version()),
        (Source::Store, version(2))
    );
    assert_eq!(setup.loads(), 2);
}

#[tokio::test]
async fn a_turn_that_was_not_committed_changes_nothing() {
    let setup = Setup::new();
    let key = setup.loaded("s").await;
    setup.store.fail(Call::Append, 1);
    let outcome = setup.cache.append(says(&key, "the second")).await;
    assert!(matches!(outcome, Err(AppendError::NotCommitted(_))));
    let reading = setup.read(&key).await;
    assert_eq!(
        (reading.source(), reading.history().version()),
        (Source::Memory, version(1))
    );
}

#[tokio::test]
async fn a_conflict_with_what_memory_does_not_have_makes_stale() {
    let setup = Setup::new();
    let key = setup.loaded("s").await;
    setup.write_behind(&key, "of another replica").await;
    let onto = |number| Append {
        if_version: Some(version(number)),
        ..says(&key, "mine")
    };
    let outcome = setup.cache.append(onto(1)).await;
    assert!(matches!(outcome, Err(AppendError::VersionConflict { current }) if current == version(2)));
    assert_eq!(
        setup.read(&key).await.history().version(),
        version(2),
        "the caller can go on from here"
    );
    assert_eq!(setup.cache.append(onto(2)).await.unwrap().version, version(3));

    assert!(setup.cache.append(onto(1)).await.is_err());
    assert_eq!(
        setup.read(&key).await.source(),
        Source::Memory,
        "memory was not what was wrong"
    );
}

#[tokio::test]
async fn a_commit_goes_on_without_its_caller_and_memory_follows() {
    let setup = Setup::new();
    let key = setup.loaded("s").await;
    for point in [Point::BeforeAppend, Point::AfterAppend] {
        let before = setup.read(&key).await.history().version();
        let gate = setup.store.hold(point);
        let (cache, append) = (setup.cache.clone(), says(&key, "and gone"));
        let caller = Handle::current().spawn(async move { cache.append(append).await.is_ok() });
        arrived(&gate, 1).await;
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        gate.open();
        poll::until(HANG, async || setup.read(&key).await.history().version() > before).await;
    }
    assert_eq!(*setup.read(&key).await.history(), setup.stored(&key).await);
    assert_eq!(setup.loads(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_who_was_told_of_a_turn_never_reads_less() {
    let setup = Setup::new();
    let key = session("s");
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (cache, key) = (setup.cache.clone(), key.clone());
        writers.spawn(async move {
            for _ in 0..50 {
                let committed = cache.append(says(&key, "hello")).await.unwrap();
                let reading = cache.history(&key).await.unwrap();
                assert!(reading.history().version() >= committed.version);
            }
        });
    }
    writers.join_all().await;
    let reading = setup.read(&key).await;
    assert_eq!(reading.history().version(), version(400));
    assert_eq!(*reading.history(), setup.stored(&key).await);
    setup.cache.validate();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_writers_of_one_session_never_cause_a_load() {
    let setup = Setup::new();
    let key = setup.loaded("s").await;
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let (cache, key) = (setup.cache.clone(), key.clone());
        writers.spawn(async move {
            for _ in 0..10 {
                let committed = cache.append(says(&key, "hello")).await.unwrap();
                let reading = cache.history(&key).await.unwrap();
                assert!(reading.history().version() >= committed.version);
            }
        });
    }
    writers.join_all().await;
    assert_eq!((setup.loads(), setup.figures().invalidated), (1, 0));
    let reading = setup.read(&key).await;
    assert_eq!(reading.history().version(), version(641));
    assert_eq!(*reading.history(), setup.stored(&key).await);
    setup.cache.validate();
}

#[tokio::test(start_paused = true)]
async fn a_session_in_doubt_is_read_once_more_when_nothing_can_be_under_way() {
    let setup = Setup::new();
    let key = setup.loaded("s").await;
    setup.store.forget_commits(1);
    let outcome = setup.cache.append(says(&key, "hello")).await;
    assert!(matches!(outcome, Err(AppendError::Unknown(_))), "{outcome:?}");
    assert_eq!(setup.read(&key).await.source(), Source::Store);
    // What the store does late.
    setup.write_behind(&key, "late").await;
    assert_eq!(setup.read(&key).await.source(), Source::Memory);
    tokio::time::sleep(patient().append_timeout * 2).await;
    let reading = setup.read(&key).await;
    assert_eq!(reading.source(), Source::Store);
    assert_eq!(*reading.history(), setup.stored(&key).await);
}
