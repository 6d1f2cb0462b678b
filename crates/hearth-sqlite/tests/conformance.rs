//! The embedded store keeps every promise of the ports.
#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected stops")]

use hearth_sqlite::{SqliteConfig, SqliteKeys, SqliteStore};
use tempfile::TempDir;
use tokio::runtime::Handle;

async fn open() -> (SqliteStore, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let config = SqliteConfig::new(directory.path().join("hearth.db"));
    (
        SqliteStore::open(config, Handle::current()).await.unwrap(),
        directory,
    )
}

hearth_testkit::conformance!(open);
hearth_testkit::conformance_keys!(open);

/// The keys of a database that a server has open keep the promises of the port, too.
mod beside_a_server {
    use super::*;

    async fn open() -> (SqliteKeys, (SqliteStore, TempDir)) {
        let (server, directory) = super::open().await;
        let config = SqliteConfig::new(directory.path().join("hearth.db"));
        let keys = SqliteKeys::open(config, true, Handle::current()).await.unwrap();
        (keys, (server, directory))
    }

    hearth_testkit::conformance_keys!(open);
}
