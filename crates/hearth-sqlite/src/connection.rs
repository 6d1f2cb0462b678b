//! Opening connections: the pragmas on which durability and concurrency stand, in the order that they need.

use std::path::{Path, PathBuf};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::{Connection, QueryableByName, RunQueryDsl, SqliteConnection, sql_types};

use crate::config::SqliteConfig;
use crate::error::OpenError;

/// Where the database is, as SQLite is to be told, and how long it waits for another program's lock.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    path: PathBuf,
    busy_timeout: Duration,
}

impl Place {
    /// Makes the directory and the path absolute: SQLite gives a meaning of its own to names like `:memory:` and `file:…`.
    pub(crate) fn prepare(config: &SqliteConfig) -> Result<Self, OpenError> {
        let path = config.path.as_path();
        let not_a_file = || OpenError::NotAFile {
            path: path.to_owned(),
        };
        let name = path.file_name().ok_or_else(not_a_file)?;
        let text = path.to_str().ok_or_else(not_a_file)?;
        if text.starts_with(':') || text.ends_with('/') || path.is_dir() {
            return Err(not_a_file());
        }
        let unusable = |source| OpenError::Directory {
            path: path.to_owned(),
            source,
        };
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = directory.unwrap_or(Path::new("."));
        std::fs::create_dir_all(directory).map_err(unusable)?;
        // A link to a database is that database: it has one lock and one log, under one name.
        let path = match path.canonicalize() {
            Ok(path) => path,
            Err(_not_there_yet) => directory.canonicalize().map_err(unusable)?.join(name),
        };
        Ok(Self {
            path,
            // Well within the deadline, so that a write which another program keeps out ends as one that is certainly not committed.
            busy_timeout: config.commit_timeout / 2,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The connection that writes. A commit that it has acknowledged survives a loss of power.
    pub(crate) fn open_writer(&self) -> Result<SqliteConnection, OpenError> {
        let mut connection = self.open()?;
        // The log's mode is the file's, kept for good. It needs a lock to be set, hence the wait before it.
        let mode = self.read_pragma(&mut connection, "journal_mode = wal")?;
        if mode != "wal" {
            return Err(OpenError::NoWriteAheadLog {
                path: self.path.clone(),
                mode,
            });
        }
        // `synchronous`: flush the log at each commit, not at checkpoints only. `secure_delete`: what is erased is overwritten.
        self.execute(
            &mut connection,
            "pragma synchronous = full; pragma secure_delete = on;",
        )?;
        Ok(connection)
    }

    /// A connection that reads beside the writer.
    pub(crate) fn open_reader(&self) -> Result<SqliteConnection, OpenError> {
        let mut connection = self.open()?;
        self.execute(
            &mut connection,
            "pragma query_only = on; pragma temp_store = memory;",
        )?;
        Ok(connection)
    }

    fn open(&self) -> Result<SqliteConnection, OpenError> {
        let text = self.path.to_str().ok_or_else(|| OpenError::NotAFile {
            path: self.path.clone(),
        })?;
        let mut connection = SqliteConnection::establish(text).map_err(|error| self.refused(error))?;
        let wait = format!("pragma busy_timeout = {};", self.busy_timeout.as_millis());
        self.execute(&mut connection, &wait)?;
        Ok(connection)
    }

    fn execute(&self, connection: &mut SqliteConnection, statements: &str) -> Result<(), OpenError> {
        connection
            .batch_execute(statements)
            .map_err(|error| self.refused(error))
    }

    fn read_pragma(&self, connection: &mut SqliteConnection, pragma: &str) -> Result<String, OpenError> {
        read_pragma(connection, pragma).map_err(|error| self.refused(error))
    }

    fn refused(&self, source: impl std::error::Error + Send + Sync + 'static) -> OpenError {
        OpenError::Refused {
            path: self.path.clone(),
            source: Box::new(source),
        }
    }
}

#[derive(QueryableByName)]
struct JournalMode {
    #[diesel(sql_type = sql_types::Text)]
    journal_mode: String,
}

fn read_pragma(connection: &mut SqliteConnection, pragma: &str) -> Result<String, diesel::result::Error> {
    diesel::sql_query(format!("pragma {pragma}"))
        .get_result::<JournalMode>(connection)
        .map(|row| row.journal_mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(QueryableByName)]
    struct Number {
        #[diesel(sql_type = sql_types::BigInt)]
        value: i64,
    }

    fn number(connection: &mut SqliteConnection, pragma: &str, column: &str) -> i64 {
        let statement = format!("select {column} as value from pragma_{pragma}");
        diesel::sql_query(statement)
            .get_result::<Number>(connection)
            .unwrap()
            .value
    }

    #[test]
    fn what_the_writer_acknowledges_survives_a_loss_of_power() {
        let directory = tempfile::tempdir().unwrap();
        let config = SqliteConfig::new(directory.path().join("hearth.db"));
        let place = Place::prepare(&config).unwrap();
        let mut writer = place.open_writer().unwrap();
        assert_eq!(read_pragma(&mut writer, "journal_mode").unwrap(), "wal");
        assert_eq!(number(&mut writer, "synchronous", "synchronous"), 2);
        assert_eq!(number(&mut writer, "busy_timeout", "timeout"), 2_500);
        assert_eq!(number(&mut writer, "secure_delete", "secure_delete"), 1);
    }

    #[test]
    fn readers_cannot_write() {
        let directory = tempfile::tempdir().unwrap();
        let config = SqliteConfig::new(directory.path().join("hearth.db"));
        let place = Place::prepare(&config).unwrap();
        place.open_writer().unwrap();
        let mut reader = place.open_reader().unwrap();
        assert_eq!(read_pragma(&mut reader, "journal_mode").unwrap(), "wal");
        assert!(reader.batch_execute("create table t (a)").is_err());
    }

    #[test]
    fn only_files_are_databases() {
        let directory = tempfile::tempdir().unwrap();
        let inside = |name: &str| directory.path().join(name);
        let refused = |path: PathBuf| {
            let error = Place::prepare(&SqliteConfig::new(path.clone())).unwrap_err();
            assert!(
                matches!(error, OpenError::NotAFile { .. }),
                "{} {error:?}",
                path.display()
            );
        };
        refused(PathBuf::new());
        refused(PathBuf::from(":memory:"));
        refused(PathBuf::from(".."));
        refused(directory.path().to_owned());
        refused(inside("data/"));

        std::fs::write(inside("file"), "").unwrap();
        let error = Place::prepare(&SqliteConfig::new(inside("file/hearth.db"))).unwrap_err();
        assert!(matches!(error, OpenError::Directory { .. }), "{error:?}");
        assert!(error.to_string().contains("file/hearth.db"), "{error}");

        let place = Place::prepare(&SqliteConfig::new(inside("a/b/file:x?mode=memory"))).unwrap();
        place.open_writer().unwrap();
        assert!(inside("a/b/file:x?mode=memory").is_file(), "a name is a name");
    }

    #[test]
    fn a_file_that_is_no_database_is_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notes.txt");
        std::fs::write(
            &path,
            "not a database, but long enough to be read as the header of one: ".repeat(20),
        )
        .unwrap();
        let place = Place::prepare(&SqliteConfig::new(&path)).unwrap();
        let error = place.open_writer().map(drop).unwrap_err();
        assert!(matches!(error, OpenError::Refused { .. }), "{error:?}");
        assert!(error.to_string().contains("notes.txt"), "{error}");
    }
}
