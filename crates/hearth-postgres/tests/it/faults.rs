//! What callers are told when the database goes away, and that all is well once it is back.

use std::time::Duration;

use hearth_domain::WindowLimits;
use hearth_domain::ports::{AppendError, HistoryStore, StoreError};
use hearth_postgres::{PostgresConfig, PostgresStore, migrate};
use hearth_testkit::postgres::database::connect;
use hearth_testkit::postgres::{Cluster, Options};
use tokio::runtime::Handle;

use crate::support::{migrated, open};
use crate::{TERMINATE_STORE, WAITS_FOR_LOCK, append, append_one, contents, key, until};

#[tokio::test]
async fn killed_connections_heal() {
    let (store, database) = open().await;
    let client = database.client().await.unwrap();
    append_one(&store, append("s", "q")).await.unwrap();
    for _ in 0..5 {
        client.batch_execute(TERMINATE_STORE).await.unwrap();
        // Whether the end of the connection was noticed yet is a matter of luck: a load must not care.
        assert_eq!(contents(&store, "s").await.len(), 2);
    }
    append_one(&store, append("s", "again")).await.unwrap();
    assert_eq!(contents(&store, "s").await.len(), 4);
}

#[tokio::test]
async fn a_server_that_stops_and_comes_back_is_used_again() {
    let cluster = Cluster::start(&Options::default()).unwrap();
    let config = PostgresConfig::new(cluster.url("postgres"));
    migrate::run(&config).await.unwrap();
    let store = PostgresStore::open(&config, Handle::current()).unwrap();
    append_one(&store, append("s", "q")).await.unwrap();

    cluster.stop_immediate().unwrap();
    let error = store
        .load(&[key("s")], WindowLimits::default())
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert!(matches!(store.ping().await, Err(StoreError::Unavailable(_))));
    let error = append_one(&store, append("s", "refused")).await.unwrap_err();
    assert!(
        matches!(error, AppendError::NotCommitted(StoreError::Unavailable(_))),
        "{error:?}"
    );

    cluster.start_again().unwrap();
    store.ping().await.unwrap();
    append_one(&store, append("s", "back")).await.unwrap();
    assert_eq!(contents(&store, "s").await, ["q", "answer", "back", "answer"]);
}

#[tokio::test]
async fn a_turn_under_way_when_the_server_crashes_is_committed_once_it_is_back() {
    let cluster = Cluster::start(&Options::default()).unwrap();
    let mut config = PostgresConfig::new(cluster.url("postgres"));
    config.commit_timeout = Duration::from_secs(120);
    migrate::run(&config).await.unwrap();
    let store = PostgresStore::open(&config, Handle::current()).unwrap();
    append_one(&store, append("s", "first")).await.unwrap();
    let client = connect(&cluster.url("postgres")).await.unwrap();
    client
        .batch_execute("BEGIN; SELECT FROM chatbot_sessions FOR UPDATE")
        .await
        .unwrap();
    let crash = async {
        until(&client, WAITS_FOR_LOCK).await;
        cluster.stop_immediate().unwrap();
        cluster.start_again().unwrap();
    };
    let (turn, ()) = tokio::join!(append_one(&store, append("s", "second")), crash);
    assert_eq!(turn.unwrap().version.get(), 2);
    assert_eq!(
        contents(&store, "s").await,
        ["first", "answer", "second", "answer"]
    );
}

#[tokio::test]
async fn refusals_to_connect_are_told_apart() {
    let database = migrated().await;
    let client = database.client().await.unwrap();
    let role = format!("role_of_{}", database.name());
    client
        .batch_execute(&format!("CREATE ROLE {role} LOGIN CONNECTION LIMIT 0"))
        .await
        .unwrap();
    let ping = async |url: String| {
        let store = PostgresStore::open(&PostgresConfig::new(url), Handle::current()).unwrap();
        store.ping().await.unwrap_err()
    };
    let full = ping(database.url().replace("postgres@", &format!("{role}@"))).await;
    client.batch_execute(&format!("DROP ROLE {role}")).await.unwrap();
    let no_database = ping(database.url().replace(database.name(), "no_such_database")).await;
    let no_role = ping(database.url().replace("postgres@", "nobody_at_all:secret@")).await;
    assert!(matches!(full, StoreError::Unavailable(_)), "{full:?}");
    assert!(matches!(no_database, StoreError::Failed(_)), "{no_database:?}");
    assert!(matches!(no_role, StoreError::Failed(_)), "{no_role:?}");
    assert!(!format!("{no_role:?}").contains("secret"), "{no_role:?}");
}
