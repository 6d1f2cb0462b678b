//! Requests with a key on two replicas over one store.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use hearth_chat::{ChatConfig, ChatError, ChatRequest};
use hearth_domain::ports::{Claim, RequestLog};
use hearth_testkit::faulty_store::Call;
use hearth_testkit::{build, poll};

use crate::stage::{Act, Actor, Scene, content, empty_store, idempotency, keyed, replica, say};

fn two(config: &ChatConfig) -> (Scene, Scene) {
    let store = empty_store();
    let one = replica(&store, Actor::new(&[say("one")]), config.clone());
    let other = replica(&store, Actor::new(&[say("other")]), config.clone());
    (one, other)
}

#[tokio::test(start_paused = true)]
async fn another_replica_gives_the_same_answer() {
    let (one, other) = two(&ChatConfig::default());
    let first = one.chat.answer(keyed(None, "k")).await.unwrap();
    let again = other.chat.answer(keyed(None, "k")).await.unwrap();
    assert!(again.replayed);
    assert_eq!(content(&again), content(&first));
    assert_eq!(other.model.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_repeat_elsewhere_waits_for_the_first() {
    let (one, other) = two(&ChatConfig::default());
    one.model.play(&[Act::Wait, say("one")]);
    let mut first = Box::pin(one.chat.answer(keyed(Some("1"), "k")));
    assert!(first.as_mut().now_or_never().is_none());
    one.model.waits(1).await;
    let mut repeat = Box::pin(other.chat.answer(keyed(Some("1"), "k")));
    assert!(repeat.as_mut().now_or_never().is_none());
    // It has asked some times in vain.
    poll::until(Duration::from_mins(1), async || one.store.calls(Call::Claim) > 4).await;
    one.model.let_go(1);
    let again = repeat.await.unwrap();
    assert!(again.replayed);
    assert_eq!(content(&again), content(&first.await.unwrap()));
    assert_eq!(other.model.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_repeat_elsewhere_waits_no_longer_than_a_turn_may_take() {
    let (one, other) = two(&ChatConfig::default());
    let claim = claim_of(Duration::from_secs(3_600));
    one.store.inner().claim(&claim).await.unwrap();
    let began = tokio::time::Instant::now();
    let late = other.chat.answer(keyed(Some("1"), "k")).await;
    assert!(matches!(late, Err(ChatError::SessionBusy)), "{late:?}");
    let waited = began.elapsed();
    assert!(
        waited > Duration::from_secs(115) && waited <= Duration::from_secs(120),
        "{waited:?}"
    );
    assert!(one.store.calls(Call::Claim) < 300, "the pauses grow");
    assert_eq!(other.model.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_request_of_a_replica_that_died_is_taken_over_in_its_session() {
    let (one, other) = two(&ChatConfig::default());
    // It died after it had claimed the request for a session that it made up.
    one.store.inner().claim(&claim_of(Duration::ZERO)).await.unwrap();
    let answered = other.chat.answer(keyed(None, "k")).await.unwrap();
    assert_eq!(answered.answer.key, build::key("d", "u", "1"));
    assert_eq!(
        (answered.answer.response.as_str(), answered.replayed),
        ("other", false)
    );
}

fn claim_of(lease: Duration) -> Claim {
    Claim {
        body: idempotency("k", 0).body,
        lease,
        ..build::claim(&build::key("d", "u", "1"), "k")
    }
}

/// Leases that are over while a turn still runs: another replica takes it over.
fn short_leases() -> ChatConfig {
    ChatConfig {
        request_lease: Duration::from_millis(10),
        ..ChatConfig::default()
    }
}

#[tokio::test(start_paused = true)]
async fn who_loses_its_claim_answers_what_the_other_committed() {
    let config = short_leases();
    for history in [true, false] {
        let (one, other) = two(&config);
        let request = ChatRequest {
            history,
            ..keyed(Some("1"), "k")
        };
        one.model.play(&[Act::Wait, say("one")]);
        let mut slow = Box::pin(one.chat.answer(request.clone()));
        assert!(slow.as_mut().now_or_never().is_none());
        one.model.waits(1).await;
        let taken_over = other.chat.answer(request).await.unwrap();
        assert!(!taken_over.replayed);
        one.model.let_go(1);
        let slow = slow.await.unwrap();
        assert!(slow.replayed);
        assert_eq!(content(&slow), content(&taken_over));
        assert_eq!(one.rows("1").await.len(), if history { 2 } else { 0 });
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_whose_claim_was_lost_is_kept_where_the_other_gave_up() {
    let config = short_leases();
    let (one, other) = two(&config);
    one.model.play(&[Act::Wait, say("one")]);
    let mut slow = Box::pin(one.chat.answer(keyed(Some("1"), "k")));
    assert!(slow.as_mut().now_or_never().is_none());
    one.model.waits(1).await;
    other.model.play(&[Act::Fail]);
    other.chat.answer(keyed(Some("1"), "k")).await.unwrap_err();
    one.model.let_go(1);
    let answered = slow.await.unwrap();
    assert_eq!(answered.answer.response, "one");
    assert_eq!(one.rows("1").await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn turns_of_one_session_on_two_replicas_all_stay() {
    let (one, other) = two(&ChatConfig::default());
    let (one, other) = (Arc::new(one), Arc::new(other));
    let asking = async |scene: &Scene| {
        for _ in 0..20 {
            scene.ask("1").await.unwrap();
        }
    };
    tokio::join!(asking(&one), asking(&other));
    assert_eq!(one.rows("1").await.len(), 80);
}
