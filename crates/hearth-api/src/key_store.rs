//! The keys of the store that the settings name, for commands that run beside a server.

use hearth_domain::ports::{KeyStore, StoreError};
use hearth_domain::{ApiKey, KeyId};
use hearth_postgres::PostgresStore;
use hearth_sqlite::SqliteKeys;
use tokio::runtime::Handle;

use crate::open_store::{CONNECT_TIMEOUT, OpenStoreError, postgres_config, sqlite_config};
use crate::settings::{Settings, StoreUrl};

/// The keys of the store that the settings name.
pub enum Keys {
    /// Those of a database of PostgreSQL.
    Postgres(PostgresStore),
    /// Those of an embedded file, which a server may have open.
    Sqlite(SqliteKeys),
}

/// Opens the keys, and brings the tables up to date where the settings say so.
///
/// # Errors
///
/// [`OpenStoreError`], within seconds.
pub async fn open_keys(settings: &Settings) -> Result<Keys, OpenStoreError> {
    let opening = tokio::time::timeout(CONNECT_TIMEOUT, open(settings));
    opening
        .await
        .unwrap_or(Err(OpenStoreError::TimedOut(CONNECT_TIMEOUT)))
}

async fn open(settings: &Settings) -> Result<Keys, OpenStoreError> {
    let settings = &settings.store;
    Ok(match &settings.url {
        StoreUrl::Sqlite(path) => {
            let config = sqlite_config(settings, path);
            Keys::Sqlite(SqliteKeys::open(config, settings.migrate, Handle::current()).await?)
        }
        StoreUrl::Postgres(url) => {
            let config = postgres_config(settings, url);
            if settings.migrate {
                hearth_postgres::migrate::run(&config).await?;
            }
            Keys::Postgres(PostgresStore::open(&config, Handle::current())?)
        }
    })
}

impl KeyStore for Keys {
    async fn create_key(&self, key: &ApiKey) -> Result<(), StoreError> {
        match self {
            Self::Postgres(store) => store.create_key(key).await,
            Self::Sqlite(keys) => keys.create_key(key).await,
        }
    }

    async fn find_key(&self, id: &KeyId) -> Result<Option<ApiKey>, StoreError> {
        match self {
            Self::Postgres(store) => store.find_key(id).await,
            Self::Sqlite(keys) => keys.find_key(id).await,
        }
    }

    async fn list_keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        match self {
            Self::Postgres(store) => store.list_keys().await,
            Self::Sqlite(keys) => keys.list_keys().await,
        }
    }

    async fn revoke_key(&self, id: &KeyId) -> Result<bool, StoreError> {
        match self {
            Self::Postgres(store) => store.revoke_key(id).await,
            Self::Sqlite(keys) => keys.revoke_key(id).await,
        }
    }
}
