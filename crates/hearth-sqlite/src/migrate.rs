//! The tables, made and changed by embedded migrations. Each runs in a transaction of its own and has its way back.
//!
//! The functions block; the store's own start runs them on a blocking thread.

use diesel::SqliteConnection;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::config::SqliteConfig;
use crate::connection::Place;
use crate::error::OpenError;
use crate::file_lock::FileLock;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// Brings a database up to date, creating it where it is missing, and returns the names of the migrations that ran.
///
/// # Errors
///
/// [`OpenError`]; [`OpenError::InUse`] where a store has it open.
pub fn up(config: &SqliteConfig) -> Result<Vec<String>, OpenError> {
    with_writer(config, run_pending)
}

/// Takes all migrations back, and all conversations with them; returns the names of those that were taken back.
///
/// # Errors
///
/// [`OpenError`]; [`OpenError::InUse`] where a store has it open.
pub fn down(config: &SqliteConfig) -> Result<Vec<String>, OpenError> {
    with_writer(config, |connection, place| {
        let reverted = connection.revert_all_migrations(MIGRATIONS);
        let reverted = reverted.map_err(|source| failed(place, source))?;
        Ok(reverted.iter().map(ToString::to_string).collect())
    })
}

pub(crate) fn run_pending(
    connection: &mut SqliteConnection,
    place: &Place,
) -> Result<Vec<String>, OpenError> {
    let applied = connection.run_pending_migrations(MIGRATIONS);
    let applied = applied.map_err(|source| failed(place, source))?;
    Ok(applied.iter().map(ToString::to_string).collect())
}

/// Refuses a database that lacks migrations.
pub(crate) fn expect_up_to_date(connection: &mut SqliteConnection, place: &Place) -> Result<(), OpenError> {
    match connection.has_pending_migration(MIGRATIONS) {
        Ok(false) => Ok(()),
        Ok(true) => Err(OpenError::NotMigrated {
            path: place.path().to_owned(),
        }),
        Err(source) => Err(failed(place, source)),
    }
}

fn with_writer<T>(
    config: &SqliteConfig,
    work: impl FnOnce(&mut SqliteConnection, &Place) -> Result<T, OpenError>,
) -> Result<T, OpenError> {
    let place = Place::prepare(config)?;
    let _lock = FileLock::take(place.path())?;
    work(&mut place.open_writer()?, &place)
}

fn failed(place: &Place, source: Box<dyn std::error::Error + Send + Sync>) -> OpenError {
    OpenError::Migrate {
        path: place.path().to_owned(),
        source,
    }
}
