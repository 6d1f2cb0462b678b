//! End and erase: a session leaves memory in the same step, and no load brings back what was there before.

use hearth_cache::Source;
use hearth_domain::ports::{HistoryStore as _, StoreError};
use hearth_testkit::build::key;
use hearth_testkit::faulty_store::{Call, Point};
use hearth_testkit::poll;
use tokio::runtime::Handle;

use crate::setup::{HANG, Setup, arrived, session, version};

#[tokio::test]
async fn an_ended_session_is_not_loaded_any_more_and_keeps_its_rows() {
    let setup = Setup::new();
    let key = setup.loaded("s").await;
    setup.cache.end(key.clone()).await.unwrap();
    assert_eq!(setup.loaded_sessions(), 0);
    setup.cache.validate();
    let reading = setup.read(&key).await;
    assert_eq!((reading.source(), reading.history().len()), (Source::Store, 2));
}

#[tokio::test]
async fn an_end_that_failed_leaves_the_session_loaded() {
    let setup = Setup::new();
    let key = setup.loaded("s").await;
    setup.store.fail(Call::End, 1);
    assert!(matches!(
        setup.cache.end(key.clone()).await,
        Err(StoreError::Unavailable(_))
    ));
    assert_eq!(setup.read(&key).await.source(), Source::Memory);
}

#[tokio::test]
async fn an_end_during_a_load_wins() {
    let setup = Setup::new();
    let key = session("s");
    setup.write_behind(&key, "hello").await;
    let gate = setup.store.hold(Point::AfterLoad);
    let reader = setup.waiting_reader(&key).await;
    arrived(&gate, 1).await;
    setup.cache.end(key.clone()).await.unwrap();
    gate.open();
    assert_eq!(reader.await.unwrap().unwrap().history().len(), 2);
    assert_eq!(
        setup.loads(),
        2,
        "what was loaded before the end is not what is kept"
    );
}

#[tokio::test]
async fn an_erased_session_is_gone_from_memory_and_from_the_store() {
    let setup = Setup::new();
    let key = setup.loaded("s").await;
    assert_eq!(setup.cache.erase(key.clone()).await.unwrap(), version(2));
    assert_eq!(setup.loaded_sessions(), 0);
    let reading = setup.read(&key).await;
    assert_eq!((reading.source(), reading.history().len()), (Source::New, 0));
    assert_eq!(reading.history().version(), version(2));
    assert_eq!(setup.append(&key, "again").await, version(3));
    assert_eq!(*setup.read(&key).await.history(), setup.stored(&key).await);
}

#[tokio::test]
async fn a_load_under_way_does_not_bring_back_what_was_erased() {
    let setup = Setup::new();
    let key = session("s");
    setup.write_behind(&key, "hello").await;
    let gate = setup.store.hold(Point::AfterLoad);
    let reader = setup.waiting_reader(&key).await;
    arrived(&gate, 1).await;
    setup.cache.erase(key.clone()).await.unwrap();
    gate.open();
    let reading = reader.await.unwrap().unwrap();
    assert_eq!((reading.source(), reading.history().len()), (Source::New, 0));
    assert!(setup.read(&key).await.history().is_empty());
}

#[tokio::test]
async fn what_was_erased_is_not_served_while_the_store_is_away() {
    let setup = Setup::new();
    let key = setup.loaded("s").await;
    setup.cache.invalidate(&key);
    let gate = setup.store.hold(Point::BeforeLoad);
    let reader = setup.waiting_reader(&key).await;
    arrived(&gate, 1).await;
    setup.cache.erase(key.clone()).await.unwrap();
    setup.store.fail(Call::Load, usize::MAX);
    gate.open();
    assert!(reader.await.unwrap().is_err());
    assert!(setup.cache.history(&key).await.is_err());
}

#[tokio::test]
async fn after_an_erase_that_failed_the_store_is_asked() {
    let setup = Setup::new();
    let key = setup.loaded("s").await;
    setup.store.fail(Call::Erase, 1);
    assert!(matches!(
        setup.cache.erase(key.clone()).await,
        Err(StoreError::Unavailable(_))
    ));
    let reading = setup.read(&key).await;
    assert_eq!((reading.source(), reading.history().len()), (Source::Store, 2));
}

#[tokio::test]
async fn an_erase_goes_on_without_its_caller() {
    let setup = Setup::new();
    let key = setup.loaded("s").await;
    let gate = setup.store.hold(Point::BeforeErase);
    let cache = setup.cache.clone();
    let caller = Handle::current().spawn({
        let key = key.clone();
        async move { cache.erase(key).await.is_ok() }
    });
    arrived(&gate, 1).await;
    caller.abort();
    gate.open();
    poll::until(HANG, async || setup.loaded_sessions() == 0).await;
    assert!(setup.read(&key).await.history().is_empty());
}

#[tokio::test]
async fn all_sessions_of_a_user_are_erased_and_no_others() {
    let setup = Setup::new();
    let (mine, mine_too) = (key("d", "me", "1"), key("d", "me", "2"));
    let others = [key("d", "you", "1"), key("e", "me", "1")];
    for key in [&mine, &mine_too].into_iter().chain(&others) {
        setup.write_behind(key, "hello").await;
    }
    for key in std::iter::once(&mine).chain(&others) {
        setup.read(key).await;
    }
    let gate = setup.store.hold(Point::AfterLoad);
    let reader = setup.waiting_reader(&mine_too).await;
    arrived(&gate, 1).await;
    let erased = setup
        .cache
        .erase_user(mine.department.clone(), mine.user.clone())
        .await;
    assert_eq!(erased.unwrap(), 2);
    gate.open();
    assert!(reader.await.unwrap().unwrap().history().is_empty());
    assert!(setup.read(&mine).await.history().is_empty());
    for key in &others {
        let reading = setup.read(key).await;
        assert_eq!((reading.source(), reading.history().len()), (Source::Memory, 2));
    }
}

#[tokio::test]
async fn an_erase_of_a_user_reaches_what_the_store_has_nothing_of_any_more() {
    let setup = Setup::new();
    let key = setup.loaded("s").await;
    // An earlier call erased it, and its answer did not come in time.
    let (department, user) = (key.department.clone(), key.user.clone());
    setup.store.inner().erase_user(&department, &user).await.unwrap();
    let erased = setup.cache.erase_user(department, user).await;
    assert_eq!(erased.unwrap(), 0);
    assert!(setup.read(&key).await.history().is_empty());
}

#[tokio::test]
async fn after_an_erase_of_a_user_that_failed_the_store_is_asked() {
    let setup = Setup::new();
    let key = setup.loaded("s").await;
    setup.store.fail(Call::EraseUser, 1);
    let erased = setup.cache.erase_user(key.department.clone(), key.user.clone());
    assert!(matches!(erased.await, Err(StoreError::Unavailable(_))));
    let reading = setup.read(&key).await;
    assert_eq!((reading.source(), reading.history().len()), (Source::Store, 2));
}
