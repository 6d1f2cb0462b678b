//! The table that a team has already: served as it is, left as it is, and named where it does not fit.

use hearth_domain::ports::{HistoryStore, Lookup, PageFrom, SessionIndex};
use hearth_domain::{Department, UserId, Version, WindowLimits};
use hearth_postgres::adoption::{ForeignWriters, IndexState, Relation};
use hearth_postgres::{Adoption, AdoptionError, PostgresConfig, PostgresStore, migrate};
use hearth_testkit::postgres::TestDatabase;
use tokio::runtime::Handle;

use crate::support::{migrated, store_on};
use crate::{append, append_one, contents, key};

/// A table with other types of text, a collation, an order of columns, and columns of its own.
pub(crate) const TABLE: &str = "
    CREATE TABLE chatbot_messages (
        tenant_note text,
        id bigserial PRIMARY KEY,
        session_id varchar(128) COLLATE \"en-x-icu\" NOT NULL,
        user_id varchar(128) COLLATE \"en-x-icu\" NOT NULL,
        department varchar(128) COLLATE \"en-x-icu\" NOT NULL,
        role varchar(16) NOT NULL,
        content text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        metadata jsonb,
        reviewed boolean NOT NULL DEFAULT false
    );
    INSERT INTO chatbot_messages (department, user_id, session_id, role, content, tenant_note) VALUES
        ('support', 'ada', 'old', 'user', 'Hello', 'kept'),
        ('support', 'ada', 'old', 'assistant', 'Hi', 'kept'),
        ('support', 'ada', 'Other', 'user', 'Anybody?', 'kept'),
        ('support', 'ada', E'not\\nvalid', 'user', 'hidden', 'kept');";

pub(crate) const INDEX: &str = "CREATE INDEX ON chatbot_messages (department, user_id, session_id, id);";

pub(crate) async fn adopted(table: &str) -> TestDatabase {
    let database = TestDatabase::empty().await.unwrap();
    database
        .client()
        .await
        .unwrap()
        .batch_execute(table)
        .await
        .unwrap();
    migrate::run(&PostgresConfig::new(database.url())).await.unwrap();
    database
}

async fn inspect(database: &TestDatabase) -> Result<Adoption, AdoptionError> {
    store_on(database).adoption().await
}

/// The one misfit of a table, and that its remedy mends it.
async fn check_misfit(table: &str, problem: &str, remedy: &str) {
    let database = adopted(table).await;
    let AdoptionError::Misfits { name, misfits } = inspect(&database).await.unwrap_err() else {
        panic!("{table} has misfits");
    };
    assert_eq!(name, "public.chatbot_messages");
    let [misfit] = misfits.as_slice() else {
        panic!("one thing does not fit: {misfits:?}");
    };
    assert!(misfit.problem.contains(problem), "{misfits:?}");
    assert_eq!(misfit.remedy, remedy);
    let client = database.client().await.unwrap();
    client.batch_execute(&misfit.remedy).await.unwrap();
    inspect(&database).await.unwrap();
    append_one(&store_on(&database), append("mended", "works?"))
        .await
        .unwrap();
}

#[tokio::test]
async fn the_table_that_hearth_made_is_all_right() {
    let adoption = inspect(&migrated().await).await.unwrap();
    assert_eq!(adoption.relation, Relation::Hearths);
    assert_eq!(adoption.index, IndexState::Usable);
    assert_eq!(adoption.foreign_writers, ForeignWriters::NotCovered);
    assert!(adoption.warnings().is_empty());
}

#[tokio::test]
async fn rows_from_before_are_served_listed_and_chatted_on() {
    let database = adopted(&format!("{TABLE}{INDEX}")).await;
    let store = store_on(&database);
    let adoption = store.adoption().await.unwrap();
    assert_eq!(adoption.relation, Relation::Table);
    assert_eq!(adoption.index, IndexState::Usable);

    assert_eq!(contents(&store, "old").await, ["Hello", "Hi"]);
    let committed = append_one(&store, append("old", "Still there?")).await.unwrap();
    assert_eq!(committed.version, Version::new(1).unwrap());
    assert_eq!(
        contents(&store, "old").await,
        ["Hello", "Hi", "Still there?", "answer"]
    );
    let page = store.page(&key("old"), PageFrom::Oldest, 2).await.unwrap();
    assert!(page.more);

    let (department, user) = (Department::new("support").unwrap(), UserId::new("ada").unwrap());
    let list = store.list(&department, &user, None, 10).await.unwrap();
    let listed: Vec<&str> = list
        .sessions
        .iter()
        .map(|summary| summary.session.as_str())
        .collect();
    assert_eq!(listed, ["old", "Other"]);
    assert_eq!(store.recent(10).await.unwrap(), [key("old"), key("Other")]);

    // The order is the table's own; what is asked of it is that pages join without gaps.
    let mut keys = Vec::new();
    while let Some(next) = store.keys(Some(&department), keys.last(), 1).await.unwrap().pop() {
        keys.push(next);
    }
    assert_eq!(keys, store.keys(None, None, 10).await.unwrap());
    assert_eq!(keys, [key("old"), key("Other")]);
}

#[tokio::test]
async fn every_write_works_on_a_table_with_another_collation() {
    let database = adopted(&format!("{TABLE}{INDEX}")).await;
    let store = store_on(&database);
    store.end(&key("Other")).await.unwrap();
    let mut expecting = append("Other", "again");
    expecting.if_version = Some(Version::ZERO);
    append_one(&store, expecting).await.unwrap();
    store.erase(&key("Other")).await.unwrap();
    let load = store.load(&[key("Other")], WindowLimits::default()).await;
    assert_eq!(load.unwrap(), [Lookup::New(Version::new(2).unwrap())]);
    let (department, user) = (Department::new("support").unwrap(), UserId::new("ada").unwrap());
    assert_eq!(store.erase_user(&department, &user).await.unwrap(), [key("old")]);
    let left = database
        .client()
        .await
        .unwrap()
        .query("SELECT FROM chatbot_messages", &[])
        .await
        .unwrap();
    assert!(left.is_empty(), "an id that Hearth would refuse is erased too");
}

#[tokio::test]
async fn a_revert_leaves_an_adopted_table_and_its_rows() {
    let database = adopted(TABLE).await;
    let client = database.client().await.unwrap();
    migrate::revert_all(&PostgresConfig::new(database.url()))
        .await
        .unwrap();
    let kept = client
        .query("SELECT FROM chatbot_messages WHERE tenant_note = 'kept'", &[])
        .await;
    assert_eq!(kept.unwrap().len(), 4);
    assert!(client.query("SELECT FROM chatbot_sessions", &[]).await.is_err());
}

#[tokio::test]
async fn a_missing_index_is_warned_about_and_built_on_demand() {
    let database = adopted(TABLE).await;
    let adoption = inspect(&database).await.unwrap();
    assert_eq!(adoption.index, IndexState::Missing);
    assert!(adoption.warnings()[0].contains("hearth migrate --index"));
    let config = PostgresConfig::new(database.url());
    assert!(migrate::build_index(&config).await.unwrap());
    assert!(!migrate::build_index(&config).await.unwrap());
    assert_eq!(inspect(&database).await.unwrap().index, IndexState::Usable);
}

#[tokio::test]
async fn an_index_that_was_broken_off_is_built_again() {
    let database = adopted(TABLE).await;
    let client = database.client().await.unwrap();
    client
        .batch_execute(
            "CREATE INDEX chatbot_messages_session ON chatbot_messages (department, user_id, session_id, id DESC);
             UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'chatbot_messages_session'::regclass",
        )
        .await
        .unwrap();
    assert_eq!(inspect(&database).await.unwrap().index, IndexState::Missing);
    assert!(
        migrate::build_index(&PostgresConfig::new(database.url()))
            .await
            .unwrap()
    );
    assert_eq!(inspect(&database).await.unwrap().index, IndexState::Usable);
}

#[tokio::test]
async fn what_does_not_fit_is_named_with_what_mends_it() {
    check_misfit(
        &TABLE.replace("metadata jsonb,", ""),
        "column metadata is missing",
        "ALTER TABLE public.chatbot_messages ADD COLUMN metadata jsonb",
    )
    .await;
    check_misfit(
        &TABLE.replace("created_at timestamptz", "created_at timestamp"),
        "column created_at is of type timestamp",
        "ALTER TABLE public.chatbot_messages ALTER COLUMN created_at \
         TYPE timestamptz USING created_at AT TIME ZONE 'UTC'",
    )
    .await;
    check_misfit(
        &TABLE.replace("id bigserial PRIMARY KEY", "id serial PRIMARY KEY"),
        "column id is of type int4",
        "ALTER TABLE public.chatbot_messages ALTER COLUMN id TYPE bigint",
    )
    .await;
    check_misfit(
        &format!("{TABLE} ALTER SEQUENCE chatbot_messages_id_seq CACHE 10"),
        "CACHE 10",
        "ALTER SEQUENCE chatbot_messages_id_seq CACHE 1",
    )
    .await;
    check_misfit(
        &format!("{TABLE} DROP SEQUENCE chatbot_messages_id_seq CASCADE"),
        "column id is not null and has no default",
        "ALTER TABLE public.chatbot_messages ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY; \
         SELECT setval(pg_get_serial_sequence('public.chatbot_messages', 'id'), \
         (SELECT max(id) FROM public.chatbot_messages))",
    )
    .await;
    check_misfit(
        &format!(
            "{TABLE} ALTER TABLE chatbot_messages ADD COLUMN channel text NOT NULL DEFAULT 'web';
                  ALTER TABLE chatbot_messages ALTER channel DROP DEFAULT"
        ),
        "column channel is not null and has no default",
        "ALTER TABLE public.chatbot_messages ALTER COLUMN channel DROP NOT NULL",
    )
    .await;
    check_misfit(
        &TABLE.replace("metadata jsonb", "metadata jsonb NOT NULL DEFAULT '{}'"),
        "column metadata is not null",
        "ALTER TABLE public.chatbot_messages ALTER COLUMN metadata DROP NOT NULL",
    )
    .await;
}

#[tokio::test]
async fn an_id_that_no_statement_mends_is_sent_to_the_document() {
    let table = TABLE.replace("id bigserial", "id uuid DEFAULT gen_random_uuid()");
    let error = inspect(&adopted(&table).await).await.unwrap_err().to_string();
    assert!(error.contains("column id is of type uuid"), "{error}");
    assert!(error.contains("docs/ADOPTING.md"), "{error}");
}

#[tokio::test]
async fn a_role_is_told_which_privileges_it_lacks() {
    let database = adopted(&format!("{TABLE}{INDEX}")).await;
    let owner = database.client().await.unwrap();
    let role = format!("role_of_{}", database.name().replace('-', "_"));
    let own_tables = "chatbot_sessions, chatbot_requests, chatbot_commits";
    owner
        .batch_execute(&format!(
            "CREATE ROLE {role} LOGIN; GRANT ALL ON {own_tables} TO {role}"
        ))
        .await
        .unwrap();
    let url = database.url().replace("postgres@", &format!("{role}@"));
    let store = PostgresStore::open(&PostgresConfig::new(url), Handle::current()).unwrap();
    let AdoptionError::Misfits { misfits, .. } = store.adoption().await.unwrap_err() else {
        panic!("the role may do nothing");
    };
    let remedies: Vec<&str> = misfits.iter().map(|misfit| misfit.remedy.as_str()).collect();
    assert_eq!(
        remedies,
        [
            format!("GRANT SELECT ON public.chatbot_messages TO {role}"),
            format!("GRANT INSERT ON public.chatbot_messages TO {role}"),
            format!("GRANT USAGE ON SEQUENCE chatbot_messages_id_seq TO {role}"),
        ]
    );
    owner.batch_execute(&remedies.join("; ")).await.unwrap();
    let adoption = store.adoption().await.unwrap();
    assert!(!adoption.erasable);
    assert!(
        adoption.warnings()[0].contains("erasures"),
        "{:?}",
        adoption.warnings()
    );
    append_one(&store, append("s", "works?")).await.unwrap();
    owner
        .batch_execute(&format!("GRANT DELETE ON chatbot_messages TO {role}"))
        .await
        .unwrap();
    assert!(store.adoption().await.unwrap().warnings().is_empty());
    store.erase(&key("s")).await.unwrap();
    drop(store);
    owner
        .batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_sequence_that_only_the_default_names_is_inspected_too() {
    let table = TABLE.replace("id bigserial", "id bigint DEFAULT nextval('numbers')");
    let database = adopted(&format!("CREATE SEQUENCE numbers CACHE 50; {table}")).await;
    let error = inspect(&database).await.unwrap_err().to_string();
    assert!(error.contains("ALTER SEQUENCE numbers CACHE 1"), "{error}");
}

#[tokio::test]
async fn an_inspection_waits_for_no_writer_and_keeps_none_waiting() {
    let database = adopted(TABLE).await;
    let mut writer = database.client().await.unwrap();
    let writing = writer.transaction().await.unwrap();
    writing
        .execute("LOCK TABLE chatbot_messages IN EXCLUSIVE MODE", &[])
        .await
        .unwrap();
    inspect(&database).await.unwrap();
    writing.commit().await.unwrap();
}

#[tokio::test]
async fn a_view_is_served_as_far_as_it_can_be_seen() {
    let database = adopted(&format!(
        "CREATE SCHEMA team;
         SET search_path = team; {TABLE}
         SET search_path = public;
         CREATE VIEW chatbot_messages AS
         SELECT id, department, user_id, session_id, role, content, created_at, metadata FROM team.chatbot_messages"
    ))
    .await;
    let store = store_on(&database);
    let adoption = store.adoption().await.unwrap();
    assert_eq!(adoption.relation, Relation::View);
    assert_eq!(adoption.index, IndexState::NotInspected);
    assert_eq!(adoption.foreign_writers, ForeignWriters::NotCovered);
    assert_eq!(contents(&store, "old").await, ["Hello", "Hi"]);
    append_one(&store, append("old", "through the view"))
        .await
        .unwrap();
    assert_eq!(contents(&store, "old").await.len(), 4);
    migrate::revert_all(&PostgresConfig::new(database.url()))
        .await
        .unwrap();
    let kept = database
        .client()
        .await
        .unwrap()
        .query("SELECT FROM chatbot_messages", &[])
        .await;
    assert_eq!(kept.unwrap().len(), 6);
}

#[tokio::test]
async fn a_database_that_was_never_migrated_is_told_apart() {
    let database = TestDatabase::empty().await.unwrap();
    let error = inspect(&database).await.unwrap_err();
    assert!(matches!(error, AdoptionError::NotMigrated), "{error}");
}
