//! Requests with a key on one replica: one turn and one model call, however often they are repeated.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use hearth_chat::{ChatConfig, ChatError, ChatRequest, TurnEventKind};
use hearth_domain::Version;
use hearth_domain::ports::{HistoryStore, ModelError, RequestLog};
use hearth_testkit::faulty_store::{Call, Point};
use hearth_testkit::{build, poll};

use crate::stage::{Act, asking, content, idempotency, keyed, request, say, scene, scene_of};

#[tokio::test(start_paused = true)]
async fn a_later_repeat_is_answered_the_same() {
    for request in [
        keyed(Some("1"), "k"),
        keyed(None, "k"),
        ChatRequest {
            history: false,
            ..keyed(Some("1"), "k")
        },
        ChatRequest {
            history: false,
            ..keyed(None, "k")
        },
        ChatRequest {
            if_version: Some(Version::ZERO),
            ..keyed(Some("1"), "k")
        },
    ] {
        let scene = scene(&[Act::Count]);
        let first = scene.chat.answer(request.clone()).await.unwrap();
        assert!(!first.replayed);
        for _ in 0..3 {
            let again = scene.chat.answer(request.clone()).await.unwrap();
            assert!(again.replayed);
            assert_eq!(content(&again), content(&first));
        }
        assert_eq!(scene.model.calls(), 1);
        assert_eq!(scene.store.calls(Call::Append), usize::from(request.history));
    }
}

#[tokio::test(start_paused = true)]
async fn repeats_at_once_wait_for_the_first() {
    let scene = scene(&[Act::Wait, Act::Count]);
    let repeats = join_all((0..50).map(|_| scene.chat.answer(keyed(Some("1"), "k"))));
    let (answers, ()) = tokio::join!(repeats, async {
        scene.model.waits(1).await;
        scene.model.let_go(1);
    });
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers.iter().filter(|answered| !answered.replayed).count(), 1);
    assert!(
        answers
            .iter()
            .all(|answered| content(answered) == content(&answers[0]))
    );
    assert_eq!(scene.model.calls(), 1);
    assert_eq!(
        scene.store.calls(Call::Claim),
        1,
        "the store is not asked by those who wait here"
    );
    assert_eq!(scene.rows("1").await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_repeat_takes_no_place_in_its_session() {
    let config = ChatConfig {
        queue_max: 1,
        ..ChatConfig::default()
    };
    let scene = scene_of(&[Act::Wait, Act::Count], config);
    let mut first = Box::pin(scene.chat.answer(keyed(Some("1"), "k")));
    let mut repeat = Box::pin(scene.chat.answer(keyed(Some("1"), "k")));
    assert!(first.as_mut().now_or_never().is_none());
    assert!(repeat.as_mut().now_or_never().is_none());
    scene.model.waits(1).await;
    let mut other = Box::pin(scene.chat.answer(request(Some("1"))));
    assert!(other.as_mut().now_or_never().is_none());
    // As many repeats wait as may.
    let refused = scene.chat.answer(keyed(Some("1"), "k")).await;
    assert!(matches!(refused, Err(ChatError::SessionBusy)), "{refused:?}");
    scene.model.let_go(2);
    assert!(repeat.await.unwrap().replayed);
    assert_eq!(other.await.unwrap().answer.response, "1");
    first.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn another_body_is_told_so_while_the_first_runs_and_later() {
    let scene = scene(&[Act::Wait, Act::Count]);
    let other = ChatRequest {
        idempotency: Some(idempotency("k", 1)),
        ..asking("Something else", request(Some("1")))
    };
    let mut first = Box::pin(scene.chat.answer(keyed(Some("1"), "k")));
    assert!(first.as_mut().now_or_never().is_none());
    scene.model.waits(1).await;
    let reused = scene.chat.answer(other.clone()).await;
    assert!(matches!(reused, Err(ChatError::KeyReused)), "{reused:?}");
    scene.model.let_go(1);
    first.await.unwrap();
    let reused = scene.chat.answer(other).await;
    assert!(matches!(reused, Err(ChatError::KeyReused)), "{reused:?}");
    assert_eq!(scene.model.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn another_user_of_the_same_key_has_a_request_of_its_own() {
    let scene = scene(&[Act::Count]);
    scene.chat.answer(keyed(Some("1"), "k")).await.unwrap();
    let stranger = ChatRequest {
        user: build::key("d", "stranger", "1").user,
        ..keyed(Some("1"), "k")
    };
    assert!(!scene.chat.answer(stranger).await.unwrap().replayed);
    assert_eq!(scene.model.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_model_that_fails_gives_the_claim_back() {
    for act in [Act::Fail, Act::Panic, Act::Hang] {
        let scene = scene(&[act]);
        let failed = scene.chat.answer(keyed(None, "k")).await;
        assert!(matches!(failed, Err(ChatError::Model(_))), "{failed:?}");
        scene.model.play(&[Act::Count]);
        let again = scene.chat.answer(keyed(None, "k")).await.unwrap();
        assert!(!again.replayed);
        assert_eq!(scene.model.calls(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_repeat_that_waited_for_a_failure_tries_itself() {
    let scene = scene(&[Act::Wait, Act::Fail]);
    let mut first = Box::pin(scene.chat.answer(keyed(Some("1"), "k")));
    assert!(first.as_mut().now_or_never().is_none());
    scene.model.waits(1).await;
    scene.model.play(&[Act::Count]);
    let mut repeat = Box::pin(scene.chat.answer(keyed(Some("1"), "k")));
    assert!(repeat.as_mut().now_or_never().is_none());
    scene.model.let_go(1);
    assert!(matches!(
        first.await,
        Err(ChatError::Model(ModelError::Failed(_)))
    ));
    assert_eq!(repeat.await.unwrap().answer.response, "0");
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_goes_away_finds_the_answer_when_it_comes_back() {
    let scene = scene(&[Act::Wait, say("kept")]);
    let mut first = Box::pin(scene.chat.answer(keyed(Some("1"), "k")));
    assert!(first.as_mut().now_or_never().is_none());
    scene.model.waits(1).await;
    drop(first);
    let mut repeat = Box::pin(scene.chat.answer(keyed(Some("1"), "k")));
    assert!(repeat.as_mut().now_or_never().is_none());
    scene.model.let_go(1);
    let again = repeat.await.unwrap();
    assert_eq!((again.answer.response.as_str(), again.replayed), ("kept", true));
    assert_eq!(scene.model.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_repeat_waits_no_longer_than_a_turn_may_take() {
    let config = ChatConfig {
        turn_timeout: Duration::from_millis(100),
        ..ChatConfig::default()
    };
    let scene = scene_of(&[say("kept")], config);
    let gate = scene.store.hold(Point::BeforeAppend);
    let mut first = Box::pin(scene.chat.answer(keyed(Some("1"), "k")));
    assert!(first.as_mut().now_or_never().is_none());
    gate.arrived(1).await;
    let late = scene.chat.answer(keyed(Some("1"), "k")).await;
    assert!(matches!(late, Err(ChatError::SessionBusy)), "{late:?}");
    gate.open();
    assert!(!first.await.unwrap().replayed);
}

#[tokio::test(start_paused = true)]
async fn after_an_erase_a_repeat_is_told_so() {
    let scene = scene(&[Act::Count]);
    let key = build::key("d", "u", "1");
    scene.chat.answer(keyed(Some("1"), "k")).await.unwrap();
    scene.cache.erase(key).await.unwrap();
    let again = scene.chat.answer(keyed(Some("1"), "k")).await;
    assert!(matches!(again, Err(ChatError::SessionErased)), "{again:?}");
    assert_eq!(scene.model.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_erase_wins_over_the_turns_under_way() {
    for request in [request(Some("1")), keyed(Some("1"), "k")] {
        let scene = scene(&[Act::Count]);
        scene.ask("1").await.unwrap();
        scene.model.play(&[Act::Wait, Act::Count]);
        let mut turn = Box::pin(scene.chat.answer(request.clone()));
        assert!(turn.as_mut().now_or_never().is_none());
        scene.model.waits(1).await;
        // Another replica erases it: nothing of that is heard here.
        scene
            .store
            .inner()
            .erase(&build::key("d", "u", "1"))
            .await
            .unwrap();
        scene.model.let_go(1);
        let outcome = turn.await;
        assert!(matches!(outcome, Err(ChatError::SessionErased)), "{outcome:?}");
        assert!(scene.stored("1").await.is_empty());
        scene.model.play(&[Act::Count]);
        assert_eq!(
            scene.ask("1").await.unwrap().response,
            "0",
            "nothing comes back into memory"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_conflict_gives_the_claim_back() {
    let scene = scene(&[Act::Count]);
    scene.ask("1").await.unwrap();
    let expecting = |version| ChatRequest {
        if_version: Some(Version::new(version).unwrap()),
        ..keyed(Some("1"), "k")
    };
    for _ in 0..2 {
        let conflict = scene.chat.answer(expecting(7)).await;
        assert!(matches!(conflict, Err(ChatError::Commit(_))), "{conflict:?}");
    }
    // The key's body is what the caller says it is.
    assert!(!scene.chat.answer(expecting(1)).await.unwrap().replayed);
}

#[tokio::test(start_paused = true)]
async fn old_requests_are_forgotten_in_small_steps() {
    let config = ChatConfig {
        request_age_max: Duration::ZERO,
        ..ChatConfig::default()
    };
    let scene = scene_of(&[Act::Count], config);
    let key = build::key("d", "u", "1");
    for request in 0..1_200 {
        let claim = build::claim(&key, &request.to_string());
        scene.store.inner().claim(&claim).await.unwrap();
    }
    poll::until(Duration::from_mins(10), async || {
        scene.store.calls(Call::ForgetRequests) == 3
    })
    .await;
    assert_eq!(
        scene
            .store
            .inner()
            .forget_requests(Duration::ZERO, 1)
            .await
            .unwrap(),
        0
    );
}

#[tokio::test(start_paused = true)]
async fn an_erased_turn_is_over_for_its_repeats_too() {
    let scene = scene(&[Act::Wait]);
    let mut turn = Box::pin(scene.chat.answer(keyed(Some("1"), "k")));
    assert!(turn.as_mut().now_or_never().is_none());
    scene.model.waits(1).await;
    // The model is never let go: the stop alone ends the turn, a first one of its session that no row tells of.
    scene.chat.stop_turns(|key| key.session.as_str() == "1").await;
    let outcome = turn.await;
    assert!(matches!(outcome, Err(ChatError::SessionErased)), "{outcome:?}");
    let again = scene.chat.answer(keyed(Some("1"), "k")).await;
    assert!(matches!(again, Err(ChatError::SessionErased)), "{again:?}");
    assert_eq!(scene.model.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stop_leaves_the_turns_of_others_alone() {
    let scene = scene(&[Act::Wait, Act::Count]);
    let mut turn = Box::pin(scene.chat.answer(request(Some("2"))));
    assert!(turn.as_mut().now_or_never().is_none());
    scene.model.waits(1).await;
    scene.chat.stop_turns(|key| key.session.as_str() == "1").await;
    scene.model.let_go(1);
    turn.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_repeat_reads_the_session_that_its_first_attempt_made_up() {
    let scene = scene(&[Act::Fail]);
    let request = keyed(None, "k");
    let mut stream = scene.chat.stream(request.clone());
    let first = stream.next().await.unwrap().kind;
    let TurnEventKind::Started { key, .. } = first else {
        panic!("{first:?}");
    };
    while stream.next().await.is_some() {}
    // The caller knows the session now, and uses it on another replica.
    let elsewhere = build::append(&key, build::exchange("query", "response"));
    scene
        .store
        .inner()
        .append(&[elsewhere])
        .await
        .pop()
        .unwrap()
        .unwrap();
    scene.cache.invalidate(&key);
    scene.model.play(&[Act::Count]);
    let answered = scene.chat.answer(request).await.unwrap();
    assert_eq!(answered.answer.key, key);
    assert_eq!(answered.answer.response, "1");
}
