//! What the tests share: a migrated database of their own, and a store on it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use hearth_postgres::{PostgresConfig, PostgresStore, migrate};
use hearth_testkit::postgres::TestDatabase;
use tokio::runtime::Handle;

/// An empty, migrated database.
pub(crate) async fn migrated() -> TestDatabase {
    let name = format!("postgres_{:x}", migrations_hash());
    TestDatabase::from_template(&name, async |url| {
        migrate::run(&PostgresConfig::new(url)).await?;
        Ok(())
    })
    .await
    .unwrap()
}

/// A store on a database, on the test's own runtime.
pub(crate) fn store_on(database: &TestDatabase) -> PostgresStore {
    PostgresStore::open(&PostgresConfig::new(database.url()), Handle::current()).unwrap()
}

/// A store on an empty database, and the database.
pub(crate) async fn open() -> (PostgresStore, TestDatabase) {
    let database = migrated().await;
    (store_on(&database), database)
}

fn migrations_hash() -> u64 {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|migration| migration.unwrap().path().join("up.sql"))
        .collect();
    files.sort();
    let mut hash = DefaultHasher::new();
    for file in files {
        std::fs::read(file).unwrap().hash(&mut hash);
    }
    hash.finish()
}
