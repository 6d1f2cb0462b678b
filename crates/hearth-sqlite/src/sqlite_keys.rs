//! The keys of a database that a server may have open.

use std::sync::Arc;

use diesel::SqliteConnection;
use hearth_domain::ports::{KeyStore, StoreError};
use hearth_domain::{ApiKey, KeyId};
use tokio::runtime::Handle;

use crate::config::SqliteConfig;
use crate::connection::Place;
use crate::error::{Fault, OpenError};
use crate::{api_keys, migrate};

/// The API keys of a database, for a program beside the server that has it open.
///
/// One process a database is the rule, and a lock upholds it: a second one would not hear of the first one's commits. Keys are the
/// exception. Servers ask the store about them again and again, so a change by another process is seen; and the write-ahead log lets processes
/// take turns at writing. Nothing but the table of keys can be reached through this. Each call opens a connection of its own.
#[derive(Debug, Clone)]
pub struct SqliteKeys {
    place: Arc<Place>,
    runtime: Handle,
}

impl SqliteKeys {
    /// Opens the keys. Where `may_migrate`, a database that is missing or not up to date is made or brought there first, for which no server
    /// may have it open.
    ///
    /// # Errors
    ///
    /// [`OpenError`]; [`OpenError::NotMigrated`] where the tables are not up to date, [`OpenError::InUse`] where they would have to be
    /// brought there beside a server.
    pub async fn open(config: SqliteConfig, may_migrate: bool, runtime: Handle) -> Result<Self, OpenError> {
        let opening = runtime.clone().spawn_blocking(move || {
            let place = Place::prepare(&config)?;
            if !is_up_to_date(&place)? {
                if !may_migrate {
                    return Err(OpenError::NotMigrated {
                        path: place.path().to_owned(),
                    });
                }
                migrate::up(&config)?;
            }
            Ok(Self {
                place: Arc::new(place),
                runtime,
            })
        });
        opening.await.unwrap_or(Err(OpenError::RuntimeGone))
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut SqliteConnection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let place = Arc::clone(&self.place);
        let working = self.runtime.spawn_blocking(move || {
            let opened = place.open_writer();
            let mut connection = opened.map_err(|error| StoreError::Unavailable(Box::new(error)))?;
            Ok(work(&mut connection)?)
        });
        let ended = working.await;
        ended.unwrap_or_else(|error| Err(StoreError::Failed(Box::new(error))))
    }
}

fn is_up_to_date(place: &Place) -> Result<bool, OpenError> {
    if !place.path().exists() {
        return Ok(false);
    }
    match migrate::expect_up_to_date(&mut place.open_writer()?, place) {
        Ok(()) => Ok(true),
        Err(OpenError::NotMigrated { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

impl KeyStore for SqliteKeys {
    async fn create_key(&self, key: &ApiKey) -> Result<(), StoreError> {
        let key = key.clone();
        let created = self
            .run(move |connection| api_keys::create(connection, &key))
            .await?;
        if created {
            Ok(())
        } else {
            Err(Fault::KeyTaken.into())
        }
    }

    async fn find_key(&self, id: &KeyId) -> Result<Option<ApiKey>, StoreError> {
        let id = id.clone();
        self.run(move |connection| api_keys::find(connection, &id)).await
    }

    async fn list_keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        self.run(api_keys::list).await
    }

    async fn revoke_key(&self, id: &KeyId) -> Result<bool, StoreError> {
        let id = id.clone();
        self.run(move |connection| api_keys::revoke(connection, &id))
            .await
    }
}
