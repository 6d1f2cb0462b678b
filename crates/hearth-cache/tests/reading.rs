//! Reads: the three outcomes, and where an answer comes from.

use hearth_cache::{CacheConfig, ReadError, Source, Strategy};
use hearth_domain::ports::StoreError;
use hearth_testkit::build::key;
use hearth_testkit::faulty_store::{Call, Point};

use crate::setup::{Setup, arrived, contents, patient, session, version};

#[tokio::test]
async fn a_session_that_the_store_has_is_asked_for_once() {
    let setup = Setup::new();
    let key = session("s");
    setup.write_behind(&key, "hello").await;
    let first = setup.read(&key).await;
    assert_eq!((first.source(), first.is_degraded()), (Source::Store, false));
    assert_eq!(*first.history(), setup.stored(&key).await);
    for _ in 0..10 {
        let again = setup.read(&key).await;
        assert_eq!((again.source(), again.is_degraded()), (Source::Memory, false));
        assert_eq!(again.history(), first.history());
    }
    assert_eq!(setup.loads(), 1);
}

#[tokio::test]
async fn a_session_that_nobody_wrote_to_is_new_once_and_then_loaded_and_empty() {
    let setup = Setup::new();
    let key = session("s");
    let first = setup.read(&key).await;
    assert_eq!((first.source(), first.history().len()), (Source::New, 0));
    let again = setup.read(&key).await;
    assert_eq!((again.source(), again.history().len()), (Source::Memory, 0));
    assert_eq!((setup.loads(), setup.loaded_sessions()), (1, 1));
}

#[tokio::test]
async fn a_failed_load_is_an_error_and_marks_nothing_as_loaded() {
    let setup = Setup::new();
    let key = session("s");
    setup.write_behind(&key, "hello").await;
    setup.store.fail(Call::Load, 2);
    for _ in 0..2 {
        let outcome = setup.cache.history(&key).await;
        let Err(ReadError::Store(error)) = outcome else {
            panic!("{outcome:?}")
        };
        assert!(matches!(*error, StoreError::Unavailable(_)));
        assert_eq!(setup.loaded_sessions(), 0);
    }
    let reading = setup.read(&key).await;
    assert_eq!((reading.source(), reading.history().len()), (Source::Store, 2));
    assert_eq!(setup.loads(), 3, "each read asked again");
}

#[tokio::test]
async fn equal_session_ids_of_others_never_meet() {
    let setup = Setup::new();
    let keys = [key("d", "u", "1"), key("d", "v", "1"), key("e", "u", "1")];
    for (number, key) in keys.iter().enumerate() {
        setup.write_behind(key, &number.to_string()).await;
    }
    for _ in 0..2 {
        for (number, key) in keys.iter().enumerate() {
            assert_eq!(contents(&setup.read(key).await)[0], number.to_string());
        }
    }
    assert_eq!(setup.loads(), keys.len());
}

#[tokio::test]
async fn a_reader_who_knows_of_a_newer_version_gets_it() {
    let setup = Setup::new();
    let key = setup.loaded("s").await;
    setup.write_behind(&key, "the second").await;
    assert_eq!(setup.read(&key).await.history().version(), version(1));

    let fresh = setup.cache.history_since(&key, version(2)).await.unwrap();
    assert_eq!(
        (fresh.source(), fresh.history().version()),
        (Source::Store, version(2))
    );
    let again = setup.cache.history_since(&key, version(2)).await.unwrap();
    assert_eq!(again.source(), Source::Memory);
    assert_eq!(setup.loads(), 2);
}

#[tokio::test]
async fn a_version_that_the_store_does_not_have_is_not_fresh() {
    let setup = Setup::new();
    let key = setup.loaded("s").await;
    let outcome = setup.cache.history_since(&key, version(7)).await;
    assert!(matches!(outcome, Err(ReadError::NotFresh { held }) if held == version(1)));
    assert_eq!(setup.loads(), 2, "the reader's own load is as new as it gets");
    assert_eq!(
        setup.read(&key).await.source(),
        Source::Memory,
        "what was loaded is kept for others"
    );
}

#[tokio::test]
async fn a_load_that_began_before_the_version_was_committed_is_not_enough() {
    let setup = Setup::new();
    let key = session("s");
    setup.write_behind(&key, "the first").await;
    let gate = setup.store.hold(Point::AfterLoad);
    let early = setup.waiting_reader(&key).await;
    arrived(&gate, 1).await;
    setup.write_behind(&key, "the second").await;

    let since = setup.cache.history_since(&key, version(2));
    let (since, early) = tokio::join!(since, async {
        gate.open();
        early.await.unwrap()
    });
    assert_eq!(since.unwrap().history().version(), version(2));
    assert_eq!(early.unwrap().history().version(), version(1));
}

#[tokio::test]
async fn pass_through_asks_every_time_and_keeps_nothing() {
    let setup = Setup::with(CacheConfig {
        strategy: Strategy::PassThrough,
        ..patient()
    });
    let (known, made_up) = (session("known"), session("made up"));
    for number in 1..=3 {
        setup.append(&known, "again").await;
        let reading = setup.read(&known).await;
        assert_eq!(reading.source(), Source::Store);
        assert_eq!(reading.history().version(), version(number));
    }
    assert_eq!(setup.cache.open(&made_up).source(), Source::New);
    assert_eq!(setup.read(&made_up).await.source(), Source::New);
    assert_eq!((setup.loads(), setup.loaded_sessions()), (4, 0));
}
