//! The trigger: what replicas are told of other programs' writes, and that those programs come to no harm.

use std::sync::Arc;
use std::time::Duration;

use hearth_domain::ports::{Change, ChangeFeed, Notice, SystemClock};
use hearth_domain::{ConversationKey, Version};
use hearth_postgres::adoption::ForeignWriters;
use hearth_postgres::{PostgresConfig, PostgresFeed, PostgresStore, ReplicaId, TriggerAdded, migrate};
use hearth_testkit::postgres::TestDatabase;
use tokio::runtime::Handle;
use tokio_postgres::Client;

use crate::support::{migrated, store_on};
use crate::{WAITS_FOR_LOCK, append, append_one, key, until};

/// Another program, and a replica that listens.
pub(crate) struct Foreign {
    pub(crate) client: Client,
    feed: PostgresFeed,
}

impl Foreign {
    pub(crate) async fn on(database: &TestDatabase, replica: ReplicaId) -> Self {
        let config = PostgresConfig::new(database.url());
        let (rhythm, clock) = (Duration::from_secs(20), Arc::new(SystemClock::default()));
        let mut feed = PostgresFeed::start(&config, replica, rhythm, clock, &Handle::current()).unwrap();
        assert_eq!(next(&mut feed).await, Notice::Gap);
        let client = database.client().await.unwrap();
        Self { client, feed }
    }

    /// Runs statements, and brings what is told of them.
    pub(crate) async fn run(&mut self, statements: &str) -> Vec<Change> {
        self.client.batch_execute(statements).await.unwrap();
        self.heard().await
    }

    /// What was told so far, up to a mark that is sent now.
    pub(crate) async fn heard(&mut self) -> Vec<Change> {
        let mark = "NOTIFY hearth_changes, '[\"*\",[[\"a\",\"mark\",\"here\",null]]]'";
        self.client.batch_execute(mark).await.unwrap();
        let mark = Change::Foreign(ConversationKey::parse("a", "mark", "here").unwrap());
        let mut heard = Vec::new();
        loop {
            match next(&mut self.feed).await {
                Notice::Changes(changes) if changes == [mark.clone()] => return heard,
                Notice::Changes(changes) => heard.extend(changes),
                Notice::FreshAsOf(_) => {}
                notice @ (Notice::Gap | Notice::Lost) => panic!("{notice:?}"),
            }
        }
    }
}

async fn next(feed: &mut PostgresFeed) -> Notice {
    tokio::time::timeout(Duration::from_secs(60), feed.next())
        .await
        .unwrap()
}

pub(crate) fn foreign(sessions: &[&str]) -> Vec<Change> {
    let change = |session: &&str| Change::Foreign(key(session));
    sessions.iter().map(change).collect()
}

/// A migrated database with the trigger, and another program.
async fn covered() -> (TestDatabase, Foreign) {
    let database = migrated().await;
    let added = migrate::add_trigger(&PostgresConfig::new(database.url())).await;
    assert_eq!(added.unwrap(), TriggerAdded::Added);
    let foreign = Foreign::on(&database, ReplicaId::generate()).await;
    (database, foreign)
}

/// An insert of one message into each of some sessions.
fn insert(sessions: &[&str]) -> String {
    let row = |session: &&str| format!("('support', 'ada', '{session}', 'user', 'Hello')");
    let rows: Vec<String> = sessions.iter().map(row).collect();
    format!(
        "INSERT INTO chatbot_messages (department, user_id, session_id, role, content) VALUES {}",
        rows.join(", ")
    )
}

async fn foreign_writers(database: &TestDatabase) -> ForeignWriters {
    store_on(database).adoption().await.unwrap().foreign_writers
}

#[tokio::test]
async fn each_kind_of_write_is_told_with_its_sessions() {
    let (_database, mut program) = covered().await;
    assert_eq!(program.run(&insert(&["1", "1"])).await, foreign(&["1"]));
    assert_eq!(program.run(&insert(&["2", "3"])).await.len(), 2);
    let edit = "UPDATE chatbot_messages SET content = 'edited' WHERE session_id = '1'";
    assert_eq!(program.run(edit).await, foreign(&["1"]));
    let mut moved = program
        .run("UPDATE chatbot_messages SET session_id = '4' WHERE session_id = '1'")
        .await;
    moved.sort_by_key(|change| format!("{change:?}"));
    assert_eq!(
        moved,
        foreign(&["1", "4"]),
        "the session that it left and the one that it came to"
    );
    let delete = "DELETE FROM chatbot_messages WHERE session_id = '4'";
    assert_eq!(program.run(delete).await, foreign(&["4"]));
    assert_eq!(
        program.run("TRUNCATE chatbot_messages").await,
        [Change::Everything]
    );
}

#[tokio::test]
async fn a_copy_is_told_too() {
    let (_database, mut program) = covered().await;
    let copy = "COPY chatbot_messages (department, user_id, session_id, role, content)
                FROM PROGRAM 'echo support,ada,1,user,Hello; echo support,ada,1,assistant,Hi' WITH (FORMAT csv)";
    assert_eq!(program.run(copy).await, foreign(&["1"]));
    let rows = program.client.query("SELECT FROM chatbot_messages", &[]).await;
    assert_eq!(rows.unwrap().len(), 2);
}

#[tokio::test]
async fn what_changed_nothing_is_not_told() {
    let (_database, mut program) = covered().await;
    program.run(&insert(&["1"])).await;
    for statements in [
        "UPDATE chatbot_messages SET content = 'x' WHERE session_id = '2'",
        "DELETE FROM chatbot_messages WHERE false",
        "BEGIN; DELETE FROM chatbot_messages; ROLLBACK",
        "BEGIN; SET LOCAL hearth.quiet = 'on'; DELETE FROM chatbot_messages; COMMIT",
    ] {
        assert_eq!(program.run(statements).await, [], "{statements}");
    }
    // Quiet was that transaction's alone.
    assert_eq!(program.run(&insert(&["1"])).await, foreign(&["1"]));
}

#[tokio::test]
async fn many_keys_take_several_notices_and_more_than_a_hundred_are_everything() {
    let (_database, mut program) = covered().await;
    let many = |count: u32, user: &str| {
        format!(
            "INSERT INTO chatbot_messages (department, user_id, session_id, role, content)
             SELECT 'support', '{user}', n, 'user', 'Hello' FROM generate_series(1, {count}) n"
        )
    };
    // A hundred long ones do not fit into one notice.
    let user = "é".repeat(128);
    let mut told = program.run(&many(100, &user)).await;
    told.sort_by_key(|change| format!("{change:?}"));
    told.dedup();
    assert_eq!(told.len(), 100);
    let key = ConversationKey::parse("support", &user, "77").unwrap();
    assert!(told.contains(&Change::Foreign(key)));

    assert_eq!(program.run(&many(101, "ada")).await, [Change::Everything]);
    let too_long = "x".repeat(9_000);
    assert_eq!(program.run(&many(1, &too_long)).await, [Change::Everything]);
}

#[tokio::test]
async fn a_fault_of_the_trigger_does_not_fail_the_program() {
    let (_database, mut program) = covered().await;
    let renamed = "ALTER TABLE chatbot_messages RENAME user_id TO customer;
                   INSERT INTO chatbot_messages (department, customer, session_id, role, content)
                   VALUES ('support', 'ada', '1', 'user', 'Hello')";
    assert_eq!(program.run(renamed).await, [Change::Everything]);
    let rows = program.client.query("SELECT FROM chatbot_messages", &[]).await;
    assert_eq!(rows.unwrap().len(), 1);
}

#[tokio::test]
async fn a_queue_that_is_half_full_is_left_alone() {
    let (database, mut program) = covered().await;
    let fake =
        "CREATE FUNCTION pg_notification_queue_usage() RETURNS double precision LANGUAGE sql AS 'SELECT 0.6'";
    assert_eq!(program.run(fake).await, []);
    let other = database.client().await.unwrap();
    let insert = format!("SET search_path = public, pg_catalog; {}", insert(&["1"]));
    other.batch_execute(&insert).await.unwrap();
    assert_eq!(program.heard().await, []);
}

#[tokio::test]
async fn it_is_found_on_a_partitioned_table_and_with_columns_of_other_names() {
    let (_database, mut program) = covered().await;
    let parts = "CREATE TABLE parts (tenant integer, who text, thread uuid, said text) PARTITION BY LIST (tenant);
                 CREATE TABLE part PARTITION OF parts DEFAULT;
                 CREATE TRIGGER a AFTER INSERT ON parts REFERENCING NEW TABLE AS new_rows
                     FOR EACH STATEMENT EXECUTE FUNCTION hearth_foreign_write('tenant', 'who', 'thread');
                 CREATE TRIGGER b AFTER UPDATE ON parts REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
                     FOR EACH STATEMENT EXECUTE FUNCTION hearth_foreign_write('tenant', 'who', 'thread');
                 CREATE TRIGGER c AFTER DELETE ON parts REFERENCING OLD TABLE AS old_rows
                     FOR EACH STATEMENT EXECUTE FUNCTION hearth_foreign_write('tenant', 'who', 'thread');";
    assert_eq!(program.run(parts).await, []);
    let told = |user: &str| {
        let key = ConversationKey::parse("7", user, "00000000-0000-0000-0000-000000000001");
        Change::Foreign(key.unwrap())
    };
    let insert = "INSERT INTO parts VALUES (7, 'ada', '00000000-0000-0000-0000-000000000001', 'Hello'), (7, NULL, NULL, '')";
    assert_eq!(program.run(insert).await, [told("ada")]);
    let mut moved = program
        .run("UPDATE parts SET who = 'bob' WHERE who = 'ada'")
        .await;
    moved.sort_by_key(|change| format!("{change:?}"));
    assert_eq!(moved, [told("ada"), told("bob")]);
    assert_eq!(program.run("DELETE FROM parts").await, [told("bob")]);
}

#[tokio::test]
async fn hearths_own_commits_are_told_once_with_their_version() {
    let (database, _) = covered().await;
    let replica = ReplicaId::generate();
    let mut program = Foreign::on(&database, replica).await;
    let mut config = PostgresConfig::new(database.url());
    config.notify = Some(replica);
    let store = PostgresStore::open(&config, Handle::current()).unwrap();
    append_one(&store, append("1", "Hello?")).await.unwrap();
    let committed = Change::Committed {
        key: key("1"),
        version: Version::new(1).unwrap(),
        own: true,
    };
    assert_eq!(program.heard().await, [committed]);
    hearth_domain::ports::HistoryStore::erase(&store, &key("1"))
        .await
        .unwrap();
    let gone = Change::Gone {
        key: key("1"),
        own: true,
    };
    assert_eq!(program.heard().await, [gone]);
}

#[tokio::test]
async fn whether_writers_are_covered_is_reported() {
    let (database, program) = covered().await;
    let config = PostgresConfig::new(database.url());
    assert_eq!(foreign_writers(&database).await, ForeignWriters::Trigger);
    assert_eq!(
        migrate::add_trigger(&config).await.unwrap(),
        TriggerAdded::WasThere
    );
    for uncovering in [
        "ALTER TABLE chatbot_messages DISABLE TRIGGER hearth_delete",
        "DROP TRIGGER hearth_truncate ON chatbot_messages",
    ] {
        program.client.batch_execute(uncovering).await.unwrap();
        assert_eq!(
            foreign_writers(&database).await,
            ForeignWriters::NotCovered,
            "{uncovering}"
        );
        assert_eq!(migrate::add_trigger(&config).await.unwrap(), TriggerAdded::Added);
        assert_eq!(foreign_writers(&database).await, ForeignWriters::Trigger);
    }
    assert!(migrate::remove_trigger(&config).await.unwrap());
    assert_eq!(foreign_writers(&database).await, ForeignWriters::NotCovered);
    assert!(!migrate::remove_trigger(&config).await.unwrap());
}

#[tokio::test]
async fn it_works_where_it_is_left_behind() {
    let database = TestDatabase::empty().await.unwrap();
    let config = PostgresConfig::new(database.url());
    let table = "CREATE TABLE chatbot_messages (
                     id bigserial PRIMARY KEY, department text NOT NULL, user_id text NOT NULL, session_id text NOT NULL,
                     role text NOT NULL, content text NOT NULL, created_at timestamptz NOT NULL DEFAULT now(), metadata jsonb)";
    database
        .client()
        .await
        .unwrap()
        .batch_execute(table)
        .await
        .unwrap();
    migrate::run(&config).await.unwrap();
    migrate::add_trigger(&config).await.unwrap();
    migrate::revert_all(&config).await.unwrap();
    let mut program = Foreign::on(&database, ReplicaId::generate()).await;
    assert_eq!(program.run(&insert(&["1"])).await, foreign(&["1"]));
    assert!(migrate::remove_trigger(&config).await.unwrap());
    assert_eq!(program.run(&insert(&["1"])).await, []);
    let function = "SELECT FROM pg_proc WHERE proname = 'hearth_foreign_write'";
    assert!(program.client.query(function, &[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn it_waits_for_writers_that_are_at_work_and_lets_others_pass_meanwhile() {
    let database = migrated().await;
    let (client, mut writer) = (database.client().await.unwrap(), database.client().await.unwrap());
    let writing = writer.transaction().await.unwrap();
    writing.batch_execute(&insert(&["1"])).await.unwrap();
    let config = PostgresConfig::new(database.url());
    let adding = Handle::current().spawn(async move { migrate::add_trigger(&config).await });
    until(&client, WAITS_FOR_LOCK).await;
    // While it waits, whoever comes waits behind it: it gives up, and others pass before it comes again.
    until(&client, &format!("SELECT NOT ({WAITS_FOR_LOCK})")).await;
    client.batch_execute(&insert(&["2"])).await.unwrap();
    writing.commit().await.unwrap();
    assert_eq!(adding.await.unwrap().unwrap(), TriggerAdded::Added);
}
