//! Many requests with a key at once: each is answered once, nobody waits in a circle, and no plan reads them all.

use std::time::Duration;

use hearth_domain::ClaimOwner;
use hearth_domain::ports::{Claimed, HistoryStore, PastAnswer, RequestLog};
use hearth_postgres::{PostgresConfig, PostgresStore};
use serde_json::json;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio_postgres::Client;

use crate::requests::{claim, claimed, completing, repeated, request};
use crate::support::{migrated, open, store_on};
use crate::{append_one, key, until};

/// Nobody but this client is connected: all others have reported their figures.
const ALONE: &str = "SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = current_database()
                     AND backend_type = 'client backend'";

#[tokio::test(flavor = "multi_thread")]
async fn many_who_claim_at_once_are_granted_one_turn_a_request() {
    const REQUESTS: usize = 40;
    const ATTEMPTS: usize = 6;
    let (store, database) = open().await;
    let other = store_on(&database);
    let mut attempts = JoinSet::new();
    for attempt in 0..ATTEMPTS {
        for number in 0..REQUESTS {
            let store = if attempt % 2 == 0 {
                store.clone()
            } else {
                other.clone()
            };
            let (name, session) = (format!("request-{number}"), format!("session {}", number % 3));
            let attempt = async move {
                let owner = ClaimOwner::generate();
                match store.claim(&claim(&name, owner, &session)).await.unwrap() {
                    Claimed::Granted { .. } => {
                        append_one(&store, completing(&name, owner, &session))
                            .await
                            .unwrap();
                        1
                    }
                    Claimed::Running | Claimed::Answered(_) => 0,
                    refused @ (Claimed::OtherBody | Claimed::Erased) => panic!("{refused:?}"),
                }
            };
            attempts.spawn_on(attempt, &Handle::current());
        }
    }
    let turns: usize = attempts.join_all().await.into_iter().sum();
    assert_eq!(turns, REQUESTS);
    for number in 0..REQUESTS {
        let repeat = repeated(&store, &format!("request-{number}")).await;
        let Claimed::Answered(PastAnswer { committed, .. }) = repeat else {
            panic!("{repeat:?}")
        };
        assert_eq!(committed.unwrap().messages.len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_and_erases_never_wait_for_each_other_in_a_circle() {
    const ROUNDS: usize = 15;
    let (store, database) = open().await;
    let other = store_on(&database);
    let mut work = JoinSet::new();
    for (replica, store) in [&store, &other].into_iter().enumerate() {
        for round in 0..ROUNDS {
            let store = store.clone();
            let batch = async move {
                let mut turns = Vec::new();
                for session in 0..6 {
                    // Opposite orders of sessions and of requests, in batches of either.
                    let session = format!("session {}", if replica == 0 { session } else { 5 - session });
                    turns.push(
                        claimed(
                            &store,
                            &format!("{replica}-{round}-{session}").replace(' ', "-"),
                            &session,
                        )
                        .await,
                    );
                }
                for outcome in store.append(&turns).await {
                    outcome.unwrap();
                }
            };
            work.spawn_on(batch, &Handle::current());
        }
        let store = store.clone();
        let erases = async move {
            let user = key("s");
            for round in 0..ROUNDS {
                store
                    .erase(&key(&format!("session {}", round % 6)))
                    .await
                    .unwrap();
                store.erase_user(&user.department, &user.user).await.unwrap();
            }
        };
        work.spawn_on(erases, &Handle::current());
    }
    work.join_all().await;
    drop((store, other));
    let client = database.client().await.unwrap();
    until(&client, ALONE).await;
    let circles = client
        .query_one(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(circles.get::<_, i64>(0), 0);
}

/// How many rows of `chatbot_requests` were read, by the figures of backends that have ended.
async fn requests_read(client: &Client) -> i64 {
    let row = client
        .query_one(
            "SELECT seq_tup_read + coalesce(sum(idx_tup_read), 0)::bigint
             FROM pg_stat_user_tables t JOIN pg_stat_user_indexes i USING (relid)
             WHERE t.relname = 'chatbot_requests' GROUP BY relid, seq_tup_read",
            &[],
        )
        .await
        .unwrap();
    row.get(0)
}

#[tokio::test]
async fn plans_from_when_there_were_few_requests_stay_good() {
    let database = migrated().await;
    let config = PostgresConfig {
        pool_size: 1,
        ..PostgresConfig::new(database.url())
    };
    let store = PostgresStore::open(&config, Handle::current()).unwrap();
    let client = database.client().await.unwrap();
    client
        .batch_execute("ALTER TABLE chatbot_requests SET (autovacuum_enabled = off)")
        .await
        .unwrap();
    let go_through = async |name: &str| {
        let turn = claimed(&store, name, "s").await;
        append_one(&store, turn).await.unwrap();
        assert!(matches!(repeated(&store, name).await, Claimed::Answered(_)));
        let (given_back, owner) = (
            format!("{name} given back").replace(' ', "-"),
            ClaimOwner::generate(),
        );
        store.claim(&claim(&given_back, owner, "s")).await.unwrap();
        store.release(&request(&given_back), owner).await.unwrap();
        store.claim(&claim(&given_back, owner, "s")).await.unwrap();
        assert!(
            store
                .complete(&request(&given_back), owner, &json!({}))
                .await
                .unwrap()
        );
        let age = Duration::from_secs(86_400);
        store.forget_requests(age, 10).await.unwrap()
    };
    assert_eq!(go_through("few").await, 0);
    client
        .batch_execute(
            "INSERT INTO chatbot_requests
                 (department, user_id, endpoint, key, body_hash, session_id, state, lease_until, answer, created_at)
             SELECT 'support', 'ada', 'chat', 'old ' || n, '', 's', 'answered', now(), '{}', now() - interval '2 days'
             FROM generate_series(1, 20000) n",
        )
        .await
        .unwrap();
    let before = requests_read(&client).await;
    assert_eq!(go_through("many").await, 10);
    drop(store);
    until(&client, ALONE).await;
    let read = requests_read(&client).await - before;
    assert!(read < 100, "{read}");
}
