//! Sessions that the caller made up: nobody is asked for them.

use hearth_cache::Source;
use hearth_testkit::faulty_store::Point;

use crate::setup::{Setup, arrived, session, version};

#[tokio::test]
async fn a_session_that_was_made_up_is_loaded_without_asking_the_store() {
    let setup = Setup::new();
    let key = session("s");
    let opened = setup.cache.open(&key);
    assert_eq!((opened.source(), opened.history().len()), (Source::New, 0));
    assert_eq!(setup.append(&key, "hello").await, version(1));
    let reading = setup.read(&key).await;
    assert_eq!(reading.source(), Source::Memory);
    assert_eq!(*reading.history(), setup.stored(&key).await);
    assert_eq!(setup.loads(), 0);
    setup.cache.validate();
}

#[tokio::test]
async fn a_session_that_is_there_is_not_emptied_by_being_opened() {
    let setup = Setup::new();
    let key = setup.loaded("s").await;
    let opened = setup.cache.open(&key);
    assert_eq!((opened.source(), opened.history().len()), (Source::Memory, 2));
    assert_eq!(setup.read(&key).await.history().len(), 2);
}

#[tokio::test]
async fn a_session_on_its_way_is_not_hidden_by_being_opened() {
    let setup = Setup::new();
    let key = session("s");
    setup.write_behind(&key, "hello").await;
    let gate = setup.store.hold(Point::AfterLoad);
    let reader = setup.waiting_reader(&key).await;
    arrived(&gate, 1).await;
    assert_eq!(setup.cache.open(&key).source(), Source::New, "so the caller says");
    setup.cache.validate();
    gate.open();
    assert_eq!(reader.await.unwrap().unwrap().history().len(), 2);
    assert_eq!(setup.read(&key).await.history().len(), 2);
}
