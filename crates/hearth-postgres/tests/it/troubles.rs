//! Troubles of the whole database: each gives its error, and is over when it is over.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use hearth_domain::ports::{AppendError, HistoryStore, StoreError};
use hearth_domain::{Committed, WindowLimits};
use hearth_postgres::{PostgresConfig, PostgresStore, migrate};
use hearth_testkit::postgres::database::connect;
use hearth_testkit::postgres::{Cluster, Options};
use tokio::runtime::Handle;
use tokio_postgres::Client;

use crate::log::Lines;
use crate::support::open;
use crate::{TERMINATE_STORE, append, append_one, contents, key, until};

/// A server of its own with these settings, a store on it, and a client.
async fn server_with(options: &Options, pool_size: usize) -> (Cluster, PostgresStore, Client) {
    let cluster = Cluster::start(options).unwrap();
    let config = PostgresConfig {
        pool_size,
        ..PostgresConfig::new(cluster.url("postgres"))
    };
    migrate::run(&config).await.unwrap();
    let store = PostgresStore::open(&config, Handle::current()).unwrap();
    let client = connect(&cluster.url("postgres")).await.unwrap();
    (cluster, store, client)
}

fn assert_unavailable(outcome: &Result<Committed, AppendError>) {
    assert!(
        matches!(
            outcome,
            Err(AppendError::NotCommitted(StoreError::Unavailable(_)))
        ),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_standby_is_read_and_written_to_when_it_is_promoted() {
    let (cluster, store, client) = server_with(&Options::default(), 8).await;
    append_one(&store, append("s", "q")).await.unwrap();
    let directory: String = client.query_one("SHOW data_directory", &[]).await.unwrap().get(0);
    cluster.stop_immediate().unwrap();
    std::fs::write(Path::new(&directory).join("standby.signal"), "").unwrap();
    cluster.start_again().unwrap();

    assert_eq!(contents(&store, "s").await, ["q", "answer"]);
    assert_unavailable(&append_one(&store, append("s", "refused")).await);
    let erased = store.erase(&key("s")).await;
    assert!(matches!(erased, Err(StoreError::Unavailable(_))), "{erased:?}");

    let client = connect(&cluster.url("postgres")).await.unwrap();
    client.execute("SELECT pg_promote()", &[]).await.unwrap();
    append_one(&store, append("s", "back")).await.unwrap();
    assert_eq!(contents(&store, "s").await, ["q", "answer", "back", "answer"]);
}

#[tokio::test]
async fn a_server_without_room_for_connections_is_unavailable_until_there_is_some() {
    let options = Options::default()
        .with("max_connections", "6")
        .with("superuser_reserved_connections", "0")
        .with("max_wal_senders", "0");
    let (cluster, store, client) = server_with(&options, 8).await;
    until(
        &client,
        "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'client backend'",
    )
    .await;
    let mut others = Vec::new();
    for _ in 0..5 {
        others.push(connect(&cluster.url("postgres")).await.unwrap());
    }
    assert_unavailable(&append_one(&store, append("s", "refused")).await);
    let load = store.load(&[key("s")], WindowLimits::default()).await;
    assert!(matches!(load, Err(StoreError::Unavailable(_))), "{load:?}");

    others.truncate(4);
    until(
        &client,
        "SELECT count(*) = 5 FROM pg_stat_activity WHERE backend_type = 'client backend'",
    )
    .await;
    // One connection is all that there is room for: everybody gets it in turn.
    let appends: Vec<_> = (0..20)
        .map(|number| append(&format!("session {number}"), "q"))
        .collect();
    let session = [key("session 3")];
    let (outcomes, load) = tokio::join!(store.append(&appends), async {
        store.load(&session, WindowLimits::default()).await
    });
    for outcome in outcomes {
        outcome.unwrap();
    }
    load.unwrap();
}

#[tokio::test]
async fn a_changed_password_is_refused_until_it_is_the_same_again() {
    let mut rules = tempfile::NamedTempFile::new().unwrap();
    writeln!(
        rules,
        "host all postgres all trust\nhost all all all scram-sha-256"
    )
    .unwrap();
    rules
        .as_file()
        .set_permissions(std::fs::Permissions::from_mode(0o644))
        .unwrap();
    let options = Options::default().with("hba_file", &format!("'{}'", rules.path().display()));
    let (cluster, _, client) = server_with(&options, 8).await;
    client
        .batch_execute(
            "CREATE ROLE hearth LOGIN PASSWORD 'first'; GRANT ALL ON ALL TABLES IN SCHEMA public TO hearth",
        )
        .await
        .unwrap();
    let url = cluster.url("postgres").replace("postgres@", "hearth:first@");
    let store = PostgresStore::open(&PostgresConfig::new(url), Handle::current()).unwrap();
    append_one(&store, append("s", "q")).await.unwrap();

    client
        .batch_execute("ALTER ROLE hearth PASSWORD 'second'")
        .await
        .unwrap();
    let (lines, _captured) = Lines::capture();
    client.batch_execute(TERMINATE_STORE).await.unwrap();
    until(
        &client,
        "SELECT count(*) = 0 FROM pg_stat_activity WHERE usename = 'hearth'",
    )
    .await;
    let load = store.load(&[key("s")], WindowLimits::default()).await;
    assert!(matches!(load, Err(StoreError::Failed(_))), "{load:?}");
    let refused = append_one(&store, append("s", "refused")).await;
    assert!(
        matches!(refused, Err(AppendError::NotCommitted(StoreError::Failed(_)))),
        "{refused:?}"
    );
    assert!(!format!("{load:?} {refused:?}").contains("first"));

    client
        .batch_execute("ALTER ROLE hearth PASSWORD 'first'")
        .await
        .unwrap();
    append_one(&store, append("s", "back")).await.unwrap();
    assert_eq!(contents(&store, "s").await, ["q", "answer", "back", "answer"]);
    assert_eq!(
        lines.take(),
        [
            "ERROR message=PostgreSQL refuses to be connected to fault=password authentication failed for user \"hearth\"",
            "INFO message=PostgreSQL takes connections again",
        ]
    );
}

#[tokio::test]
async fn a_full_disk_refuses_turns_until_there_is_room() {
    let (lines, _captured) = Lines::capture();
    let (store, database) = open().await;
    append_one(&store, append("s", "q")).await.unwrap();
    let client = database.client().await.unwrap();
    // The server's own words and code: no file system is filled for this.
    client
        .batch_execute(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 RAISE disk_full USING MESSAGE = 'could not extend file \"base/5/16384\": No space left on device';
             END $$;
             CREATE TRIGGER full_disk BEFORE INSERT ON chatbot_messages EXECUTE FUNCTION full_disk()",
        )
        .await
        .unwrap();
    let outcomes = store
        .append(&[append("s", "refused"), append("t", "refused")])
        .await;
    outcomes.iter().for_each(assert_unavailable);
    assert_unavailable(&append_one(&store, append("s", "refused again")).await);
    assert_eq!(contents(&store, "s").await, ["q", "answer"]);
    client
        .batch_execute("DROP TRIGGER full_disk ON chatbot_messages")
        .await
        .unwrap();
    append_one(&store, append("s", "back")).await.unwrap();
    assert_eq!(contents(&store, "s").await, ["q", "answer", "back", "answer"]);
    assert_eq!(
        lines.take(),
        [
            "ERROR message=PostgreSQL's disk is full fault=could not extend file \"base/5/16384\": No space left on device",
            "INFO message=PostgreSQL takes writes again",
        ]
    );
}
