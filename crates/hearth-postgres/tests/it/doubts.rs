//! Connections that are lost in the middle of a commit: one turn, not two, and the truth.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hearth_domain::ports::{AppendError, StoreError};
use hearth_domain::{Append, Committed, Version};
use hearth_postgres::{PostgresConfig, PostgresStore};
use hearth_testkit::postgres::{Cut, Proxy, TestDatabase};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio_postgres::Client;

use crate::support::{migrated, open};
use crate::{TERMINATE_STORE, WAITS_FOR_LOCK, append, append_one, contents, until};

/// A store that reaches its database through a proxy, and a client that does not.
async fn behind_proxy() -> (PostgresStore, Proxy, TestDatabase, Client) {
    let database = migrated().await;
    let proxy = Proxy::in_front_of(&database.url()).await;
    let store = PostgresStore::open(&PostgresConfig::new(proxy.url()), Handle::current()).unwrap();
    let client = database.client().await.unwrap();
    (store, proxy, database, client)
}

/// The rows of a session are those of the answers, in their order and with the same ids.
async fn assert_rows(client: &Client, committed: &[&Committed]) {
    let rows = client
        .query(
            "SELECT id, (extract(epoch FROM created_at) * 1000000)::bigint FROM chatbot_messages ORDER BY id",
            &[],
        )
        .await
        .unwrap();
    let rows: Vec<(i64, i64)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let answered: Vec<_> = committed
        .iter()
        .flat_map(|turn| {
            turn.messages
                .iter()
                .map(|row| (row.id.0, row.created_at.timestamp_micros()))
        })
        .collect();
    assert_eq!(rows, answered);
}

#[tokio::test]
async fn an_answer_that_is_lost_is_found_again() {
    let (store, proxy, _database, client) = behind_proxy().await;
    let first = append_one(&store, append("s", "first")).await.unwrap();
    proxy.cut("unheard", Cut::AfterAnswer);
    let unheard = append_one(&store, append("s", "unheard")).await.unwrap();
    assert!(!proxy.is_waiting());
    let last = append_one(&store, append("s", "last")).await.unwrap();
    assert_eq!(
        [&first, &unheard, &last].map(|turn| turn.version.get()),
        [1, 2, 3]
    );
    assert_rows(&client, &[&first, &unheard, &last]).await;
}

#[tokio::test]
async fn a_turn_that_named_a_version_is_not_in_conflict_with_itself() {
    let (store, proxy, _database, client) = behind_proxy().await;
    proxy.cut("unheard", Cut::AfterAnswer);
    let at_zero = |question: &str| Append {
        if_version: Some(Version::ZERO),
        ..append("s", question)
    };
    let unheard = append_one(&store, at_zero("unheard")).await.unwrap();
    assert!(!proxy.is_waiting());
    assert_rows(&client, &[&unheard]).await;
    let error = append_one(&store, at_zero("again")).await.unwrap_err();
    assert!(
        matches!(error, AppendError::VersionConflict { current } if current == unheard.version),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_conflict_that_is_lost_is_told_again() {
    let (store, proxy, _database, client) = behind_proxy().await;
    let first = append_one(&store, append("s", "first")).await.unwrap();
    proxy.cut("too late", Cut::AfterAnswer);
    let late = Append {
        if_version: Some(Version::ZERO),
        ..append("s", "too late")
    };
    let error = append_one(&store, late).await.unwrap_err();
    assert!(!proxy.is_waiting());
    assert!(
        matches!(error, AppendError::VersionConflict { current } if current == first.version),
        "{error:?}"
    );
    assert_rows(&client, &[&first]).await;
}

#[tokio::test]
async fn a_backend_that_is_still_at_it_is_waited_for() {
    let (store, proxy, database, client) = behind_proxy().await;
    let first = append_one(&store, append("s", "first")).await.unwrap();
    let mut other = database.client().await.unwrap();
    let holding = other.transaction().await.unwrap();
    holding
        .execute("SELECT FROM chatbot_sessions FOR UPDATE", &[])
        .await
        .unwrap();
    proxy.cut("cut off", Cut::WhileCommitting);
    let both_wait = async {
        until(&client, &WAITS_FOR_LOCK.replace("> 0", "= 2")).await;
        holding.rollback().await.unwrap();
    };
    let next = async {
        // It comes while the doubt lasts, and waits behind it.
        until(&client, WAITS_FOR_LOCK).await;
        append_one(&store, append("s", "next")).await.unwrap()
    };
    let (cut, (), next) = tokio::join!(append_one(&store, append("s", "cut off")), both_wait, next);
    let cut = cut.unwrap();
    assert_eq!([cut.version.get(), next.version.get()], [2, 3]);
    assert_rows(&client, &[&first, &cut, &next]).await;
}

#[tokio::test]
async fn a_connection_that_falls_silent_is_given_up_in_time() {
    let database = migrated().await;
    let proxy = Proxy::in_front_of(&database.url()).await;
    let mut config = PostgresConfig::new(proxy.url());
    config.commit_timeout = Duration::from_secs(6);
    let store = PostgresStore::open(&config, Handle::current()).unwrap();
    proxy.cut("unheard", Cut::Silence);
    let turn = append_one(&store, append("s", "unheard")).await.unwrap();
    assert!(!proxy.is_waiting());
    assert_rows(&database.client().await.unwrap(), &[&turn]).await;
}

#[tokio::test]
async fn what_arrives_late_is_not_committed_again() {
    let (store, proxy, _database, client) = behind_proxy().await;
    proxy.cut("held back", Cut::BeforeDelivery);
    let turn = append_one(&store, append("s", "held back")).await.unwrap();
    let answer = proxy.deliver().await;
    assert!(answer.contains("chatbot_commits_once"), "{answer}");
    assert_rows(&client, &[&turn]).await;
}

#[tokio::test]
async fn a_no_is_certain_even_if_the_first_attempt_arrives_later() {
    let (store, proxy, _database, client) = behind_proxy().await;
    client
        .batch_execute("ALTER TABLE chatbot_messages ADD CONSTRAINT no_bad CHECK (content <> 'bad')")
        .await
        .unwrap();
    proxy.cut("bad", Cut::BeforeDelivery);
    let error = append_one(&store, append("s", "bad")).await.unwrap_err();
    assert!(
        matches!(error, AppendError::NotCommitted(StoreError::Failed(_))),
        "{error:?}"
    );
    client
        .batch_execute("ALTER TABLE chatbot_messages DROP CONSTRAINT no_bad")
        .await
        .unwrap();
    let answer = proxy.deliver().await;
    assert!(answer.contains("chatbot_commits_once"), "{answer}");
    assert!(contents(&store, "s").await.is_empty());
}

#[tokio::test]
async fn what_cannot_be_found_out_in_time_is_unknown() {
    let database = migrated().await;
    let proxy = Proxy::in_front_of(&database.url()).await;
    let mut config = PostgresConfig::new(proxy.url());
    config.commit_timeout = Duration::from_secs(2);
    let store = PostgresStore::open(&config, Handle::current()).unwrap();
    proxy.cut("unheard", Cut::ForGood);
    let unheard = append_one(&store, append("s", "unheard")).await;
    assert!(matches!(unheard, Err(AppendError::Unknown(_))), "{unheard:?}");
    let error = append_one(&store, append("other", "refused")).await.unwrap_err();
    assert!(matches!(error, AppendError::NotCommitted(_)), "{error:?}");
    let client = database.client().await.unwrap();
    until(
        &client,
        "SELECT count(*) = 2 AND min(session_id) = 's' FROM chatbot_messages",
    )
    .await;
}

#[tokio::test]
async fn a_backend_that_is_ended_while_it_waits_is_followed_by_another() {
    let (store, database) = open().await;
    let first = append_one(&store, append("s", "first")).await.unwrap();
    let client = database.client().await.unwrap();
    let mut other = database.client().await.unwrap();
    let holding = other.transaction().await.unwrap();
    holding
        .execute("SELECT FROM chatbot_sessions FOR UPDATE", &[])
        .await
        .unwrap();
    let ended = async {
        until(&client, WAITS_FOR_LOCK).await;
        client.batch_execute(TERMINATE_STORE).await.unwrap();
        until(&client, WAITS_FOR_LOCK).await;
        holding.rollback().await.unwrap();
    };
    let (turn, ()) = tokio::join!(append_one(&store, append("s", "again")), ended);
    assert_rows(&client, &[&first, &turn.unwrap()]).await;
}

/// The turns of the table by their questions, each with the ids of its rows: pairs within their session, and no question twice.
async fn stored_turns(client: &Client) -> HashMap<String, Vec<i64>> {
    let rows = client
        .query(
            "SELECT id, content FROM chatbot_messages ORDER BY session_id, id",
            &[],
        )
        .await
        .unwrap();
    let mut turns = HashMap::new();
    for pair in rows.chunks(2) {
        let [question, answer] = pair else {
            panic!("half a turn")
        };
        assert_eq!(answer.get::<_, &str>(1), "answer");
        let before = turns.insert(question.get(1), vec![question.get(0), answer.get(0)]);
        assert_eq!(before, None, "{}", question.get::<_, &str>(1));
    }
    turns
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_or_doubled_when_backends_are_ended() {
    const WRITERS: usize = 16;
    const ENDS: usize = 20;
    let (store, database) = open().await;
    let client = database.client().await.unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (store, over) = (store.clone(), Arc::clone(&over));
        let session = format!("session {}", writer % 4);
        writers.spawn_on(
            async move {
                let mut outcomes = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    let question = format!("{writer} {}", outcomes.len());
                    let outcome = append_one(&store, append(&session, &question)).await;
                    outcomes.push((question, outcome));
                }
                outcomes
            },
            &Handle::current(),
        );
    }
    for _ in 0..ENDS {
        let before = store.commit_status().turns;
        client.batch_execute(TERMINATE_STORE).await.unwrap();
        hearth_testkit::poll::until(Duration::from_secs(60), async || {
            store.commit_status().turns > before + 20
        })
        .await;
    }
    over.store(true, Ordering::Relaxed);
    let outcomes: Vec<_> = writers.join_all().await.into_iter().flatten().collect();
    let mut stored = stored_turns(&client).await;
    for (question, outcome) in &outcomes {
        let expected = match outcome {
            Ok(committed) => Some(committed.messages.iter().map(|row| row.id.0).collect()),
            Err(AppendError::NotCommitted(_)) => None,
            Err(error) => panic!("{error:?}: {question}"),
        };
        assert_eq!(stored.remove(question), expected, "{question}");
    }
    assert!(stored.is_empty(), "{stored:?}");
    let committed = outcomes.iter().filter(|(_, outcome)| outcome.is_ok()).count();
    let versions = client
        .query_one("SELECT sum(version)::bigint FROM chatbot_sessions", &[])
        .await
        .unwrap();
    assert_eq!(versions.get::<_, i64>(0), i64::try_from(committed).unwrap());
}
