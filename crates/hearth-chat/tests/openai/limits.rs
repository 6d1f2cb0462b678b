//! How many requests a server has at once.

use hearth_domain::ports::ModelError;
use hearth_testkit::model_server::Reply;
use hearth_testkit::poll::until;

use crate::setup::{DEADLINE, scene_with};

#[tokio::test(flavor = "multi_thread")]
async fn requests_wait_for_a_place_and_past_the_queue_are_refused() {
    let scene = scene_with(|config| {
        config.concurrent_max = 2;
        config.queue_max = 1;
    })
    .await;
    let gate = scene.server.gate();
    scene
        .server
        .usually(Reply::stream().wait(&gate).text("Hello").finish("stop").done());
    let (first, second) = (scene.asking(true).0, scene.asking(true).0);
    scene.server.called(2).await;
    let third = scene.asking(true).0;
    until(DEADLINE, async || scene.model_status().waiting == 1).await;
    assert!(matches!(scene.ask(true).await.0, Err(ModelError::Overloaded)));
    assert_eq!((scene.model_status().running, scene.server.calls()), (2, 2));

    gate.open();
    for asking in [first, second, third] {
        assert_eq!(asking.await.unwrap().unwrap().text, "Hello");
    }
    let status = scene.model_status();
    assert_eq!((status.running, status.waiting, scene.server.calls()), (0, 0, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_the_queue_makes_room() {
    let scene = scene_with(|config| {
        config.concurrent_max = 1;
        config.queue_max = 1;
    })
    .await;
    let gate = scene.server.gate();
    scene
        .server
        .next(Reply::stream().wait(&gate).text("Hello").done());
    let first = scene.asking(true).0;
    scene.server.called(1).await;
    let leaves = scene.asking(true).0;
    until(DEADLINE, async || scene.model_status().waiting == 1).await;
    leaves.abort();
    until(DEADLINE, async || scene.model_status().waiting == 0).await;
    gate.open();
    assert!(first.await.unwrap().is_ok());
    assert_eq!(scene.server.calls(), 1);
}
