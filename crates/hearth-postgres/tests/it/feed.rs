//! The change feed: what is heard, in which order, and what is told when the connection is lost.

use std::sync::Arc;
use std::time::Duration;

use hearth_domain::Version;
use hearth_domain::ports::{Change, ChangeFeed, Clock, Notice};
use hearth_postgres::{PostgresConfig, PostgresFeed, ReplicaId};
use hearth_testkit::clock::ManualClock;
use hearth_testkit::poll;
use hearth_testkit::postgres::{Cluster, Options, TestDatabase, database};
use tokio::runtime::Handle;
use tokio_postgres::Client;

use crate::feed_stall::StallingProxy;
use crate::tls::{authority, encrypted_cluster};
use crate::{key, until};

/// Far above what anything here takes.
const HANG: Duration = Duration::from_secs(60);

/// Two seconds between heartbeats, and half a minute until a connection without them is given up.
const CALM: Duration = Duration::from_secs(10);

/// A connection without heartbeats is given up after some more than a second.
const BRISK: Duration = Duration::from_millis(400);

/// How a feed's connection is seen by the server.
const FEED: &str = "application_name = 'hearth-feed' AND datname = current_database()";

fn feed_of(url: &str, staleness_max: Duration, clock: &ManualClock) -> PostgresFeed {
    let config = PostgresConfig::new(url);
    let replica = ReplicaId::generate();
    PostgresFeed::start(
        &config,
        replica,
        staleness_max,
        Arc::new(clock.clone()),
        &Handle::current(),
    )
    .unwrap()
}

async fn next(feed: &mut PostgresFeed) -> Notice {
    tokio::time::timeout(HANG, feed.next()).await.unwrap()
}

/// The next notice that is no heartbeat.
async fn next_news(feed: &mut PostgresFeed) -> Notice {
    loop {
        match next(feed).await {
            Notice::FreshAsOf(_) => {}
            notice @ (Notice::Gap | Notice::Lost | Notice::Changes(_)) => return notice,
        }
    }
}

async fn send(client: &Client, payload: &str) {
    let statement = "SELECT pg_notify('hearth_changes', $1)";
    client.query(statement, &[&payload]).await.unwrap();
}

fn foreign(session: &str) -> (String, Notice) {
    let payload = format!(r#"["*",[["support","ada","{session}",null]]]"#);
    (payload, Notice::Changes(vec![Change::Foreign(key(session))]))
}

#[tokio::test]
async fn it_begins_with_a_gap_and_is_fresh_as_of_when_its_heartbeat_was_sent() {
    let database = TestDatabase::empty().await.unwrap();
    let clock = ManualClock::default();
    let mut feed = feed_of(&database.url(), CALM, &clock);
    let monitor = feed.monitor();
    assert_eq!(next(&mut feed).await, Notice::Gap);
    assert_eq!(next(&mut feed).await, Notice::FreshAsOf(clock.now()));
    clock.advance(Duration::from_secs(3));
    assert_eq!(next(&mut feed).await, Notice::FreshAsOf(clock.now()));

    let status = monitor.status();
    assert!(status.connected);
    assert_eq!((status.connections, status.overflows), (1, 0));
    assert_eq!(status.fresh_as_of, Some(clock.now()));
    assert_eq!((status.lag, status.lags.count()), (Some(Duration::ZERO), 2));
    drop(feed);
    assert!(!monitor.status().connected);
}

#[tokio::test]
async fn changes_are_told_with_whose_they_are() {
    let database = TestDatabase::empty().await.unwrap();
    let replica = ReplicaId::generate();
    let clock = Arc::new(ManualClock::default());
    let config = PostgresConfig::new(database.url());
    let mut feed = PostgresFeed::start(&config, replica, CALM, clock, &Handle::current()).unwrap();
    assert_eq!(next(&mut feed).await, Notice::Gap);
    let client = database.client().await.unwrap();
    let changes = r#"[["support","ada","1",7],["support","ada","2","gone"]]"#;
    let other = ReplicaId::generate();
    for (sender, own) in [(replica.0.to_string(), true), (other.0.to_string(), false)] {
        send(&client, &format!(r#"["{sender}",{changes}]"#)).await;
        let committed = Change::Committed {
            key: key("1"),
            version: Version::new(7).unwrap(),
            own,
        };
        let gone = Change::Gone { key: key("2"), own };
        assert_eq!(next_news(&mut feed).await, Notice::Changes(vec![committed, gone]));
    }
    // What a newer version may say is taken for the most that it can mean.
    send(&client, r#"{"something": "else"}"#).await;
    assert_eq!(
        next_news(&mut feed).await,
        Notice::Changes(vec![Change::Everything])
    );
}

#[tokio::test]
async fn a_heartbeat_comes_after_all_that_was_committed_before_it_was_sent() {
    let database = TestDatabase::empty().await.unwrap();
    let clock = ManualClock::default();
    let mut feed = feed_of(&database.url(), BRISK, &clock);
    let client = database.client().await.unwrap();
    assert_eq!(next(&mut feed).await, Notice::Gap);
    for number in 0..20 {
        let (payload, told) = foreign(&number.to_string());
        send(&client, &payload).await;
        clock.advance(Duration::from_secs(1));
        let committed_before = clock.now();
        let mut was_told = false;
        loop {
            let notice = next(&mut feed).await;
            if matches!(notice, Notice::FreshAsOf(sent) if sent >= committed_before) {
                break;
            }
            was_told |= notice == told;
        }
        assert!(was_told, "a heartbeat overtook notice {number}");
    }
}

#[tokio::test]
async fn a_lost_connection_is_told_and_found_again() {
    let database = TestDatabase::empty().await.unwrap();
    let mut feed = feed_of(&database.url(), CALM, &ManualClock::default());
    let client = database.client().await.unwrap();
    assert_eq!(next_news(&mut feed).await, Notice::Gap);
    for _ in 0..3 {
        let terminate = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {FEED}");
        client.query(&terminate, &[]).await.unwrap();
        assert_eq!(next_news(&mut feed).await, Notice::Lost);
        assert_eq!(next_news(&mut feed).await, Notice::Gap);
        let (payload, told) = foreign("1");
        send(&client, &payload).await;
        assert_eq!(next_news(&mut feed).await, told);
    }
    assert_eq!(feed.monitor().status().connections, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_crashes_and_comes_back_is_found_again() {
    let cluster = Cluster::start(&Options::default()).unwrap();
    let url = cluster.url("postgres");
    let mut feed = feed_of(&url, CALM, &ManualClock::default());
    assert_eq!(next_news(&mut feed).await, Notice::Gap);
    cluster.stop_immediate().unwrap();
    assert_eq!(next_news(&mut feed).await, Notice::Lost);
    assert!(!feed.monitor().status().connected);
    cluster.start_again().unwrap();
    assert_eq!(next_news(&mut feed).await, Notice::Gap);
    let (payload, told) = foreign("1");
    send(&database::connect(&url).await.unwrap(), &payload).await;
    assert_eq!(next_news(&mut feed).await, told);
}

#[tokio::test]
async fn a_connection_that_is_half_open_is_replaced() {
    let database = TestDatabase::empty().await.unwrap();
    let proxy = StallingProxy::in_front_of(&database).await;
    let mut feed = feed_of(proxy.url(), BRISK, &ManualClock::default());
    assert_eq!(next(&mut feed).await, Notice::Gap);
    assert!(matches!(next(&mut feed).await, Notice::FreshAsOf(_)));
    proxy.stall();
    assert_eq!(next_news(&mut feed).await, Notice::Lost);
    assert_eq!(next_news(&mut feed).await, Notice::Gap);
    let (payload, told) = foreign("1");
    send(&database.client().await.unwrap(), &payload).await;
    assert_eq!(next_news(&mut feed).await, told);
}

#[tokio::test]
async fn an_address_where_nobody_answers_tells_nothing() {
    let database = TestDatabase::empty().await.unwrap();
    let proxy = StallingProxy::in_front_of(&database).await;
    proxy.stall_newcomers(true);
    let mut feed = feed_of(proxy.url(), BRISK, &ManualClock::default());
    // It gives up on a connection that never comes about, and tries another one.
    poll::until(HANG, async || proxy.connections() > 1).await;
    assert!(!feed.monitor().status().connected);
    proxy.stall_newcomers(false);
    assert_eq!(next(&mut feed).await, Notice::Gap);
}

#[tokio::test]
async fn what_is_not_taken_in_time_becomes_a_gap() {
    let database = TestDatabase::empty().await.unwrap();
    let mut feed = feed_of(&database.url(), CALM, &ManualClock::default());
    let client = database.client().await.unwrap();
    let monitor = feed.monitor();
    poll::until(HANG, async || monitor.status().connected).await;
    let many = "SELECT pg_notify('hearth_changes', format('[\"*\",[[\"support\",\"ada\",\"%s\",null]]]', n))
                FROM generate_series(1, 1500) n";
    client.query(many, &[]).await.unwrap();
    poll::until(HANG, async || monitor.status().overflows == 1).await;
    // What came first is gone, and the last is there.
    assert_eq!(next(&mut feed).await, Notice::Gap);
    let (_, first) = foreign("1");
    let (_, last) = foreign("1500");
    loop {
        let notice = next_news(&mut feed).await;
        assert_ne!(notice, first);
        if notice == last {
            break;
        }
    }
}

#[tokio::test]
async fn a_queue_of_notices_that_fills_up_ends_the_trust() {
    let database = TestDatabase::empty().await.unwrap();
    let client = database.client().await.unwrap();
    // A function of the same name, found first, says what a real queue says after gigabytes.
    let fake = format!(
        "CREATE TABLE usage (part double precision);
         INSERT INTO usage VALUES (0.3);
         CREATE FUNCTION pg_notification_queue_usage() RETURNS double precision LANGUAGE sql
             AS 'SELECT part FROM public.usage';
         ALTER DATABASE {} SET search_path = public, pg_catalog",
        database.name()
    );
    client.batch_execute(&fake).await.unwrap();
    let mut feed = feed_of(&database.url(), CALM, &ManualClock::default());
    assert_eq!(next(&mut feed).await, Notice::Gap);
    assert_eq!(next(&mut feed).await, Notice::Lost);
    client.batch_execute("UPDATE usage SET part = 0.2").await.unwrap();
    while !matches!(next(&mut feed).await, Notice::FreshAsOf(_)) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn its_connection_is_encrypted_as_the_others_are() {
    let authority = authority();
    let cluster = encrypted_cluster(&authority, "127.0.0.1");
    let root = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(root.path(), &authority.pem).unwrap();
    let parameters = format!("sslmode=verify-full&sslrootcert={}", root.path().display());
    let url = format!("{}?{parameters}", cluster.url("postgres"));
    let mut feed = feed_of(&url, CALM, &ManualClock::default());
    assert_eq!(next(&mut feed).await, Notice::Gap);
    let client = database::connect(&cluster.url("postgres")).await.unwrap();
    let is_encrypted = format!("SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE {FEED}");
    let row = client.query_one(&is_encrypted, &[]).await.unwrap();
    assert!(row.get::<_, bool>(0));
}

#[tokio::test]
async fn its_connection_ends_with_it() {
    let database = TestDatabase::empty().await.unwrap();
    let client = database.client().await.unwrap();
    let mut feed = feed_of(&database.url(), CALM, &ManualClock::default());
    assert_eq!(next(&mut feed).await, Notice::Gap);
    let count = client
        .query_one(
            &format!("SELECT count(*) FROM pg_stat_activity WHERE {FEED}"),
            &[],
        )
        .await
        .unwrap();
    assert_eq!(count.get::<_, i64>(0), 1);
    drop(feed);
    until(
        &client,
        &format!("SELECT count(*) = 0 FROM pg_stat_activity WHERE {FEED}"),
    )
    .await;
}
