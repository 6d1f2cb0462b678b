//! Opens the store that the settings name.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hearth_postgres::adoption::ForeignWriters;
use hearth_postgres::{AdoptionError, ConfigError, MigrateError, PostgresConfig, PostgresStore, ReplicaId};
use hearth_sqlite::{OpenError, SqliteConfig, SqliteStore};
use secrecy::SecretString;
use tokio::runtime::Handle;

use crate::settings::{self, CoherenceMode, Settings, StoreUrl};
use crate::store::Store;

/// How long a start waits for PostgreSQL.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenStoreError {
    /// The URL of PostgreSQL is not understood.
    #[error("failed to read store.url")]
    Url(#[from] ConfigError),
    /// PostgreSQL cannot be reached, or its tables cannot be brought up to date.
    #[error("failed to prepare PostgreSQL at store.url")]
    Migrate(#[from] MigrateError),
    /// The table of messages cannot be served as it is.
    #[error("failed to open PostgreSQL at store.url")]
    Adopt(#[from] AdoptionError),
    /// The embedded file.
    #[error("failed to open the file at store.url")]
    Sqlite(#[from] OpenError),
    /// The embedded file is not there.
    #[error("there is no database at {}: store.url names it, from the working directory on", .0.display())]
    Missing(PathBuf),
    /// Nothing answered.
    #[error("failed to reach the store at store.url within {0:?}")]
    TimedOut(Duration),
}

/// Refuses an embedded file that is not there: a command that shows what is kept must not make one that has nothing.
///
/// # Errors
///
/// [`OpenStoreError::Missing`].
pub fn must_be_there(settings: &Settings) -> Result<(), OpenStoreError> {
    match &settings.store.url {
        StoreUrl::Sqlite(path) if !path.exists() => Err(OpenStoreError::Missing(path.clone())),
        StoreUrl::Sqlite(_) | StoreUrl::Postgres(_) => Ok(()),
    }
}

/// Opens the store, and brings its tables up to date where the settings say so.
///
/// # Errors
///
/// [`OpenStoreError`], within seconds.
pub async fn open_store(settings: &Settings) -> Result<Store, OpenStoreError> {
    let opening = tokio::time::timeout(CONNECT_TIMEOUT, open(settings));
    opening
        .await
        .unwrap_or(Err(OpenStoreError::TimedOut(CONNECT_TIMEOUT)))
}

async fn open(settings: &Settings) -> Result<Store, OpenStoreError> {
    let commit_queue = settings.limits.commit_queue;
    let notify = match settings.coherence.mode {
        CoherenceMode::Notify => Some(ReplicaId::generate()),
        CoherenceMode::Off => None,
    };
    let settings = &settings.store;
    Ok(match &settings.url {
        StoreUrl::Sqlite(path) => {
            let config = SqliteConfig {
                commit_queue,
                ..sqlite_config(settings, path)
            };
            Store::Sqlite(if settings.migrate {
                SqliteStore::open(config, Handle::current()).await?
            } else {
                SqliteStore::open_without_migrating(config, Handle::current()).await?
            })
        }
        StoreUrl::Postgres(url) => {
            let config = PostgresConfig {
                commit_queue,
                notify,
                ..postgres_config(settings, url)
            };
            if settings.migrate {
                let applied = hearth_postgres::migrate::run(&config).await?;
                if !applied.is_empty() {
                    tracing::info!(?applied, "database migrated");
                }
            }
            let store = PostgresStore::open(&config, Handle::current())?;
            inspect(&store).await?;
            Store::Postgres(store)
        }
    })
}

/// Names what the table of messages lacks; refuses one that cannot be served.
async fn inspect(store: &PostgresStore) -> Result<(), AdoptionError> {
    let adoption = store.adoption().await?;
    for warning in adoption.warnings() {
        tracing::warn!("{warning}");
    }
    if adoption.foreign_writers != ForeignWriters::Trigger {
        tracing::info!(
            table = adoption.name,
            "what other programs write to the table is seen when a session is next loaded: the table has no trigger"
        );
    }
    Ok(())
}

/// How the embedded file is opened.
#[must_use]
pub fn sqlite_config(settings: &settings::Store, path: &Path) -> SqliteConfig {
    SqliteConfig {
        load_timeout: settings.timeout,
        commit_timeout: settings.commit_timeout,
        ..SqliteConfig::new(path)
    }
}

/// How PostgreSQL is reached, by the settings of the store alone.
#[must_use]
pub fn postgres_config(settings: &settings::Store, url: &SecretString) -> PostgresConfig {
    PostgresConfig {
        url: url.clone(),
        pool_size: settings.pool_size,
        load_timeout: settings.timeout,
        commit_timeout: settings.commit_timeout,
        ..PostgresConfig::new(String::new())
    }
}
