//! The order of a turn's steps, and what becomes of it when one of them fails or its caller goes away.

use std::time::Duration;

use hearth_cache::Source;
use hearth_chat::{ChatConfig, ChatError, ChatRequest};
use hearth_domain::Version;
use hearth_domain::ports::{AppendError, ModelError};
use hearth_testkit::build;
use hearth_testkit::faulty_store::{Call, Point};
use serde_json::json;

use crate::stage::{Act, request, scene, scene_of};

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_reads_asks_commits_and_answers() {
    let scene = scene(&[Act::Count]);
    let first = scene.ask("1").await.unwrap();
    assert_eq!(
        (first.response.as_str(), first.version),
        ("0", Some(Version::new(1).unwrap()))
    );
    assert_eq!(first.history.unwrap().source, Source::New);
    let second = scene.ask("1").await.unwrap();
    assert_eq!(second.response, "1", "the model was given the first response");
    assert_eq!(second.history.unwrap().source, Source::Memory);
    let stored = scene.stored("1").await;
    assert_eq!(stored.responses(), 2);
    let memory = scene.cache.history(&build::key("d", "u", "1")).await.unwrap();
    assert_eq!(memory.history(), &stored, "memory followed before the answer");
    assert_eq!(scene.store.calls(Call::Load), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_history_no_model_is_asked() {
    let scene = scene(&[Act::Count]);
    scene.store.fail(Call::Load, 1);
    assert!(matches!(scene.ask("1").await, Err(ChatError::History(_))));
    assert_eq!(scene.model.calls(), 0);
    assert_eq!(scene.ask("1").await.unwrap().response, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_store_is_known_to_be_away_no_model_is_asked() {
    let scene = scene(&[Act::Count]);
    scene.ask("1").await.unwrap();
    scene.store.fail_everything();
    let first = scene.ask("1").await;
    assert!(
        matches!(first, Err(ChatError::Commit(AppendError::NotCommitted(_)))),
        "{first:?}"
    );
    let asked = scene.model.calls();
    for _ in 0..3 {
        assert!(matches!(scene.ask("1").await, Err(ChatError::StoreAway(_))));
    }
    assert_eq!(scene.model.calls(), asked);
    scene.store.recover();
    assert_eq!(
        scene.ask("1").await.unwrap().response,
        "1",
        "the refused turns left nothing behind"
    );
}

#[tokio::test(start_paused = true)]
async fn a_model_that_gives_no_answer_keeps_nothing() {
    let nothing = Act::Say(String::new());
    for act in [Act::Fail, Act::Hang, Act::Panic, nothing] {
        let config = ChatConfig {
            turn_timeout: Duration::from_secs(1),
            ..ChatConfig::default()
        };
        let scene = scene_of(std::slice::from_ref(&act), config);
        let outcome = scene.ask("1").await;
        let hangs = matches!(act, Act::Hang);
        assert!(
            matches!(outcome, Err(ChatError::Model(ModelError::TimedOut)) if hangs)
                || matches!(outcome, Err(ChatError::Model(ModelError::Failed(_))) if !hangs),
            "{outcome:?}"
        );
        assert!(scene.stored("1").await.is_empty());
        assert_eq!(scene.store.calls(Call::Append), 0);
        scene.model.play(&[Act::Count]);
        scene.ask("1").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_goes_away_does_not_stop_the_turn() {
    let scene = scene(&[Act::Count]);
    let gate = scene.store.hold(Point::BeforeAppend);
    {
        let asking = scene.ask("1");
        tokio::pin!(asking);
        tokio::select! {
            _ = &mut asking => panic!("the commit is held"),
            () = gate.arrived(1) => {}
        }
    }
    gate.open();
    let key = build::key("d", "u", "1");
    hearth_testkit::poll::until(Duration::from_secs(60), async || {
        scene
            .cache
            .history(&key)
            .await
            .is_ok_and(|reading| reading.history().responses() == 1)
    })
    .await;
    assert_eq!(scene.stored("1").await.responses(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_made_up_asks_the_store_nothing_before_its_commit() {
    let scene = scene(&[Act::Count]);
    let answer = scene.chat.answer(request(None)).await.unwrap().answer;
    assert_eq!(answer.history.unwrap().source, Source::New);
    assert_eq!(scene.store.calls(Call::Load), 0);
    assert_eq!(scene.store.calls(Call::Ping), 0);
    let again = scene.ask(answer.key.session.as_str()).await.unwrap();
    assert_eq!((again.response.as_str(), scene.store.calls(Call::Load)), ("1", 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_history_off_nothing_is_read_or_kept() {
    let scene = scene(&[Act::Count]);
    scene.ask("1").await.unwrap();
    let off = ChatRequest {
        history: false,
        ..request(Some("1"))
    };
    let answer = scene.chat.answer(off).await.unwrap().answer;
    assert_eq!(
        (answer.response.as_str(), answer.version, answer.history),
        ("0", None, None)
    );
    assert_eq!(scene.stored("1").await.responses(), 1);
    assert_eq!(scene.store.calls(Call::Append), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_is_told_before_the_model_is_asked() {
    let scene = scene(&[Act::Count]);
    scene.ask("1").await.unwrap();
    for expected in [0, 2] {
        let if_version = Some(Version::new(expected).unwrap());
        let outcome = scene
            .chat
            .answer(ChatRequest {
                if_version,
                ..request(Some("1"))
            })
            .await;
        let Err(ChatError::Commit(AppendError::VersionConflict { current })) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(current.get(), 1);
    }
    assert_eq!(scene.model.calls(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn model_turn_and_usage_are_kept_with_the_response() {
    let scene = scene(&[Act::Count]);
    let answer = scene.ask("1").await.unwrap();
    let metadata: Vec<_> = scene
        .rows("1")
        .await
        .into_iter()
        .map(|row| row.metadata)
        .collect();
    let expected = json!({
        "model": "actor", "turn_id": answer.turn, "usage": {"prompt_tokens": 3, "completion_tokens": 1},
    });
    assert_eq!(metadata, [None, Some(expected)]);
}
