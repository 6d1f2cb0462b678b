//! What others are told of commits, ends and erases.

use std::collections::BTreeMap;

use hearth_domain::ports::HistoryStore;
use hearth_domain::{Append, ConversationKey, NewMessage, Role, Turn};
use hearth_postgres::{PostgresConfig, PostgresStore, ReplicaId};
use hearth_testkit::postgres::TestDatabase;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_postgres::{AsyncMessage, Client, NoTls};

use crate::support::{migrated, store_on};
use crate::{append, append_one, contents, key};

/// A client that hears what is sent on the channel.
struct Listener {
    client: Client,
    payloads: mpsc::Receiver<String>,
}

impl Listener {
    async fn on(database: &TestDatabase) -> Self {
        let (client, mut connection) = tokio_postgres::connect(&database.url(), NoTls).await.unwrap();
        let (heard, payloads) = mpsc::channel(1_000);
        Handle::current().spawn(async move {
            while let Some(Ok(message)) =
                std::future::poll_fn(|context| connection.poll_message(context)).await
            {
                if let AsyncMessage::Notification(notice) = message {
                    assert_eq!(notice.channel(), "hearth_changes");
                    heard.send(notice.payload().to_owned()).await.unwrap();
                }
            }
        });
        client.batch_execute("LISTEN hearth_changes").await.unwrap();
        Self { client, payloads }
    }

    /// Everything that was sent before this was called.
    async fn heard(&mut self) -> Vec<Value> {
        self.client
            .batch_execute("NOTIFY hearth_changes, '\"so far\"'")
            .await
            .unwrap();
        let mut heard = Vec::new();
        loop {
            let payload = self.payloads.recv().await.unwrap();
            assert!(payload.len() < 8_000, "{}", payload.len());
            let payload: Value = serde_json::from_str(&payload).unwrap();
            if payload == "so far" {
                return heard;
            }
            heard.push(payload);
        }
    }
}

/// A store that tells others under a name, which comes with it as payloads have it.
async fn telling() -> (PostgresStore, String, Listener, TestDatabase) {
    let database = migrated().await;
    let replica = ReplicaId::generate();
    let config = PostgresConfig {
        notify: Some(replica),
        pool_size: 1,
        ..PostgresConfig::new(database.url())
    };
    let store = PostgresStore::open(&config, Handle::current()).unwrap();
    let listener = Listener::on(&database).await;
    (store, replica.0.to_string(), listener, database)
}

#[tokio::test]
async fn a_batch_is_one_notice_with_the_versions_that_sessions_reached() {
    let (store, replica, mut listener, _database) = telling().await;
    let sessions = ["a", "b", "a", "\"quoted\\ & ümlaut 🚀"];
    for outcome in store.append(&sessions.map(|session| append(session, "q"))).await {
        outcome.unwrap();
    }
    let heard = listener.heard().await;
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert_eq!(heard[0][0], replica.as_str());
    let changes: BTreeMap<&str, u64> = heard[0][1]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| {
            assert_eq!(change.as_array().unwrap()[..2], [json!("support"), json!("ada")]);
            (change[2].as_str().unwrap(), change[3].as_u64().unwrap())
        })
        .collect();
    let expected = [("\"quoted\\ & ümlaut 🚀", 1), ("a", 2), ("b", 1)];
    assert_eq!(changes, BTreeMap::from(expected));
}

#[tokio::test]
async fn ends_and_erases_are_told_too() {
    let (store, replica, mut listener, _database) = telling().await;
    append_one(&store, append("s", "q")).await.unwrap();
    listener.heard().await;
    let gone = |session: &str| json!([replica, [["support", "ada", session, "gone"]]]);
    store.end(&key("s")).await.unwrap();
    assert_eq!(listener.heard().await, [gone("s")]);
    store.end(&key("unknown")).await.unwrap();
    assert_eq!(listener.heard().await, [gone("unknown")]);
    store.erase(&key("s")).await.unwrap();
    assert_eq!(listener.heard().await, [gone("s")]);
    append_one(&store, append("t", "q")).await.unwrap();
    listener.heard().await;
    let user = key("s");
    store.erase_user(&user.department, &user.user).await.unwrap();
    let heard = listener.heard().await;
    let gone = json!([
        replica,
        [["support", "ada", "s", "gone"], ["support", "ada", "t", "gone"]]
    ]);
    assert_eq!(heard, [gone]);
}

#[tokio::test]
async fn what_does_not_fit_one_notice_goes_into_several() {
    let (store, _replica, mut listener, _database) = telling().await;
    // The longest ids there are, of characters that take the most room.
    let long = |number: usize| {
        let part = |text: &str| text.repeat(128).chars().take(128).collect::<String>();
        let session = format!("{number:03}{}", "🚀".repeat(125));
        ConversationKey::parse(&part("🚀"), &part("🦀"), &session).unwrap()
    };
    let turn = |key: ConversationKey| {
        let question = NewMessage::new(Role::User, "q").unwrap();
        Append::new(key, Turn::new(vec![question]).unwrap())
    };
    let turns: Vec<Append> = (0..100).map(long).map(turn).collect();
    for outcome in store.append(&turns).await {
        outcome.unwrap();
    }
    assert_eq!(store.commit_status().batches, 1);
    let heard = listener.heard().await;
    let told: Vec<&str> = heard
        .iter()
        .flat_map(|payload| payload[1].as_array().unwrap())
        .map(|change| change[2].as_str().unwrap())
        .collect();
    assert_eq!(told.len(), 100);
    assert!((20..50).contains(&heard.len()), "{}", heard.len());
}

#[tokio::test]
async fn what_was_refused_is_not_told() {
    let (store, _replica, mut listener, _database) = telling().await;
    let version = append_one(&store, append("s", "q")).await.unwrap().version;
    listener.heard().await;
    let late = Append {
        if_version: Some(version.next()),
        ..append("s", "late")
    };
    append_one(&store, late).await.unwrap_err();
    assert!(listener.heard().await.is_empty());
}

#[tokio::test]
async fn nobody_is_told_where_nobody_listens() {
    let database = migrated().await;
    let mut listener = Listener::on(&database).await;
    let store = store_on(&database);
    append_one(&store, append("s", "q")).await.unwrap();
    store.end(&key("s")).await.unwrap();
    store.erase(&key("s")).await.unwrap();
    assert!(listener.heard().await.is_empty());
}

#[tokio::test]
async fn the_trigger_of_a_table_knows_whose_rows_they_are() {
    let (store, _replica, mut listener, database) = telling().await;
    let client = database.client().await.unwrap();
    client
        .batch_execute(
            "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 PERFORM pg_notify('hearth_changes', json_build_array('quiet', current_setting('hearth.quiet', true))::text);
                 RETURN NULL;
             END $$;
             CREATE TRIGGER note AFTER INSERT OR DELETE ON chatbot_messages FOR EACH STATEMENT EXECUTE FUNCTION note()",
        )
        .await
        .unwrap();
    append_one(&store, append("s", "q")).await.unwrap();
    assert!(listener.heard().await.contains(&json!(["quiet", "on"])));
    store.erase(&key("s")).await.unwrap();
    assert!(listener.heard().await.contains(&json!(["quiet", "on"])));
    // It lasts no longer than the transaction.
    append_one(&store_on(&database), append("s", "q")).await.unwrap();
    assert_eq!(listener.heard().await, [json!(["quiet", null])]);
    assert_eq!(contents(&store, "s").await, ["q", "answer"]);
}
