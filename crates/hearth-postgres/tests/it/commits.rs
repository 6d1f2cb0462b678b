//! Commits: one order a session, each turn whole, one turn's fault its own.

use std::time::Duration;

use futures_util::FutureExt;
use hearth_domain::ports::{AppendError, HistoryStore, StoreError};
use hearth_domain::{Append, Committed, NewMessage, Role, Turn, Version};
use hearth_postgres::{PostgresConfig, PostgresStore};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use crate::support::{migrated, open, store_on};
use crate::{WAITS_FOR_LOCK, append, append_one, contents, key, until};

fn assert_one_order(mut committed: Vec<Committed>, versions: u64) {
    committed.sort_by_key(|turn| turn.version);
    let numbers: Vec<u64> = committed.iter().map(|turn| turn.version.get()).collect();
    assert_eq!(numbers, (1..=versions).collect::<Vec<_>>());
    let rows: Vec<_> = committed.iter().flat_map(|turn| &turn.messages).collect();
    assert!(rows.is_sorted_by(|one, next| one.id < next.id), "{rows:?}");
    assert!(
        rows.is_sorted_by_key(|row| row.created_at),
        "times grow with ids: {rows:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_turns_of_one_session_get_one_order() {
    let (store, database) = open().await;
    let other_replica = store_on(&database);
    let mut turns = JoinSet::new();
    for number in 0..64 {
        let store = if number % 2 == 0 { &store } else { &other_replica }.clone();
        turns.spawn_on(
            async move { append_one(&store, append("s", "q")).await.unwrap() },
            &Handle::current(),
        );
    }
    assert_one_order(turns.join_all().await, 64);
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_meet_in_opposite_order_do_not_deadlock() {
    let (store, database) = open().await;
    let sessions: Vec<String> = (0..20).map(|number| format!("session {number}")).collect();
    let forth: Vec<Append> = sessions.iter().map(|session| append(session, "q")).collect();
    let back: Vec<Append> = sessions
        .iter()
        .rev()
        .map(|session| append(session, "q"))
        .collect();
    let mut batches = JoinSet::new();
    for batch in [forth, back].into_iter().cycle().take(40) {
        let store = store.clone();
        batches.spawn_on(async move { store.append(&batch).await }, &Handle::current());
    }
    for outcome in batches.join_all().await.into_iter().flatten() {
        outcome.unwrap();
    }
    let client = database.client().await.unwrap();
    until(
        &client,
        "SELECT count(*) = 20 AND min(version) = 40 AND max(version) = 40 FROM chatbot_sessions",
    )
    .await;
}

#[tokio::test]
async fn each_session_of_a_batch_gets_its_own_version_and_ids() {
    let (store, database) = open().await;
    let sessions = 0..40_u64;
    for round in 0..7 {
        let behind = sessions.clone().filter(|number| number % 7 > round);
        let turns: Vec<Append> = behind.map(|number| append(&format!("s{number}"), "q")).collect();
        store
            .append(&turns)
            .await
            .into_iter()
            .for_each(|outcome| drop(outcome.unwrap()));
    }
    // New sessions and old ones, in an order that is not that of their keys.
    let scrambled: Vec<u64> = sessions.map(|number| number * 23 % 40).collect();
    let turns: Vec<Append> = scrambled
        .iter()
        .map(|number| append(&format!("s{number}"), "last"))
        .collect();
    let committed: Vec<Committed> = store
        .append(&turns)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let versions: Vec<u64> = committed.iter().map(|turn| turn.version.get()).collect();
    let expected: Vec<u64> = scrambled.iter().map(|number| number % 7 + 1).collect();
    assert_eq!(versions, expected);
    let client = database.client().await.unwrap();
    for (number, turn) in scrambled.iter().zip(&committed) {
        let session = format!("s{number}");
        let version: i64 = client
            .query_one(
                "SELECT version FROM chatbot_sessions WHERE session_id = $1",
                &[&session],
            )
            .await
            .unwrap()
            .get(0);
        assert_eq!(version, turn.version.to_stored());
        let rows = client
            .query(
                "SELECT id FROM chatbot_messages WHERE session_id = $1 ORDER BY id DESC LIMIT 2",
                &[&session],
            )
            .await
            .unwrap();
        let newest: Vec<i64> = rows.iter().rev().map(|row| row.get(0)).collect();
        let answered: Vec<i64> = turn.messages.iter().map(|message| message.id.0).collect();
        assert_eq!(answered, newest, "{session}");
    }
}

#[tokio::test]
async fn one_bad_turn_fails_alone() {
    let (store, _database) = open().await;
    let bad = NewMessage::new(Role::User, "bad")
        .unwrap()
        .with_metadata(serde_json::json!({"model": "a\0b"}));
    let bad = Append {
        key: key("a"),
        turn: Turn::new(vec![bad]).unwrap(),
        if_version: None,
        read_version: None,
        completes: None,
    };
    let outcomes = store
        .append(&[append("a", "one"), bad, append("b", "two"), append("a", "three")])
        .await;
    let committed: Vec<Option<u64>> = outcomes
        .iter()
        .map(|outcome| outcome.as_ref().ok().map(|turn| turn.version.get()))
        .collect();
    assert_eq!(committed, [Some(1), None, Some(1), Some(2)]);
    assert!(matches!(
        outcomes[1],
        Err(AppendError::NotCommitted(StoreError::Failed(_)))
    ));
    assert_eq!(contents(&store, "a").await, ["one", "answer", "three", "answer"]);
}

#[tokio::test]
async fn versions_are_compared_in_the_order_of_the_call() {
    let (store, _database) = open().await;
    let at = |version: u64, question: &str| Append {
        if_version: Some(Version::new(version).unwrap()),
        ..append("s", question)
    };
    let outcomes = store
        .append(&[
            append("s", "a"),
            at(1, "b"),
            at(1, "late"),
            append("s", "c"),
            at(3, "d"),
        ])
        .await;
    let versions: Vec<Result<u64, u64>> = outcomes
        .into_iter()
        .map(|outcome| match outcome {
            Ok(turn) => Ok(turn.version.get()),
            Err(AppendError::VersionConflict { current }) => Err(current.get()),
            Err(error) => panic!("{error}"),
        })
        .collect();
    assert_eq!(versions, [Ok(1), Ok(2), Err(2), Ok(3), Ok(4)]);
}

#[tokio::test]
async fn a_turn_whose_caller_went_away_is_committed_whole() {
    let (store, database) = open().await;
    let client = database.client().await.unwrap();
    let turns = [append("s", "q")];
    assert!(store.append(&turns).now_or_never().is_none());
    until(&client, "SELECT count(*) = 2 FROM chatbot_messages").await;
}

#[tokio::test]
async fn a_lock_that_is_not_let_go_ends_in_a_certain_no() {
    let database = migrated().await;
    let mut config = PostgresConfig::new(database.url());
    config.commit_timeout = Duration::from_millis(600);
    config.load_timeout = Duration::from_millis(600);
    let store = PostgresStore::open(&config, Handle::current()).unwrap();
    append_one(&store, append("s", "q")).await.unwrap();
    let mut other = database.client().await.unwrap();
    let holding = other.transaction().await.unwrap();
    holding
        .execute("SELECT FROM chatbot_sessions FOR UPDATE", &[])
        .await
        .unwrap();
    let error = append_one(&store, append("s", "late")).await.unwrap_err();
    assert!(
        matches!(error, AppendError::NotCommitted(StoreError::TimedOut)),
        "{error:?}"
    );
    holding.rollback().await.unwrap();
    assert_eq!(contents(&store, "s").await, ["q", "answer"]);
}

#[tokio::test]
async fn raised_versions_stay_on_their_page() {
    let (store, database) = open().await;
    for _ in 0..100 {
        append_one(&store, append("s", "q")).await.unwrap();
    }
    // A backend reports its figures when it ends, at the latest.
    drop(store);
    let client = database.client().await.unwrap();
    until(
        &client,
        "SELECT n_tup_upd = 99 AND n_tup_hot_upd = 99 FROM pg_stat_user_tables WHERE relname = 'chatbot_sessions'",
    )
    .await;
}

#[tokio::test]
async fn an_erase_takes_what_was_committed_while_it_waited() {
    let (store, database) = open().await;
    append_one(&store, append("s", "q")).await.unwrap();
    let client = database.client().await.unwrap();
    let mut other = database.client().await.unwrap();
    let commit = other.transaction().await.unwrap();
    commit
        .batch_execute(
            "UPDATE chatbot_sessions SET version = version + 1;
             INSERT INTO chatbot_messages (department, user_id, session_id, role, content)
             VALUES ('support', 'ada', 's', 'user', 'just in time')",
        )
        .await
        .unwrap();
    let erased_key = key("s");
    let committed_meanwhile = async {
        until(&client, WAITS_FOR_LOCK).await;
        commit.commit().await.unwrap();
    };
    let (erased, ()) = tokio::join!(store.erase(&erased_key), committed_meanwhile);
    assert_eq!(erased.unwrap(), Version::new(3).unwrap());
    assert!(contents(&store, "s").await.is_empty());
    until(
        &client,
        "SELECT count(*) = 1 AND min(erased_version) = 2 FROM chatbot_sessions",
    )
    .await;
}
