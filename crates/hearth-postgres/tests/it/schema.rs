//! The migrations: up, down and up again, by several at once, and next to somebody else's.

use std::fmt::Write;

use hearth_postgres::{PostgresConfig, migrate};
use hearth_testkit::postgres::TestDatabase;
use tokio_postgres::Client;

use crate::support::migrated;

/// Everything that migrations make, as the catalogs have it.
async fn dump(client: &Client) -> Vec<String> {
    let rows = client
        .query(
            "SELECT format('%s.%s %s %s %s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
                           CASE WHEN a.attnotnull THEN 'not null' END, a.attidentity,
                           pg_get_expr(d.adbin, d.adrelid)) || coalesce(' ' || l.collname, '')
             FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
             LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
             LEFT JOIN pg_collation l ON l.oid = a.attcollation
             WHERE c.relnamespace = 'public'::regnamespace
             UNION ALL
             SELECT format('%s %s %s %s', c.relname, c.relkind, c.reloptions, obj_description(c.oid, 'pg_class'))
             FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace
             UNION ALL
             SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
             ORDER BY 1",
            &[],
        )
        .await
        .unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn up_down_and_up_again_end_where_they_began() {
    let database = TestDatabase::empty().await.unwrap();
    let client = database.client().await.unwrap();
    let config = PostgresConfig::new(database.url());
    let versions = migrate::run(&config).await.unwrap();
    assert!(!versions.is_empty());
    let up = dump(&client).await;
    let mut reverted = migrate::revert_all(&config).await.unwrap();
    reverted.reverse();
    assert_eq!(reverted, versions);
    let down = dump(&client).await;
    let left: Vec<&String> = down
        .iter()
        .filter(|line| !line.contains("__diesel_schema_migrations"))
        .collect();
    assert!(left.is_empty(), "{left:#?}");
    assert_eq!(migrate::run(&config).await.unwrap(), versions);
    assert_eq!(dump(&client).await, up);
    assert!(migrate::run(&config).await.unwrap().is_empty());
}

#[tokio::test]
async fn of_several_at_once_one_migrates() {
    let database = TestDatabase::empty().await.unwrap();
    let config = PostgresConfig::new(database.url());
    let (a, b, c) = tokio::join!(
        migrate::run(&config),
        migrate::run(&config),
        migrate::run(&config)
    );
    let ran = [a, b, c].map(|versions| usize::from(!versions.unwrap().is_empty()));
    assert_eq!(ran.iter().sum::<usize>(), 1);
}

#[tokio::test]
async fn a_revert_leaves_other_programs_migrations_alone() {
    let database = TestDatabase::empty().await.unwrap();
    let client = database.client().await.unwrap();
    let config = PostgresConfig::new(database.url());
    migrate::run(&config).await.unwrap();
    client
        .batch_execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('20990101000000')")
        .await
        .unwrap();
    migrate::revert_all(&config).await.unwrap();
    let left = client
        .query_one(
            "SELECT array_agg(version::text) FROM __diesel_schema_migrations",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(left.get::<_, Vec<String>>(0), ["20990101000000"]);
}

#[tokio::test]
async fn the_committed_schema_is_what_the_migrated_database_generates() {
    let database = migrated().await;
    let client = database.client().await.unwrap();
    let mut generated =
        String::from("//! The tables as Diesel sees them, generated from the migrated database.\n");
    for table in ["chatbot_messages", "chatbot_sessions"] {
        generated.push_str(&generate(&client, table).await);
    }
    assert_eq!(generated, include_str!("../../src/schema.rs"));
}

async fn generate(client: &Client, table: &str) -> String {
    let rows = client
        .query(
            "SELECT a.attname::text, initcap(t.typname), a.attnotnull,
                    coalesce(array_position(i.indkey::int2[], a.attnum), -1)
             FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
             JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
             WHERE a.attrelid = $1::text::regclass AND a.attnum > 0 ORDER BY a.attnum",
            &[&table],
        )
        .await
        .unwrap();
    let mut primary_key: Vec<(i32, String)> = rows
        .iter()
        .map(|row| (row.get(3), row.get(0)))
        .filter(|(place, _)| *place >= 0)
        .collect();
    primary_key.sort();
    let primary_key: Vec<String> = primary_key.into_iter().map(|(_, name)| name).collect();
    let mut text = format!(
        "\ndiesel::table! {{\n    {table} ({}) {{\n",
        primary_key.join(", ")
    );
    for row in &rows {
        let (name, type_name): (String, String) = (row.get(0), row.get(1));
        let type_name = if row.get(2) {
            type_name
        } else {
            format!("Nullable<{type_name}>")
        };
        writeln!(text, "        {name} -> {type_name},").unwrap();
    }
    text.push_str("    }\n}\n");
    text
}
