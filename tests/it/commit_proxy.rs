//! Connections that are lost between a commit's statement and its answer: one turn, never two, and nobody is told that it was not kept.

use std::sync::Arc;

use fastrand::Rng;
use hearth_testkit::poll::until;
use hearth_testkit::postgres::{Cut, Proxy, TestDatabase};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::load::{Ledger, Load, Outcome, Work, judge, rows, seed};
use crate::server::{DEADLINE, Server, json, messages_path};

/// Connections that are cut under load.
const CUTS: usize = 30;

/// How many statements of the server wait for a lock.
const WAIT_FOR_LOCK: &str = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'hearth'
                             AND datname = current_database() AND wait_event_type = 'Lock'";

/// A server that reaches its database through a proxy.
async fn behind_proxy(settings: &[(&str, &str)]) -> (Server, Proxy, TestDatabase) {
    let database = TestDatabase::empty().await.unwrap();
    let proxy = Proxy::in_front_of(&database.url()).await;
    let server = Server::start_with(proxy.url(), settings).await;
    (server, proxy, database)
}

/// The table holds a chat's turn once, as its answer says, and the next one comes after it.
async fn assert_once(server: &Server, answer: &Value, query: &str) {
    assert_eq!(answer["version"], 2);
    let turns = rows(server, "1").await;
    let contents: Vec<&str> = turns.iter().map(|row| row.content.as_str()).collect();
    assert_eq!(contents[2..], [query, answer["response"].as_str().unwrap()]);
    assert_eq!(server.chat("1", "next").await["version"], 3);
    assert_eq!(rows(server, "1").await.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_is_told_all_the_same() {
    let (server, proxy, _database) = behind_proxy(&[]).await;
    server.chat("1", "first").await;
    proxy.cut("unheard", Cut::AfterAnswer);
    let answer = server.chat("1", "unheard").await;
    assert!(!proxy.is_waiting());
    assert_once(&server, &answer, "unheard").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_arrives_after_its_repeat_changes_nothing() {
    let (server, proxy, _database) = behind_proxy(&[]).await;
    server.chat("1", "first").await;
    proxy.cut("held back", Cut::BeforeDelivery);
    let answer = server.chat("1", "held back").await;
    let late = proxy.deliver().await;
    assert!(late.contains("chatbot_commits_once"), "{late}");
    assert_once(&server, &answer, "held back").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_is_still_open_is_waited_for() {
    let (server, proxy, database) = behind_proxy(&[]).await;
    server.chat("1", "first").await;
    let mut other = database.client().await.unwrap();
    let holding = other.transaction().await.unwrap();
    holding
        .execute("SELECT FROM chatbot_sessions FOR UPDATE", &[])
        .await
        .unwrap();
    proxy.cut("cut off", Cut::WhileCommitting);
    let release = async {
        waiting_for_lock(&database, 2).await;
        holding.rollback().await.unwrap();
    };
    let (answer, ()) = tokio::join!(server.chat("1", "cut off"), release);
    assert!(!proxy.is_waiting());
    assert_once(&server, &answer, "cut off").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_known_in_time_is_told_as_unknown() {
    // With one connection, nothing is left to ask over once that is lost.
    let settings = [
        ("HEARTH__STORE__COMMIT_TIMEOUT_MS", "1000"),
        ("HEARTH__STORE__POOL_SIZE", "1"),
    ];
    let (server, proxy, database) = behind_proxy(&settings).await;
    server.chat("1", "first").await;
    proxy.cut("unheard", Cut::ForGood);
    assert_eq!(failed_commit(&server, "unheard").await, "unknown");
    assert_eq!(times_kept(&database, "unheard").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_told_that_nothing_was_kept_is_told_the_truth() {
    for cut in [Cut::WhileCommitting, Cut::BeforeDelivery] {
        let (server, proxy, database) = behind_proxy(&[("HEARTH__STORE__COMMIT_TIMEOUT_MS", "1000")]).await;
        server.chat("1", "first").await;
        let mut other = database.client().await.unwrap();
        let holding = other.transaction().await.unwrap();
        holding
            .execute("SELECT FROM chatbot_sessions FOR UPDATE", &[])
            .await
            .unwrap();
        proxy.cut("locked out", cut);
        // However long the lock is held: each attempt gives up in time, and no attempt is left that could still commit.
        let outcome = failed_commit(&server, "locked out").await;
        holding.rollback().await.unwrap();
        if cut == Cut::BeforeDelivery {
            proxy.deliver().await;
        }
        let next = next_turn(&server).await;
        let kept = times_kept(&database, "locked out").await;
        assert!(
            kept <= i64::from(outcome == "unknown"),
            "told {outcome}, kept {kept} times"
        );
        assert_eq!(next, 2 + kept);
    }
}

/// Sends a chat whose commit fails, and gives the outcome that is told.
async fn failed_commit(server: &Server, query: &str) -> String {
    let body = json!({"department": "d", "user": "u", "chatsession_id": "1", "chatquery": query});
    let request = server.request(Method::POST, "/chatbot/v1/chat").json(&body);
    let problem = json(request.send().await.unwrap(), StatusCode::SERVICE_UNAVAILABLE).await;
    assert_eq!(problem["code"], "commit_failed");
    problem["outcome"].as_str().unwrap().to_owned()
}

/// How often the table has a message, without the server's help.
async fn times_kept(database: &TestDatabase, content: &str) -> i64 {
    let client = database.client().await.unwrap();
    let count = "SELECT count(*) FROM chatbot_messages WHERE content = $1";
    client.query_one(count, &[&content]).await.unwrap().get(0)
}

/// Sends a turn until it is taken, and gives its version.
async fn next_turn(server: &Server) -> i64 {
    let body = json!({"messages": [{"role": "user", "content": "next"}]});
    let mut version = None;
    until(DEADLINE, async || {
        let path = messages_path("1");
        let response = server
            .request(Method::POST, &path)
            .json(&body)
            .send()
            .await
            .unwrap();
        if response.status() == StatusCode::CREATED {
            let appended = json(response, StatusCode::CREATED).await;
            version = appended["version"].as_i64();
        }
        version.is_some()
    })
    .await;
    version.unwrap()
}

/// Waits until so many statements of the server wait for a lock.
async fn waiting_for_lock(database: &TestDatabase, statements: i64) {
    let client = database.client().await.unwrap();
    until(DEADLINE, async || {
        let row = client.query_one(WAIT_FOR_LOCK, &[]).await.unwrap();
        row.get::<_, i64>(0) >= statements
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cuts_under_load_are_noticed_by_nobody() {
    let seed = seed();
    let mut dice = Rng::with_seed(seed);
    let (server, proxy, _database) = behind_proxy(&[]).await;
    let ledger = Arc::new(Ledger::new());
    let work = Work {
        clients: 12,
        sessions: 5,
        turns_each: None,
        name: "commit".to_owned(),
        seed: dice.u64(..),
    };
    let load = Load::start(&server, &ledger, &work);
    for _ in 0..CUTS {
        ledger.more(dice.u64(1..10)).await;
        let cuts = [Cut::AfterAnswer, Cut::WhileCommitting, Cut::BeforeDelivery];
        let cut = cuts[dice.usize(..cuts.len())];
        proxy.cut("|commit ", cut);
        until(DEADLINE, async || !proxy.is_waiting()).await;
        if cut == Cut::BeforeDelivery {
            ledger.more(dice.u64(1..10)).await;
            proxy.deliver().await;
        }
    }
    load.stop().await;
    judge(&server, &ledger).await;
    for write in ledger.writes().iter() {
        assert!(matches!(write.outcome, Outcome::Committed { .. }), "{write:?}");
    }
}
