//! The embedded store keeps every promise of the ports.
#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected stops")]

use hearth_sqlite::{SqliteConfig, SqliteStore};
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
