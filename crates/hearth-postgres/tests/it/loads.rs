//! Loads: one statement, by the index, whatever the length of a session.

use hearth_domain::ports::{HistoryStore, Lookup, SessionIndex};
use hearth_domain::{ConversationKey, WindowLimits};
use hearth_postgres::{PostgresConfig, PostgresStore, migrate};
use hearth_testkit::postgres::{Cluster, Options};
use tokio::runtime::Handle;
use tokio_postgres::Client;

use crate::support::open;
use crate::{append, append_one, key, until};

/// 80,000 rows in 2,000 sessions, and one session of 20,000 among them.
const MANY_ROWS: &str = "
    INSERT INTO chatbot_messages (department, user_id, session_id, role, content)
    SELECT 'support', 'ada',
           CASE WHEN n % 5 = 0 THEN 'long' ELSE 's' || n % 2000 END,
           CASE WHEN (n / 5) % 2 = 0 THEN 'user' ELSE 'assistant' END, 'row ' || n
    FROM generate_series(1, 100000) n;
    ANALYZE chatbot_messages;";

async fn rows_read(client: &Client) -> (i64, i64) {
    let row = client
        .query_one(
            "SELECT seq_scan, idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'chatbot_messages'",
            &[],
        )
        .await
        .unwrap();
    (row.get(0), row.get(1))
}

/// Nobody but this client is connected: all others have reported what they read.
const ALONE: &str = "SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = current_database()
                     AND backend_type = 'client backend'";

#[tokio::test]
async fn a_long_session_costs_what_its_window_costs() {
    let (store, database) = open().await;
    let client = database.client().await.unwrap();
    client.batch_execute(MANY_ROWS).await.unwrap();
    client
        .batch_execute("SELECT pg_stat_force_next_flush()")
        .await
        .ok();
    let (scans_before, rows_before) = rows_read(&client).await;
    for _ in 0..10 {
        let keys = [key("long"), key("s1"), key("no such session")];
        let lookups = store.load(&keys, WindowLimits::default()).await.unwrap();
        assert!(
            matches!(&lookups[0], Lookup::Found(history) if history.responses() == 30 && history.is_truncated())
        );
        assert!(matches!(&lookups[1], Lookup::Found(history) if history.len() == 50));
        assert!(matches!(lookups[2], Lookup::New(_)));
    }
    drop(store);
    until(&client, ALONE).await;
    let (scans, rows) = rows_read(&client).await;
    assert_eq!(scans, scans_before, "no load reads the whole table");
    assert_eq!(rows - rows_before, 10 * (241 + 50));
}

#[tokio::test]
async fn a_plan_from_when_the_table_was_small_stays_good() {
    let (store, database) = open().await;
    let client = database.client().await.unwrap();
    client
        .batch_execute("ALTER TABLE chatbot_messages SET (autovacuum_enabled = off)")
        .await
        .unwrap();
    append_one(&store, append("s1", "q")).await.unwrap();
    client
        .batch_execute("ANALYZE chatbot_messages; ANALYZE chatbot_sessions")
        .await
        .unwrap();
    store.load(&[key("s1")], WindowLimits::default()).await.unwrap();
    let grown = MANY_ROWS.replace("ANALYZE chatbot_messages;", "");
    client.batch_execute(&grown).await.unwrap();
    let (scans_before, _) = rows_read(&client).await;
    store.load(&[key("s1")], WindowLimits::default()).await.unwrap();
    drop(store);
    until(&client, ALONE).await;
    assert_eq!(rows_read(&client).await.0, scans_before);
}

#[tokio::test]
async fn lists_jump_over_long_sessions() {
    let (store, database) = open().await;
    let client = database.client().await.unwrap();
    client.batch_execute(MANY_ROWS).await.unwrap();
    let (scans_before, rows_before) = rows_read(&client).await;
    let long = key("long");
    let list = store.list(&long.department, &long.user, None, 200).await.unwrap();
    assert_eq!(list.sessions.len(), 200);
    let keys = store.keys(None, None, 500).await.unwrap();
    assert_eq!(keys.len(), 500);
    drop(store);
    until(&client, ALONE).await;
    let (scans, rows) = rows_read(&client).await;
    assert_eq!(scans, scans_before, "no list reads the whole table");
    assert!(rows - rows_before < 10_000, "{}", rows - rows_before);
}

#[tokio::test]
async fn any_number_of_keys_is_one_prepared_statement() {
    let options = Options::default()
        .with("log_statement", "all")
        .with("log_line_prefix", "'%d '");
    let cluster = Cluster::start(&options).unwrap();
    let config = PostgresConfig::new(cluster.url("postgres"));
    migrate::run(&config).await.unwrap();
    let store = PostgresStore::open(&config, Handle::current()).unwrap();
    append_one(&store, append("session 7", "q")).await.unwrap();
    let before = cluster.log().unwrap().len();
    let keys: Vec<ConversationKey> = (0..200).map(|number| key(&format!("session {number}"))).collect();
    for _ in 0..2 {
        let lookups = store.load(&keys, WindowLimits::default()).await.unwrap();
        assert_eq!(lookups.len(), 200);
        assert!(matches!(lookups[7], Lookup::Found(_)));
    }
    append_one(&store, append("session 8", "q")).await.unwrap();
    append_one(&store, append("session 8", "q")).await.unwrap();
    let log = cluster.log().unwrap();
    let statements: Vec<&str> = log[before..]
        .lines()
        .filter_map(|line| line.split_once("LOG:  ").map(|(_, statement)| statement))
        .map(|statement| &statement[..statement.len().min(40)])
        .collect();
    assert_eq!(statements.len(), 4, "{statements:#?}");
    assert!(statements[0].starts_with("execute s"), "{statements:#?}");
    assert_eq!(statements[0], statements[1], "one name: prepared once");
    assert_eq!(statements[2], statements[3], "one name: prepared once");
}
