//! The throw-away PostgreSQL: isolated, shared, and gone when it should be.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hearth_testkit::postgres::database::connect;
use hearth_testkit::postgres::{Cluster, Options, TestDatabase, shared_url};

#[tokio::test]
async fn a_cluster_comes_back_with_its_data() {
    let cluster = Cluster::start(&Options::default().with("log_statement", "all")).unwrap();
    let client = connect(&cluster.url("postgres")).await.unwrap();
    client
        .batch_execute("CREATE TABLE kept AS SELECT 7 AS n")
        .await
        .unwrap();
    cluster.stop_immediate().unwrap();
    assert!(connect(&cluster.url("postgres")).await.is_err());
    cluster.start_again().unwrap();
    let client = connect(&cluster.url("postgres")).await.unwrap();
    let n: i32 = client.query_one("SELECT n FROM kept", &[]).await.unwrap().get(0);
    assert_eq!(n, 7);
    assert!(cluster.log().unwrap().contains("CREATE TABLE kept"));
}

#[tokio::test]
async fn templates_are_prepared_once_and_copies_are_apart() {
    static PREPARED: AtomicU32 = AtomicU32::new(0);
    let copy = || {
        TestDatabase::from_template("testkit", async |url| {
            PREPARED.fetch_add(1, Ordering::Relaxed);
            connect(&url)
                .await?
                .batch_execute("CREATE TABLE a (n int)")
                .await?;
            Ok(())
        })
    };
    let (one, other) = tokio::join!(copy(), copy());
    let (one, other) = (one.unwrap(), other.unwrap());
    assert!(PREPARED.load(Ordering::Relaxed) <= 1);
    one.client()
        .await
        .unwrap()
        .execute("INSERT INTO a VALUES (1)", &[])
        .await
        .unwrap();
    let rows = other
        .client()
        .await
        .unwrap()
        .query("SELECT n FROM a", &[])
        .await
        .unwrap();
    assert!(rows.is_empty());
}

#[tokio::test]
async fn a_database_is_gone_when_it_is_dropped_even_with_somebody_connected() {
    let database = TestDatabase::empty().await.unwrap();
    let name = database.name().to_owned();
    let connected = database.client().await.unwrap();
    drop(database);
    assert!(connected.query("SELECT 1", &[]).await.is_err());
    let server = connect(&shared_url().unwrap()).await.unwrap();
    let found = server
        .query("SELECT 1 FROM pg_database WHERE datname = $1", &[&name])
        .await
        .unwrap();
    assert!(found.is_empty());
}

#[tokio::test]
async fn a_cluster_does_not_outlive_a_process_that_is_killed() {
    let mut process = Command::new(env!("CARGO_BIN_EXE_throwaway-postgres"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut url = String::new();
    BufReader::new(process.stdout.take().unwrap())
        .read_line(&mut url)
        .unwrap();
    let client = connect(url.trim()).await.unwrap();
    let data: String = client.query_one("SHOW data_directory", &[]).await.unwrap().get(0);
    process.kill().unwrap();
    process.wait().unwrap();
    let gone = async {
        let mut poll = tokio::time::interval(Duration::from_millis(20));
        while std::fs::exists(&data).unwrap() {
            poll.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), gone).await.unwrap();
    assert!(connect(url.trim()).await.is_err());
}
