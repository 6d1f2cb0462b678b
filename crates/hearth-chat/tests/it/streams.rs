//! Turns that are told piece by piece: their events, their ends, and finding them again.

use std::sync::Arc;
use std::time::Duration;

use hearth_chat::{Answered, ChatConfig, ChatError, ChatRequest, ResumeError, TurnEventKind, TurnStream};
use hearth_domain::limits::CONTENT_BYTES_MAX;
use hearth_domain::ports::{AppendError, HistoryStore, ModelError};
use hearth_domain::{Status, TurnId};
use hearth_testkit::faulty_store::{Call, Point};
use hearth_testkit::{build, poll};

use crate::stage::{Act, Scene, content, keyed, request, say, scene, scene_of};

/// An event in a word, its number before it.
async fn told(stream: &mut TurnStream) -> Vec<String> {
    let mut told = Vec::new();
    while let Some(event) = stream.next().await {
        let kind = match event.kind {
            TurnEventKind::Started { key, .. } => format!("started {}", key.session),
            TurnEventKind::Delta(text) => format!("delta {text}"),
            TurnEventKind::Done(answered) => format!("done {}", answered.answer.response),
            TurnEventKind::Failed(error) => format!("failed {error}"),
        };
        told.push(format!("{} {kind}", event.id));
    }
    told
}

/// Reads a stream to its end.
async fn end(stream: &mut TurnStream) -> TurnEventKind {
    let mut last = None;
    while let Some(event) = stream.next().await {
        last = Some(event.kind);
    }
    last.unwrap()
}

async fn answered(stream: &mut TurnStream) -> Answered {
    let last = end(stream).await;
    let TurnEventKind::Done(answered) = last else {
        panic!("{last:?}");
    };
    Answered::clone(&answered)
}

async fn failed(stream: &mut TurnStream) -> Arc<ChatError> {
    let last = end(stream).await;
    let TurnEventKind::Failed(error) = last else {
        panic!("{last:?}");
    };
    error
}

async fn turn_id(stream: &mut TurnStream) -> TurnId {
    let first = stream.next().await.unwrap().kind;
    let TurnEventKind::Started { turn_id, .. } = first else {
        panic!("{first:?}");
    };
    turn_id
}

async fn resume(scene: &Scene, turn: TurnId, after: Option<u64>) -> Result<TurnStream, ResumeError> {
    let key = build::key("d", "u", "1");
    scene.chat.resume(turn, &key.department, &key.user, after).await
}

#[tokio::test(start_paused = true)]
async fn a_turn_is_told_as_it_goes_and_done_after_its_commit() {
    let scene = scene(&[say("Hel"), say(""), say("lo "), say("\u{1f525}")]);
    let gate = scene.store.hold(Point::BeforeAppend);
    let mut stream = scene.chat.stream(request(Some("1")));
    for _ in 0..4 {
        stream.next().await.unwrap();
    }
    gate.arrived(1).await;
    let early = tokio::time::timeout(Duration::from_millis(10), stream.next()).await;
    assert!(early.is_err(), "{early:?}");
    gate.open();
    assert_eq!(told(&mut stream).await, ["5 done Hello \u{1f525}"]);
    assert_eq!(stream.next().await.map(|event| event.id), None);
    assert_eq!(scene.rows("1").await[1].content, "Hello \u{1f525}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_resumed_after_each_event_while_it_runs_and_later() {
    let scene = scene(&[say("a"), say("b"), Act::Wait, say("c")]);
    let all = ["1 started 1", "2 delta a", "3 delta b", "4 delta c", "5 done abc"];
    let mut first = scene.chat.stream(request(Some("1")));
    let turn = turn_id(&mut first).await;
    scene.model.waits(1).await;
    drop(first);
    let mut running = Vec::new();
    for after in 0..=6 {
        running.push(resume(&scene, turn, Some(after)).await.unwrap());
    }
    scene.model.let_go(1);
    for (after, mut stream) in running.into_iter().enumerate() {
        assert_eq!(told(&mut stream).await, all[after.min(5)..], "after {after}");
        let mut stream = resume(&scene, turn, u64::try_from(after).ok()).await.unwrap();
        assert_eq!(
            told(&mut stream).await,
            all[after.min(5)..],
            "after {after}, later"
        );
    }
    assert_eq!(told(&mut resume(&scene, turn, None).await.unwrap()).await, all);
    assert_eq!(scene.model.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_its_own_users_alone_and_not_for_ever() {
    let scene = scene(&[say("a")]);
    let mut stream = scene.chat.stream(request(Some("1")));
    let turn = turn_id(&mut stream).await;
    answered(&mut stream).await;
    for stranger in [build::key("d", "stranger", "1"), build::key("stranger", "u", "1")] {
        let refused = scene
            .chat
            .resume(turn, &stranger.department, &stranger.user, None)
            .await;
        assert!(matches!(refused, Err(ResumeError::NotHere)));
    }
    assert!(matches!(
        resume(&scene, TurnId::generate(), None).await,
        Err(ResumeError::NotHere)
    ));
    assert!(resume(&scene, turn, None).await.is_ok());
    tokio::time::advance(Duration::from_mins(5)).await;
    assert!(matches!(
        resume(&scene, turn, None).await,
        Err(ResumeError::NotHere)
    ));
}

#[tokio::test(start_paused = true)]
async fn finished_streams_take_no_more_than_their_bytes() {
    let config = ChatConfig {
        finished_streams_bytes_max: 100_000,
        ..ChatConfig::default()
    };
    let scene = scene_of(&[say(&"a".repeat(10_000))], config);
    let mut turns = Vec::new();
    for _ in 0..20 {
        let mut stream = scene.chat.stream(request(Some("1")));
        turns.push(turn_id(&mut stream).await);
        answered(&mut stream).await;
    }
    let mut found = Vec::new();
    for turn in turns {
        found.push(resume(&scene, turn, None).await.is_ok());
    }
    let kept = found.iter().filter(|found| **found).count();
    assert!((2..10).contains(&kept), "{found:?}");
    assert!(found.is_sorted(), "the oldest go first: {found:?}");
}

#[tokio::test(start_paused = true)]
async fn an_erased_session_is_not_resumed() {
    let key = build::key("d", "u", "1");
    for elsewhere in [true, false] {
        let scene = scene(&[say("secret")]);
        let mut stream = scene.chat.stream(request(Some("1")));
        let turn = turn_id(&mut stream).await;
        answered(&mut stream).await;
        scene.ask("1").await.unwrap();
        assert!(resume(&scene, turn, None).await.is_ok());
        if elsewhere {
            // What the change feed does with another replica's erase.
            scene.store.inner().erase(&key).await.unwrap();
            scene.cache.invalidate(&key);
        } else {
            scene.cache.erase(key.clone()).await.unwrap();
        }
        assert!(matches!(
            resume(&scene, turn, None).await,
            Err(ResumeError::Erased)
        ));
        scene.ask("1").await.unwrap();
        assert!(matches!(
            resume(&scene, turn, None).await,
            Err(ResumeError::Erased)
        ));
        scene.chat.forget_streams(|erased| *erased == key);
        assert!(matches!(
            resume(&scene, turn, None).await,
            Err(ResumeError::NotHere)
        ));
    }
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_an_erase_stops_is_not_resumed() {
    for history in [true, false] {
        let scene = scene(&[say("secret"), Act::Wait]);
        let request = ChatRequest {
            history,
            ..keyed(Some("1"), "k")
        };
        let mut stream = scene.chat.stream(request);
        let turn = turn_id(&mut stream).await;
        scene.model.waits(1).await;
        // The model is never let go: the stop alone ends the turn.
        scene.chat.stop_turns(|key| key.session.as_str() == "1").await;
        assert!(matches!(*failed(&mut stream).await, ChatError::SessionErased));
        assert!(matches!(
            resume(&scene, turn, None).await,
            Err(ResumeError::Erased)
        ));
    }
}

#[tokio::test(start_paused = true)]
async fn what_came_before_the_model_broke_off_is_kept_as_incomplete() {
    for act in [Act::Fail, Act::Hang, Act::Panic] {
        let scene = scene(&[say("half an "), say("ans"), act]);
        let answered = answered(&mut scene.chat.stream(keyed(Some("1"), "k"))).await;
        assert_eq!(answered.answer.response, "half an ans");
        assert_eq!(
            (answered.answer.status, answered.answer.usage),
            (Status::Incomplete, None)
        );
        let rows = scene.rows("1").await;
        assert_eq!((rows.len(), rows[1].status()), (2, Status::Incomplete));
        let again = scene.chat.answer(keyed(Some("1"), "k")).await.unwrap();
        assert_eq!(content(&again), content(&answered));
        assert!(again.replayed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_model_from_which_nothing_came_has_failed() {
    for act in [Act::Fail, Act::Hang, Act::Panic, say("")] {
        let scene = scene(&[act]);
        let error = failed(&mut scene.chat.stream(request(Some("1")))).await;
        assert!(matches!(*error, ChatError::Model(_)), "{error:?}");
        assert!(scene.rows("1").await.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn what_fails_before_the_model_is_asked_is_told_alone() {
    let scene = scene(&[say("a")]);
    scene.store.fail(Call::Load, 1);
    let mut stream = scene.chat.stream(request(Some("1")));
    assert_eq!(told(&mut stream).await, ["1 failed failed to read the history"]);
    assert_eq!(scene.model.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_fails_is_the_streams_end_and_its_repeat_commits() {
    let scene = scene(&[say("paid "), say("for")]);
    scene.store.fail(Call::Append, 1);
    let error = failed(&mut scene.chat.stream(keyed(Some("1"), "k"))).await;
    assert!(
        matches!(*error, ChatError::Commit(AppendError::NotCommitted(_))),
        "{error:?}"
    );
    for _ in 0..2 {
        let mut repeat = scene.chat.stream(keyed(Some("1"), "k"));
        assert_eq!(
            told(&mut repeat).await,
            ["1 started 1", "2 delta paid for", "3 done paid for"]
        );
    }
    assert_eq!((scene.model.calls(), scene.rows("1").await.len()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_too_long_is_cut_between_characters() {
    // Four bytes each: the limit falls within none of them, and three bytes more make it fall within one.
    for (begin, length) in [("", CONTENT_BYTES_MAX), ("abc", CONTENT_BYTES_MAX - 1)] {
        let fires = "\u{1f525}".repeat(CONTENT_BYTES_MAX / 4);
        for stream in [true, false] {
            // Nobody waits for the rest, which would never come.
            let more = if stream {
                vec![say("!"), Act::Hang]
            } else {
                vec![say("!")]
            };
            let scene = scene(&[vec![say(begin), say(&fires)], more].concat());
            let answered = if stream {
                answered(&mut scene.chat.stream(request(Some("1")))).await
            } else {
                scene.chat.answer(request(Some("1"))).await.unwrap()
            };
            assert_eq!(answered.answer.response.len(), length);
            assert_eq!(answered.answer.status, Status::Incomplete);
            assert_eq!(scene.rows("1").await[1].content, answered.answer.response);
        }
    }
    let scene = scene(&[say(&"a".repeat(CONTENT_BYTES_MAX))]);
    assert_eq!(scene.ask("1").await.unwrap().status, Status::Complete);
}

#[tokio::test(start_paused = true)]
async fn what_a_message_must_not_hold_is_left_out() {
    for stream in [true, false] {
        let scene = scene(&[say("a\0"), say("\0"), say("b")]);
        let answered = if stream {
            answered(&mut scene.chat.stream(request(Some("1")))).await
        } else {
            scene.chat.answer(request(Some("1"))).await.unwrap()
        };
        assert_eq!(
            (answered.answer.response.as_str(), answered.answer.status),
            ("ab", Status::Complete)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_history_a_stream_is_told_and_nothing_is_kept() {
    let scene = scene(&[say("a"), say("b")]);
    let off = ChatRequest {
        history: false,
        ..request(Some("1"))
    };
    let mut stream = scene.chat.stream(off);
    let turn = turn_id(&mut stream).await;
    assert_eq!(told(&mut stream).await, ["2 delta a", "3 delta b", "4 done ab"]);
    assert!(resume(&scene, turn, None).await.is_ok());
    assert!(scene.rows("1").await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_nobody_reads_is_kept() {
    let scene = scene(&[say("a"), Act::Wait, say("b")]);
    drop(scene.chat.stream(request(Some("1"))));
    scene.model.waits(1).await;
    scene.model.let_go(1);
    poll::until(Duration::from_mins(1), async || scene.rows("1").await.len() == 2).await;
    assert_eq!(scene.rows("1").await[1].content, "ab");
}

#[tokio::test(start_paused = true)]
async fn a_model_that_times_out_after_some_text_does_not_fail_the_turn() {
    let config = ChatConfig {
        turn_timeout: Duration::from_secs(1),
        ..ChatConfig::default()
    };
    let scene = scene_of(&[say("a"), Act::Hang], config);
    assert_eq!(
        answered(&mut scene.chat.stream(request(Some("1"))))
            .await
            .answer
            .response,
        "a"
    );
    scene.model.play(&[Act::Hang]);
    let error = failed(&mut scene.chat.stream(request(Some("1")))).await;
    assert!(
        matches!(*error, ChatError::Model(ModelError::TimedOut)),
        "{error:?}"
    );
}
