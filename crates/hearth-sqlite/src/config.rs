//! What the store is told when it is opened.

use std::path::PathBuf;
use std::time::Duration;

/// Where the database is, and how long anybody waits for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqliteConfig {
    /// The database's file; it and its directory are created where they are missing. SQLite keeps two more files beside it, `-wal` and
    /// `-shm`, and Hearth a `.lock`.
    pub path: PathBuf,
    /// A read, its wait for a connection included, takes no longer.
    pub load_timeout: Duration,
    /// A write, its wait for the writer included, takes no longer.
    pub commit_timeout: Duration,
    /// Writes that are taken on at once, at least one: turns past it are refused, other writes wait for a place.
    pub commit_queue: usize,
}

impl SqliteConfig {
    /// This file, with a deadline of two seconds for reads and of five for writes, of which 8,192 may wait.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            load_timeout: Duration::from_secs(2),
            commit_timeout: Duration::from_secs(5),
            commit_queue: 8_192,
        }
    }
}
