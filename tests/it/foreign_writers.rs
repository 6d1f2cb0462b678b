//! Another program writes to the table, as it always did.

use hearth_testkit::postgres::TestDatabase;
use tempfile::tempdir;
use tokio_postgres::Client;

use crate::replicas::crew::{Replica, queries};
use crate::server::{hearth, output, with};

const INSERT: &str = "INSERT INTO chatbot_messages (department, user_id, session_id, role, content)
                      VALUES ('d', 'u', $1, 'user', $2)";

fn migrate(database: &TestDatabase, flag: &str) {
    let folder = tempdir().unwrap();
    let (code, _, errors) = output(with(
        &mut hearth(folder.path(), &database.url()),
        &[&"migrate", &flag],
    ));
    assert_eq!(code, Some(0), "{errors}");
}

async fn everywhere(replicas: &[Replica], session: &str, what: &str, expected: &[&str]) {
    for replica in replicas {
        replica
            .shows(session, what, |history| queries(history) == expected)
            .await;
    }
}

async fn insert(client: &Client, session: &str, content: &str) {
    client.execute(INSERT, &[&session, &content]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_trigger_every_server_shows_what_it_writes() {
    let database = TestDatabase::empty().await.unwrap();
    migrate(&database, "--with-trigger");
    let replicas: [Replica; 3] = Replica::start_many(&database.url()).await;
    let (program, other) = (database.client().await.unwrap(), database.client().await.unwrap());
    for replica in &replicas {
        let health = replica.server.get("/chatbot/health/detailed").await;
        assert_eq!(health["coherence"]["foreign_writers"], "trigger");
        assert_eq!(queries(&replica.server.history("1").await), [""; 0]);
        replica.holds("1").await;
    }
    insert(&program, "1", "inserted").await;
    everywhere(&replicas, "1", "an insert", &["inserted"]).await;
    let update = "UPDATE chatbot_messages SET content = 'updated' WHERE session_id = '1'";
    program.execute(update, &[]).await.unwrap();
    everywhere(&replicas, "1", "an update", &["updated"]).await;

    // The older id is committed last: no newest id and no version tells of it.
    program.batch_execute("BEGIN").await.unwrap();
    insert(&program, "1", "older id").await;
    insert(&other, "1", "newer id").await;
    everywhere(&replicas, "1", "the newer id", &["updated", "newer id"]).await;
    program.batch_execute("COMMIT").await.unwrap();
    everywhere(
        &replicas,
        "1",
        "a late commit",
        &["updated", "older id", "newer id"],
    )
    .await;

    let delete = "DELETE FROM chatbot_messages WHERE content = 'older id'";
    program.execute(delete, &[]).await.unwrap();
    everywhere(&replicas, "1", "a delete", &["updated", "newer id"]).await;
    program.batch_execute("TRUNCATE chatbot_messages").await.unwrap();
    everywhere(&replicas, "1", "a truncate", &[]).await;

    // It goes on in a loop, and chats come in between.
    for number in 0..3 {
        insert(&program, "1", &format!("row {number}")).await;
        let mut expected: Vec<String> = Vec::new();
        for earlier in 0..number {
            expected.extend([format!("row {earlier}"), format!("chat {earlier}")]);
        }
        expected.push(format!("row {number}"));
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        everywhere(&replicas, "1", "a row among chats", &expected).await;
        replicas[number % 3]
            .server
            .chat("1", &format!("chat {number}"))
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_trigger_health_says_so() {
    let database = TestDatabase::empty().await.unwrap();
    let replica = Replica::start(&database.url()).await;
    let covered = async || {
        let health = replica.server.get("/chatbot/health/detailed").await;
        health["coherence"]["foreign_writers"].clone()
    };
    assert_eq!(covered().await, "not_covered");
    let client = database.client().await.unwrap();
    replica.append("1", "Hearth's").await;
    insert(&client, "1", "foreign").await;
    // It is seen when the session is next loaded.
    let end = "/chatbot/v1/sessions/1/end?department=d&user=u";
    let end = replica
        .server
        .request(reqwest::Method::POST, end)
        .send()
        .await
        .unwrap();
    assert!(end.status().is_success());
    assert_eq!(
        queries(&replica.server.history("1").await),
        ["Hearth's", "foreign"]
    );

    // The trigger may come and go while servers run.
    for (flag, expected) in [
        ("--with-trigger", "trigger"),
        ("--without-trigger", "not_covered"),
    ] {
        migrate(&database, flag);
        hearth_testkit::poll::until(crate::server::DEADLINE, async || covered().await == expected).await;
    }
}
