//! Changes that no version tells of: what was read before them is not served after them.

use chrono::DateTime;
use hearth_cache::{ReadError, Source};
use hearth_domain::{ConversationKey, MessageId, MessageView, Role, Status};
use hearth_testkit::faulty_store::Point;

use crate::setup::{Setup, arrived, contents, session};

/// A row of another program: the session's version stays as it is.
fn insert_foreign(setup: &Setup, key: &ConversationKey, id: i64) {
    let row = MessageView {
        id: MessageId(id),
        role: Role::User,
        content: "from elsewhere".into(),
        created_at: DateTime::UNIX_EPOCH,
        status: Status::Complete,
    };
    setup.store.inner().insert_foreign(key, &row);
}

#[tokio::test]
async fn an_invalidated_session_is_read_again_once_for_all_who_wait() {
    let setup = Setup::new();
    let key = setup.loaded("s").await;
    insert_foreign(&setup, &key, 100);
    assert_eq!(setup.read(&key).await.history().len(), 2, "nobody told the cache");
    setup.cache.invalidate(&key);
    let gate = setup.store.hold(Point::BeforeLoad);
    let mut readers = Vec::new();
    for _ in 0..50 {
        readers.push(setup.waiting_reader(&key).await);
    }
    setup.cache.validate();
    gate.open();
    for reader in readers {
        let reading = reader.await.unwrap().unwrap();
        assert_eq!((reading.source(), reading.history().len()), (Source::Store, 3));
    }
    assert_eq!((setup.loads(), setup.figures().invalidated), (2, 1));
}

#[tokio::test]
async fn an_invalidation_during_a_load_wins() {
    let setup = Setup::new();
    let key = session("s");
    setup.write_behind(&key, "the first").await;
    let gate = setup.store.hold(Point::AfterLoad);
    let reader = setup.waiting_reader(&key).await;
    arrived(&gate, 1).await;
    insert_foreign(&setup, &key, 100);
    setup.cache.invalidate(&key);
    gate.open();
    let expected = ["the first", "an answer", "from elsewhere"];
    assert_eq!(contents(&reader.await.unwrap().unwrap()), expected);
    assert_eq!(contents(&setup.read(&key).await), expected);
    assert_eq!(setup.loads(), 2);
}

#[tokio::test]
async fn a_session_that_changes_faster_than_it_is_read_is_an_error_after_some_attempts() {
    let setup = Setup::new();
    let key = setup.loaded("s").await;
    setup.cache.invalidate(&key);
    let gate = setup.store.hold(Point::AfterLoad);
    let reader = setup.waiting_reader(&key).await;
    for attempt in 1..=5 {
        arrived(&gate, attempt).await;
        setup.cache.invalidate(&key);
        gate.let_one_pass();
    }
    assert!(matches!(reader.await.unwrap(), Err(ReadError::NotFresh { .. })));
    gate.open();
    assert_eq!(setup.read(&key).await.source(), Source::Store);
    assert_eq!(setup.loads(), 7);
}

#[tokio::test]
async fn an_invalidation_of_what_is_not_there_does_nothing() {
    let setup = Setup::new();
    setup.cache.invalidate(&session("s"));
    assert_eq!((setup.loads(), setup.figures().invalidated), (0, 0));
}
