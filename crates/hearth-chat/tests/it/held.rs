//! Answers whose commit failed: their repeats commit them without asking the model again.

use std::time::Duration;

use hearth_chat::{ChatConfig, ChatError, ChatRequest};
use hearth_domain::ports::{AppendError, HistoryStore};
use hearth_testkit::faulty_store::Call;
use hearth_testkit::{build, poll};

use crate::stage::{Act, content, keyed, say, scene, scene_of};

#[tokio::test(start_paused = true)]
async fn a_repeat_commits_what_was_not_committed() {
    for history in [true, false] {
        let scene = scene(&[say("paid for")]);
        let request = ChatRequest {
            history,
            ..keyed(None, "k")
        };
        scene
            .store
            .fail(if history { Call::Append } else { Call::Complete }, 1);
        let first = scene.chat.answer(request.clone()).await;
        let Err(ChatError::Commit(error)) = first else {
            panic!("{first:?}");
        };
        // An answer that is noted alone may have been, whatever the store says.
        let told = matches!(error, AppendError::NotCommitted(_));
        assert_eq!(told, history, "{error:?}");
        assert_eq!(scene.chat.held_answers().0, 1);
        let second = scene.chat.answer(request.clone()).await.unwrap();
        assert_eq!(
            (second.answer.response.as_str(), second.replayed),
            ("paid for", true)
        );
        assert_eq!(scene.chat.held_answers(), (0, 0));
        let third = scene.chat.answer(request).await.unwrap();
        assert_eq!(content(&third), content(&second));
        assert_eq!(scene.model.calls(), 1);
        if history {
            assert_eq!(scene.rows(second.answer.key.session.as_str()).await.len(), 2);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_was_not_told_is_found() {
    let scene = scene(&[say("paid for")]);
    scene.store.forget_commits(1);
    let first = scene.chat.answer(keyed(Some("1"), "k")).await;
    assert!(
        matches!(first, Err(ChatError::Commit(AppendError::Unknown(_)))),
        "{first:?}"
    );
    let second = scene.chat.answer(keyed(Some("1"), "k")).await.unwrap();
    assert_eq!(
        (second.answer.response.as_str(), second.replayed),
        ("paid for", true)
    );
    assert_eq!(scene.rows("1").await.len(), 2);
    assert_eq!((scene.model.calls(), scene.chat.held_answers()), (1, (0, 0)));
}

#[tokio::test(start_paused = true)]
async fn it_is_held_through_a_store_that_is_away() {
    let scene = scene(&[say("paid for")]);
    scene.store.fail(Call::Append, usize::MAX);
    scene.chat.answer(keyed(Some("1"), "k")).await.unwrap_err();
    scene.store.fail_everything();
    for _ in 0..3 {
        let again = scene.chat.answer(keyed(Some("1"), "k")).await;
        assert!(matches!(again, Err(ChatError::StoreAway(_))), "{again:?}");
    }
    scene.store.recover();
    scene.store.fail(Call::Claim, 1);
    let again = scene.chat.answer(keyed(Some("1"), "k")).await;
    assert!(matches!(again, Err(ChatError::StoreAway(_))), "{again:?}");
    let answered = scene.chat.answer(keyed(Some("1"), "k")).await.unwrap();
    assert_eq!(
        (answered.answer.response.as_str(), scene.model.calls()),
        ("paid for", 1)
    );
}

#[tokio::test(start_paused = true)]
async fn it_is_held_no_longer_than_its_lease() {
    let config = ChatConfig {
        request_lease: Duration::from_millis(1),
        ..ChatConfig::default()
    };
    let scene = scene_of(&[say("paid for")], config);
    scene.store.fail(Call::Append, 1);
    scene.chat.answer(keyed(Some("1"), "k")).await.unwrap_err();
    assert_eq!(scene.chat.held_answers().0, 1);
    tokio::time::advance(Duration::from_secs(200)).await;
    poll::until(Duration::from_mins(10), async || {
        scene.chat.held_answers() == (0, 0)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn only_so_many_are_held() {
    let config = ChatConfig {
        held_answers_max: 2,
        ..ChatConfig::default()
    };
    let scene = scene_of(&[say("paid for")], config);
    for key in ["a", "b", "c", "d"] {
        scene.store.fail(Call::Append, 1);
        scene.chat.answer(keyed(Some(key), key)).await.unwrap_err();
    }
    assert_eq!(scene.chat.held_answers().0, 2);
    for key in ["a", "b"] {
        assert!(scene.chat.answer(keyed(Some(key), key)).await.unwrap().replayed);
    }
    assert_eq!(scene.model.calls(), 4);
}

#[tokio::test(start_paused = true)]
async fn what_is_held_does_not_come_back_after_an_erase() {
    let scene = scene(&[Act::Count]);
    scene.ask("1").await.unwrap();
    scene.store.fail(Call::Append, 1);
    scene.chat.answer(keyed(Some("1"), "k")).await.unwrap_err();
    scene
        .store
        .inner()
        .erase(&build::key("d", "u", "1"))
        .await
        .unwrap();
    let again = scene.chat.answer(keyed(Some("1"), "k")).await;
    assert!(matches!(again, Err(ChatError::SessionErased)), "{again:?}");
    assert!(scene.stored("1").await.is_empty());
    assert_eq!(scene.chat.held_answers(), (0, 0));
}
