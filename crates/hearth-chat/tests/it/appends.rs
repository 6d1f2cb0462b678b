//! Turns without a model.

use futures_util::future::join_all;
use hearth_chat::{AppendRequest, ChatError};
use hearth_domain::Version;
use hearth_domain::ports::AppendError;
use hearth_testkit::build;
use hearth_testkit::faulty_store::Call;

use crate::stage::{Act, idempotency, keyed, scene};

fn append(key: Option<&str>) -> AppendRequest {
    AppendRequest {
        key: build::key("d", "u", "1"),
        turn: build::exchange("a", "b"),
        if_version: None,
        idempotency: key.map(|key| idempotency(key, 0)),
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_key_each_is_a_turn() {
    let scene = scene(&[]);
    for version in 1..=3 {
        let appended = scene.chat.append(append(None)).await.unwrap();
        assert_eq!(
            (appended.committed.version.get(), appended.replayed),
            (version, false)
        );
    }
    assert_eq!(scene.store.calls(Call::Claim), 0);
}

#[tokio::test(start_paused = true)]
async fn with_a_key_all_are_one_turn() {
    let scene = scene(&[]);
    let first = scene.chat.append(append(Some("k"))).await.unwrap();
    let repeats = join_all((0..20).map(|_| scene.chat.append(append(Some("k"))))).await;
    for again in repeats {
        let again = again.unwrap();
        assert!(again.replayed);
        assert_eq!((again.turn, &again.committed), (first.turn, &first.committed));
    }
    assert_eq!(scene.rows("1").await.len(), 2);
    let other = AppendRequest {
        idempotency: Some(idempotency("k", 1)),
        ..append(None)
    };
    assert!(matches!(
        scene.chat.append(other).await,
        Err(ChatError::KeyReused)
    ));
}

#[tokio::test(start_paused = true)]
async fn a_chat_of_the_same_key_is_another_request() {
    let scene = scene(&[Act::Count]);
    scene.chat.append(append(Some("k"))).await.unwrap();
    let answered = scene.chat.answer(keyed(Some("1"), "k")).await.unwrap();
    assert_eq!(
        (answered.answer.response.as_str(), answered.replayed),
        ("1", false)
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_commit_is_made_good_by_the_repeat() {
    let scene = scene(&[]);
    scene.store.fail(Call::Append, 1);
    let failed = scene.chat.append(append(Some("a"))).await;
    assert!(matches!(
        failed,
        Err(ChatError::Commit(AppendError::NotCommitted(_)))
    ));
    scene.chat.append(append(Some("a"))).await.unwrap();
    scene.store.forget_commits(1);
    let failed = scene.chat.append(append(Some("b"))).await;
    assert!(matches!(failed, Err(ChatError::Commit(AppendError::Unknown(_)))));
    assert!(scene.chat.append(append(Some("b"))).await.unwrap().replayed);
    assert_eq!(scene.rows("1").await.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_conflict_is_told_and_may_be_tried_again() {
    let scene = scene(&[]);
    let expecting = |version| AppendRequest {
        if_version: Some(Version::new(version).unwrap()),
        ..append(Some("k"))
    };
    let conflict = scene.chat.append(expecting(1)).await;
    assert!(
        matches!(
            conflict,
            Err(ChatError::Commit(AppendError::VersionConflict { .. }))
        ),
        "{conflict:?}"
    );
    assert!(!scene.chat.append(expecting(0)).await.unwrap().replayed);
}
