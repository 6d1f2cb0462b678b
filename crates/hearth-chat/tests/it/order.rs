//! Turns of one session on one replica: one after the other, or refused.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use hearth_chat::{AppendRequest, ChatConfig, ChatError, ChatRequest, Concurrent};
use hearth_domain::Role;
use hearth_testkit::build;
use hearth_testkit::faulty_store::Call;

use crate::stage::{Act, asking, keyed, request, scene, scene_of};

fn is_busy<T>(outcome: &Result<T, ChatError>) -> bool {
    matches!(outcome, Err(ChatError::SessionBusy))
}

#[tokio::test(start_paused = true)]
async fn turns_are_one_after_the_other_in_the_order_of_arrival() {
    let scene = scene(&[Act::Count]);
    let turns = (0..32).map(|turn| scene.chat.answer(asking(&turn.to_string(), request(Some("1")))));
    let answers = join_all(turns).await;
    let expected: Vec<_> = (0..32).map(|turn: usize| turn.to_string()).collect();
    assert_eq!(scene.model.queries(), expected);
    for (turn, answered) in answers.into_iter().enumerate() {
        let answer = answered.unwrap().answer;
        let version = answer.version.unwrap().get();
        // Each turn's model was given all the answers before it, thirty at most.
        assert_eq!(answer.response, turn.min(30).to_string());
        assert_eq!(usize::try_from(version).unwrap(), turn + 1);
    }
    let rows = scene.rows("1").await;
    let queries = rows.iter().filter(|row| row.role == Role::User);
    let queries: Vec<_> = queries.map(|row| row.content.clone()).collect();
    assert_eq!(queries, expected);
}

#[tokio::test(start_paused = true)]
async fn another_session_does_not_wait() {
    let scene = scene(&[Act::Wait, Act::Count]);
    let first = scene.chat.stream(request(Some("1")));
    scene.model.waits(1).await;
    scene.model.play(&[Act::Count]);
    scene.ask("2").await.unwrap();
    let off = ChatRequest {
        history: false,
        ..request(Some("1"))
    };
    scene.chat.answer(off).await.unwrap();
    drop(first);
    scene.model.let_go(1);
}

#[tokio::test(start_paused = true)]
async fn a_second_turn_is_refused_where_none_may_wait() {
    let config = ChatConfig {
        concurrent: Concurrent::Reject,
        ..ChatConfig::default()
    };
    let scene = scene_of(&[Act::Wait, Act::Count], config);
    let mut first = Box::pin(scene.chat.answer(request(Some("1"))));
    assert!(first.as_mut().now_or_never().is_none());
    scene.model.waits(1).await;
    assert!(is_busy(&scene.chat.answer(request(Some("1"))).await));
    assert!(is_busy(&scene.chat.answer(keyed(Some("1"), "k")).await));
    scene.model.let_go(2);
    first.await.unwrap();
    let second = scene.chat.answer(keyed(Some("1"), "k")).await.unwrap();
    assert_eq!((second.answer.response.as_str(), second.replayed), ("1", false));
}

#[tokio::test(start_paused = true)]
async fn as_many_wait_as_may_and_as_long_as_a_turn_may_take() {
    let config = ChatConfig {
        queue_max: 2,
        turn_timeout: Duration::from_secs(10),
        ..ChatConfig::default()
    };
    let scene = scene_of(&[Act::Hang], config);
    let mut turns: Vec<_> = (0..3).map(|_| Box::pin(scene.ask("1"))).collect();
    for turn in &mut turns {
        assert!(turn.as_mut().now_or_never().is_none());
    }
    tokio::task::yield_now().await;
    assert!(is_busy(&scene.ask("1").await), "two wait");
    // The first one's time is up when that of the others is.
    let outcomes = join_all(turns).await;
    let timed_out = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Err(ChatError::Model(_))));
    let busy = outcomes.iter().filter(|outcome| is_busy(outcome));
    assert_eq!(timed_out.count() + busy.count(), 3, "{outcomes:?}");
    scene.model.play(&[Act::Count]);
    assert_eq!(scene.ask("1").await.unwrap().response, "0");
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_fails_lets_the_next_one_begin() {
    for act in [Act::Fail, Act::Panic] {
        let scene = scene(&[Act::Wait, act]);
        let mut first = Box::pin(scene.ask("1"));
        assert!(first.as_mut().now_or_never().is_none());
        scene.model.waits(1).await;
        scene.model.play(&[Act::Count]);
        let mut second = Box::pin(scene.ask("1"));
        assert!(second.as_mut().now_or_never().is_none());
        scene.model.let_go(1);
        assert!(matches!(first.await, Err(ChatError::Model(_))));
        assert_eq!(second.await.unwrap().response, "0");
    }
}

#[tokio::test(start_paused = true)]
async fn an_append_does_not_wait_for_a_model() {
    let scene = scene(&[Act::Wait, Act::Count]);
    let mut first = Box::pin(scene.ask("1"));
    assert!(first.as_mut().now_or_never().is_none());
    scene.model.waits(1).await;
    let append = AppendRequest {
        key: build::key("d", "u", "1"),
        turn: build::exchange("a", "b"),
        if_version: None,
        idempotency: None,
    };
    let appended = scene.chat.append(append).await.unwrap();
    assert_eq!(appended.committed.version.get(), 1);
    scene.model.let_go(1);
    assert_eq!(first.await.unwrap().version.unwrap().get(), 2);
    assert_eq!(scene.store.calls(Call::Append), 2);
}
