//! Loading sessions before anybody reads them.

use chrono::DateTime;
use hearth_cache::{CacheConfig, Source, WarmUp};
use hearth_domain::{MessageId, MessageView, Role, Status, WindowLimits};
use hearth_testkit::faulty_store::Call;

use crate::setup::{Setup, patient, session, sessions};

#[tokio::test]
async fn a_session_that_was_warmed_up_is_read_from_memory() {
    let setup = Setup::new();
    let key = session("s");
    setup.write_behind(&key, "hello").await;
    assert_eq!(setup.cache.warm_up(&key).await.unwrap().source(), Source::Store);
    assert_eq!(setup.cache.warm_up(&key).await.unwrap().source(), Source::Memory);
    assert_eq!(setup.figures().reads.total(), 0, "a warm-up is no read");
    assert_eq!(setup.read(&key).await.source(), Source::Memory);
    assert_eq!(setup.loads(), 1);
}

#[tokio::test]
async fn many_sessions_travel_in_few_calls_and_are_counted() {
    let setup = Setup::with(CacheConfig {
        load_batch_max: 100,
        loads_in_flight_max: 1,
        ..patient()
    });
    let keys = sessions(256);
    for key in keys.iter().take(200) {
        setup.write_behind(key, "hello").await;
    }
    let expected = WarmUp {
        found: 200,
        new: 56,
        failed: 0,
    };
    assert_eq!(setup.cache.warm_up_many(&keys).await, expected);
    assert_eq!(setup.loads(), 3);
    assert_eq!(setup.loaded_sessions(), 256);
    setup.cache.validate();
}

#[tokio::test]
async fn sessions_that_could_not_be_loaded_are_counted_and_not_loaded() {
    let setup = Setup::new();
    setup.store.fail(Call::Load, usize::MAX);
    let counts = setup.cache.warm_up_many(&sessions(10)).await;
    assert_eq!((counts.failed, setup.loaded_sessions()), (10, 0));
}

#[tokio::test]
async fn a_warm_up_does_not_overload_its_own_queue() {
    let setup = Setup::with(CacheConfig {
        load_queue_max: 8,
        ..patient()
    });
    let counts = setup.cache.warm_up_many(&sessions(100)).await;
    assert_eq!(
        counts,
        WarmUp {
            new: 100,
            ..WarmUp::default()
        }
    );
}

#[tokio::test]
async fn a_session_with_messages_but_an_empty_window_is_found() {
    let setup = Setup::with(CacheConfig {
        window: WindowLimits::new(1, 1).unwrap(),
        ..patient()
    });
    let key = session("s");
    for id in 1..=3 {
        let answer = MessageView {
            id: MessageId(id),
            role: Role::Assistant,
            content: "an answer to nothing".into(),
            created_at: DateTime::UNIX_EPOCH,
            status: Status::Complete,
        };
        setup.store.inner().insert_foreign(&key, &answer);
    }
    let counts = setup.cache.warm_up_many(std::slice::from_ref(&key)).await;
    assert!(setup.read(&key).await.history().is_empty());
    assert_eq!((counts.found, counts.new), (1, 0));
}
