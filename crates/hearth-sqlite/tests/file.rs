//! The file itself: what stays in it, who may open it, and what another program wrote there.
#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected stops")]

use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::{Connection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query, sql_types};
use hearth_domain::ports::{HistoryStore, Lookup, PageFrom, SessionIndex, StoreError};
use hearth_domain::{Role, Status, Version, WindowLimits};
use hearth_sqlite::{OpenError, SqliteConfig, SqliteStore, migrate};
use hearth_testkit::build::{append, exchange, key};
use hearth_testkit::dialogues;
use tempfile::TempDir;
use tokio::runtime::Handle;

fn config(directory: &TempDir) -> SqliteConfig {
    SqliteConfig::new(directory.path().join("data").join("hearth.db"))
}

async fn open(directory: &TempDir) -> SqliteStore {
    SqliteStore::open(config(directory), Handle::current())
        .await
        .unwrap()
}

/// What the `sqlite3` shell would be: a connection beside the store's.
fn shell(path: &Path) -> SqliteConnection {
    SqliteConnection::establish(path.to_str().unwrap()).unwrap()
}

#[derive(Debug, PartialEq, QueryableByName)]
struct Object {
    #[diesel(sql_type = sql_types::Text)]
    name: String,
    #[diesel(sql_type = sql_types::Text)]
    sql: String,
}

/// Tables and indices, but for the table that notes which migrations ran.
fn schema(path: &Path) -> Vec<Object> {
    let statement = "select name, sql from sqlite_master
                     where sql is not null and name not like 'sqlite_%' and name not like '%diesel%' order by name";
    sql_query(statement).load(&mut shell(path)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_committed_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory).await;
    for dialogue in dialogues::sample() {
        let turns: Vec<_> = dialogue
            .turns()
            .into_iter()
            .map(|turn| append(&dialogue.key(), turn))
            .collect();
        assert!(store.append(&turns).await.iter().all(Result::is_ok));
    }
    drop(store);
    let store = open(&directory).await;
    for dialogue in dialogues::sample() {
        let lookups = store
            .load(&[dialogue.key()], WindowLimits::default())
            .await
            .unwrap();
        let history = lookups.into_iter().next().unwrap().into_history();
        let said: Vec<_> = history
            .messages()
            .map(|message| (message.role, message.content.into_owned()))
            .collect();
        let expected: Vec<_> = dialogue
            .messages
            .iter()
            .map(|message| (message.role, message.content.clone()))
            .collect();
        assert_eq!(said, expected);
        assert_eq!(
            history.version().get(),
            u64::try_from(dialogue.turns().len()).unwrap()
        );
    }
    assert_eq!(store.keys(None, None, 100).await.unwrap().len(), 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_open_is_refused_by_name_and_stays_usable() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory).await;
    for refused in [
        SqliteStore::open(config(&directory), Handle::current())
            .await
            .map(drop),
        migrate::up(&config(&directory)).map(drop),
        migrate::down(&config(&directory)).map(drop),
    ] {
        let error = refused.unwrap_err();
        assert!(matches!(error, OpenError::InUse { .. }), "{error:?}");
        let message = error.to_string();
        assert!(
            message.contains("hearth.db is in use") && message.contains("hearth.db.lock"),
            "{message}"
        );
    }
    store.ping().await.unwrap();
    drop(store);
    open(&directory).await.ping().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_cannot_be_made_is_named() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("data"), "a file, not a directory").unwrap();
    let error = SqliteStore::open(config(&directory), Handle::current())
        .await
        .map(drop)
        .unwrap_err();
    assert!(matches!(error, OpenError::Directory { .. }), "{error:?}");
    assert!(error.to_string().contains("data/hearth.db"), "{error}");
}

#[test]
fn migrations_go_up_down_and_up_to_the_same_tables() {
    let directory = tempfile::tempdir().unwrap();
    let config = config(&directory);
    let applied = migrate::up(&config).unwrap();
    assert!(!applied.is_empty());
    let first = schema(&config.path);
    let tables = [
        "chatbot_commits",
        "chatbot_messages",
        "chatbot_requests",
        "chatbot_sessions",
        "hearth_keys",
    ];
    for table in tables {
        assert!(first.iter().any(|object| object.name == table), "{table}");
    }
    assert_eq!(
        migrate::up(&config).unwrap(),
        Vec::<String>::new(),
        "nothing is left to do"
    );
    let mut reverted = migrate::down(&config).unwrap();
    reverted.reverse();
    assert_eq!(reverted, applied);
    assert_eq!(schema(&config.path), []);
    assert_eq!(migrate::up(&config).unwrap(), applied);
    assert_eq!(schema(&config.path), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_are_not_to_be_migrated_must_be_up_to_date() {
    let directory = tempfile::tempdir().unwrap();
    let open_as_it_is = || SqliteStore::open_without_migrating(config(&directory), Handle::current());
    let error = open_as_it_is().await.map(drop).unwrap_err();
    assert!(matches!(error, OpenError::NotMigrated { .. }), "{error:?}");
    migrate::up(&config(&directory)).unwrap();
    open_as_it_is().await.unwrap().ping().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_other_programs_are_served_ended_and_erased() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory).await;
    let mut shell = shell(&config(&directory).path);
    let insert = "insert into chatbot_messages (department, user_id, session_id, role, content, metadata) values
        ('d', 'u', 's', 'user', 'hello', null), ('d', 'u', 's', 'assistant', 'hi', '{\"status\":\"incomplete\"}'),
        ('d', 'u', 'ctrl' || char(10), 'user', 'a session that nobody can name', null)";
    shell.batch_execute(insert).unwrap();

    let key = key("d", "u", "s");
    let lookups = store
        .load(std::slice::from_ref(&key), WindowLimits::default())
        .await
        .unwrap();
    let history = lookups.into_iter().next().unwrap().into_history();
    assert_eq!(history.version(), Version::ZERO);
    let said: Vec<_> = history
        .messages()
        .map(|message| (message.role, message.content.into_owned(), message.status))
        .collect();
    let expected = [
        (Role::User, "hello".to_owned(), Status::Complete),
        (Role::Assistant, "hi".to_owned(), Status::Incomplete),
    ];
    assert_eq!(said, expected);
    assert_eq!(
        store
            .page(&key, PageFrom::Newest, 10)
            .await
            .unwrap()
            .messages
            .len(),
        2
    );
    for listed in [
        store.keys(None, None, 10).await.unwrap(),
        store.recent(10).await.unwrap(),
    ] {
        assert_eq!(listed, std::slice::from_ref(&key));
    }

    store.end(&key).await.unwrap();
    let list = store.list(&key.department, &key.user, None, 10).await.unwrap();
    let ended: Vec<_> = list
        .sessions
        .iter()
        .map(|summary| summary.ended_at.is_some())
        .collect();
    assert_eq!((ended, list.more), (vec![true], false));

    let results = store.append(&[append(&key, exchange("q", "a"))]).await;
    assert!(
        results
            .iter()
            .flatten()
            .all(|committed| committed.version.get() == 1)
    );
    shell.batch_execute(insert).unwrap();
    assert_eq!(
        store.erase_user(&key.department, &key.user).await.unwrap(),
        std::slice::from_ref(&key)
    );
    let lookups = store.load(&[key], WindowLimits::default()).await.unwrap();
    assert_eq!(lookups, [Lookup::New(Version::new(2).unwrap())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_no_messages_are_an_error_and_not_an_empty_history() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory).await;
    let mut shell = shell(&config(&directory).path);
    let insert = |role: &str, micros: &str| {
        format!(
            "insert into chatbot_messages (department, user_id, session_id, role, content, created_at_us)
             values ('d', 'u', 's', '{role}', 'hello', {micros})"
        )
    };
    assert!(
        shell.batch_execute(&insert("bot", "0")).is_err(),
        "the table takes four roles only"
    );
    shell
        .batch_execute(&insert("user", "9223372036854775807"))
        .unwrap();
    let error = store
        .load(&[key("d", "u", "s")], WindowLimits::default())
        .await
        .unwrap_err();
    let StoreError::Failed(source) = error else {
        panic!("{error:?}")
    };
    assert_eq!(
        source.to_string(),
        "row 1 of chatbot_messages has an unusable created_at_us"
    );
}
