//! What goes wrong, and the one table from SQLite's errors to [`StoreError`].

use std::path::PathBuf;
use std::sync::Arc;

use diesel::result::Error as DieselError;
use hearth_domain::HistoryError;
use hearth_domain::ports::StoreError;

/// A database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The path names no file on a disk: it is empty, ends in a separator, is not UTF-8, or asks for a database in memory.
    #[error("{} is not the path of a database file", path.display())]
    NotAFile {
        /// The path as configured.
        path: PathBuf,
    },
    /// The file's directory could not be created or entered.
    #[error("the directory of {} cannot be used", path.display())]
    Directory {
        /// The database's file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Another process has it open.
    #[error("{} is in use by another process, which holds {}", path.display(), lock.display())]
    InUse {
        /// The database's file.
        path: PathBuf,
        /// The file whose lock says so.
        lock: PathBuf,
    },
    /// The lock's file could not be created or locked.
    #[error("{} cannot be locked", lock.display())]
    Lock {
        /// The file.
        lock: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// SQLite refuses the file.
    #[error("{} cannot be opened", path.display())]
    Refused {
        /// The database's file.
        path: PathBuf,
        /// Why, in SQLite's words.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file's place does not allow a write-ahead log, as some network file systems do not.
    #[error("{} cannot have a write-ahead log: its journal mode is {mode}", path.display())]
    NoWriteAheadLog {
        /// The database's file.
        path: PathBuf,
        /// The mode that it has instead.
        mode: String,
    },
    /// The tables could not be created or changed.
    #[error("the tables of {} cannot be brought up to date", path.display())]
    Migrate {
        /// The database's file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The tables are missing or older than this program.
    #[error("the tables of {} are not up to date and were not to be migrated: run `hearth migrate`", path.display())]
    NotMigrated {
        /// The database's file.
        path: PathBuf,
    },
    /// The runtime that was passed in is shutting down.
    #[error("the runtime is shutting down")]
    RuntimeGone,
}

/// A job on a connection failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("the database failed: {0}")]
    Database(#[from] DieselError),
    #[error("the commit failed: {0}")]
    Commit(#[source] DieselError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error("row {id} of chatbot_messages has an unusable {column}")]
    Message { id: i64, column: &'static str },
    #[error("a row of chatbot_sessions has an unusable {column}")]
    Session { column: &'static str },
    #[error("a row of chatbot_requests has an unusable {column}")]
    Request { column: &'static str },
    #[error("a row of hearth_keys has an unusable {column}")]
    Key { column: &'static str },
    #[error("the id of the key is taken")]
    KeyTaken,
    #[error("a job on the database broke off")]
    BrokeOff,
}

/// What SQLite says of a condition outside it, which may pass: a full disk is emptied, another program's lock goes away.
///
/// The texts are those of `sqlite3_errstr`; diesel passes on no codes.
const CONDITIONS_THAT_PASS: [&str; 7] = [
    "database is locked",
    "database table is locked",
    "database or disk is full",
    "attempt to write a readonly database",
    "unable to open database file",
    "disk I/O error",
    "locking protocol",
];

const IO_ERROR: &str = "disk I/O error";

impl Fault {
    fn message(&self) -> Option<&str> {
        let (Self::Database(error) | Self::Commit(error)) = self else {
            return None;
        };
        let error = if let DieselError::RollbackErrorOnCommit { commit_error, .. } = error {
            commit_error
        } else {
            error
        };
        if let DieselError::DatabaseError(_, information) = error {
            Some(information.message())
        } else {
            None
        }
    }

    fn says(&self, text: &str) -> bool {
        self.message().is_some_and(|message| message.contains(text))
    }

    /// The same failure, met when everything was written and only the commit was left.
    pub(crate) fn at_commit(self) -> Self {
        if let Self::Database(error) = self {
            Self::Commit(error)
        } else {
            self
        }
    }

    pub(crate) const fn is_at_commit(&self) -> bool {
        matches!(self, Self::Commit(_))
    }

    /// Whether it comes from outside, so that no other turn would fare better.
    pub(crate) fn is_of_the_outside(&self) -> bool {
        matches!(self, Self::Open(_) | Self::BrokeOff)
            || CONDITIONS_THAT_PASS.iter().any(|text| self.says(text))
    }

    /// Whether a commit that failed so may have reached the disk nevertheless: its last step is a flush, whose failure says nothing of
    /// what was written. A job that broke off left no word at all.
    pub(crate) fn leaves_a_commit_open(&self) -> bool {
        matches!(self, Self::BrokeOff) || (matches!(self, Self::Commit(_)) && self.says(IO_ERROR))
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        shared(&Arc::new(fault))
    }
}

/// The table, for a failure that many turns share.
pub(crate) fn shared(fault: &Arc<Fault>) -> StoreError {
    let source = Box::new(Arc::clone(fault));
    if fault.is_of_the_outside() {
        StoreError::Unavailable(source)
    } else {
        StoreError::Failed(source)
    }
}

#[cfg(test)]
mod tests {
    use diesel::result::DatabaseErrorKind;

    use super::*;

    #[test]
    fn conditions_that_pass_are_unavailability() {
        let check = |message: &str, passes: bool| {
            let error = DieselError::DatabaseError(DatabaseErrorKind::Unknown, Box::new(message.to_owned()));
            let error = StoreError::from(Fault::from(error));
            assert_eq!(matches!(error, StoreError::Unavailable(_)), passes, "{message}");
        };
        check("database is locked", true);
        check("database or disk is full", true);
        check("attempt to write a readonly database", true);
        check("disk I/O error", true);
        check("database disk image is malformed", false);
        check("file is not a database", false);
        check("no such table: chatbot_messages", false);
        check("CHECK constraint failed: role", false);
    }

    #[test]
    fn only_an_io_error_leaves_a_commit_open() {
        let error = |message: &str| {
            DieselError::DatabaseError(DatabaseErrorKind::Unknown, Box::new(message.to_owned()))
        };
        assert!(Fault::Commit(error("disk I/O error")).leaves_a_commit_open());
        assert!(!Fault::Commit(error("database or disk is full")).leaves_a_commit_open());
        assert!(!Fault::Database(error("disk I/O error")).leaves_a_commit_open());
    }
}
