//! The fence: a turn that answers what was erased since is not committed.

use hearth_domain::ports::{AppendError, HistoryStore};
use hearth_domain::{Append, Version};

use crate::support::open;
use crate::{WAITS_FOR_LOCK, append, append_one, contents, key, until};

fn reading(version: Version, session: &str, question: &str) -> Append {
    Append {
        read_version: Some(version),
        ..append(session, question)
    }
}

#[tokio::test]
async fn turns_that_share_a_batch_with_an_erased_session_are_committed() {
    let (store, _database) = open().await;
    let read = append_one(&store, append("erased", "q")).await.unwrap().version;
    let raised = store.erase(&key("erased")).await.unwrap();
    let outcomes = store
        .append(&[
            append("erased", "reads nothing"),
            reading(read, "erased", "too late"),
            reading(raised, "erased", "in time"),
            reading(Version::ZERO, "never erased", "q"),
        ])
        .await;
    let versions: Vec<Option<u64>> = outcomes
        .iter()
        .map(|outcome| outcome.as_ref().ok().map(|turn| turn.version.get()))
        .collect();
    assert_eq!(versions, [Some(3), None, Some(4), Some(1)], "{outcomes:?}");
    assert!(matches!(outcomes[1], Err(AppendError::Erased)), "{outcomes:?}");
    assert_eq!(
        contents(&store, "erased").await,
        ["reads nothing", "answer", "in time", "answer"]
    );
}

#[tokio::test]
async fn an_erase_that_a_turn_waits_for_keeps_it_out() {
    let (store, database) = open().await;
    let client = database.client().await.unwrap();
    for session in ["known", "unknown"] {
        let read = if session == "known" {
            append_one(&store, append(session, "q")).await.unwrap().version
        } else {
            Version::ZERO
        };
        let mut other = database.client().await.unwrap();
        let erase = other.transaction().await.unwrap();
        erase
            .execute(
                "INSERT INTO chatbot_sessions AS s
                     (department, user_id, session_id, version, erased_version, started_at, last_active_at)
                 VALUES ('support', 'ada', $1, 1, 0, now(), now())
                 ON CONFLICT (department, user_id, session_id) DO UPDATE
                 SET version = s.version + 1, erased_version = s.version",
                &[&session],
            )
            .await
            .unwrap();
        let erased = async {
            until(&client, WAITS_FOR_LOCK).await;
            erase.commit().await.unwrap();
        };
        let (refused, ()) = tokio::join!(append_one(&store, reading(read, session, "late")), erased);
        assert!(
            matches!(refused, Err(AppendError::Erased)),
            "{session}: {refused:?}"
        );
    }
    until(
        &client,
        "SELECT count(*) = 0 FROM chatbot_messages WHERE content = 'late'",
    )
    .await;
}

#[tokio::test]
async fn the_erased_are_told_so_even_if_they_name_a_version_too() {
    let (store, _database) = open().await;
    let read = append_one(&store, append("s", "q")).await.unwrap().version;
    store.erase(&key("s")).await.unwrap();
    let late = Append {
        if_version: Some(read),
        ..reading(read, "s", "late")
    };
    let refused = append_one(&store, late).await;
    assert!(matches!(refused, Err(AppendError::Erased)), "{refused:?}");
}
