//! The store: the ports, each call one job on a connection. No SQL.

use std::sync::Arc;
use std::time::Duration;

use diesel::SqliteConnection;
use hearth_domain::ports::{
    AppendError, Claim, Claimed, HistoryStore, KeptTurn, KeyStore, Lookup, Page, PageFrom, RequestLog,
    SessionCursor, SessionIndex, SessionPage, StoreError, TurnIndex,
};
use hearth_domain::{
    ApiKey, Append, ClaimOwner, Committed, ConversationKey, Department, KeyId, RequestKey, TurnId, UserId,
    Version, WindowLimits,
};
use serde_json::Value;
use tokio::runtime::Handle;

use crate::config::SqliteConfig;
use crate::connection::Place;
use crate::error::{Fault, OpenError};
use crate::file_lock::FileLock;
use crate::lane::Lane;
use crate::writer::{CommitStatus, Writer};
use crate::{api_keys, commit, migrate, read, remove, requests};

/// Connections that read beside the writer: reads of an embedded database are bound by the processor, and few cores are the rule where
/// one is used.
const READERS: usize = 4;

/// The embedded store: one file, one process.
///
/// Clones share the connections. Work runs on the blocking threads of the runtime that was passed in, and a job that has begun
/// runs to its end whether or not its caller waits: a deadline that passes, or a caller that goes away, cuts nothing in half. A write whose
/// deadline passes while it runs may still be committed. Writes that arrive while one transaction is at the disk share the next one.
#[derive(Clone)]
pub struct SqliteStore {
    config: Arc<SqliteConfig>,
    writer: Arc<Writer>,
    readers: Arc<Lane>,
}

impl SqliteStore {
    /// Opens a database, creating the file and its directory where they are missing, and brings its tables up to date.
    ///
    /// # Errors
    ///
    /// [`OpenError`]; [`OpenError::InUse`] where another store, of this process or another one, has it open.
    pub async fn open(config: SqliteConfig, runtime: Handle) -> Result<Self, OpenError> {
        Self::open_with(config, runtime, |writer, place| {
            let applied = migrate::run_pending(writer, place)?;
            if !applied.is_empty() {
                tracing::info!(path = %place.path().display(), ?applied, "database migrated");
            }
            Ok(())
        })
        .await
    }

    /// The same without touching the tables.
    ///
    /// # Errors
    ///
    /// [`OpenError`]; [`OpenError::NotMigrated`] where the tables are not up to date.
    pub async fn open_without_migrating(config: SqliteConfig, runtime: Handle) -> Result<Self, OpenError> {
        Self::open_with(config, runtime, migrate::expect_up_to_date).await
    }

    async fn open_with(
        config: SqliteConfig,
        runtime: Handle,
        prepare: impl FnOnce(&mut SqliteConnection, &Place) -> Result<(), OpenError> + Send + 'static,
    ) -> Result<Self, OpenError> {
        let config = Arc::new(config);
        let opening = runtime.clone().spawn_blocking(move || {
            let place = Place::prepare(&config)?;
            let lock = Arc::new(FileLock::take(place.path())?);
            let mut connection = place.open_writer()?;
            prepare(&mut connection, &place)?;
            Ok(Self::with_writer(config, runtime, place, connection, &lock))
        });
        opening.await.unwrap_or(Err(OpenError::RuntimeGone))
    }

    fn with_writer(
        config: Arc<SqliteConfig>,
        runtime: Handle,
        place: Place,
        connection: SqliteConnection,
        lock: &Arc<FileLock>,
    ) -> Self {
        let writer_place = place.clone();
        let open_writer = Box::new(move || writer_place.open_writer());
        let open_reader = Box::new(move || place.open_reader());
        let writer = Writer::new(&config, runtime.clone(), open_writer, Arc::clone(lock));
        writer.keep(connection);
        Self {
            config,
            writer: Arc::new(writer),
            readers: Lane::new(runtime, READERS, open_reader, Arc::clone(lock)),
        }
    }

    /// How the commits are getting on.
    #[must_use]
    pub fn commit_status(&self) -> CommitStatus {
        self.writer.status()
    }

    async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut SqliteConnection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        Ok(self.readers.run(self.config.load_timeout, job).await?)
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnMut(&mut SqliteConnection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        Ok(self.writer.run(work).await?)
    }

    /// A write that memory must follow.
    async fn change<T: Send + 'static>(
        &self,
        work: impl FnMut(&mut SqliteConnection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        Ok(self.writer.run_to_its_end(work).await?)
    }
}

impl HistoryStore for SqliteStore {
    async fn load(&self, keys: &[ConversationKey], limits: WindowLimits) -> Result<Vec<Lookup>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let keys = keys.to_vec();
        self.read(move |connection| read::load(connection, &keys, limits))
            .await
    }

    async fn append(&self, appends: &[Append]) -> Vec<Result<Committed, AppendError>> {
        commit::append(&self.writer, appends).await
    }

    async fn page(&self, key: &ConversationKey, from: PageFrom, limit: u16) -> Result<Page, StoreError> {
        let key = key.clone();
        self.read(move |connection| read::page(connection, &key, from, limit))
            .await
    }

    async fn end(&self, key: &ConversationKey) -> Result<(), StoreError> {
        let key = key.clone();
        self.change(move |connection| remove::end(connection, &key)).await
    }

    async fn erase(&self, key: &ConversationKey) -> Result<Version, StoreError> {
        let key = key.clone();
        self.change(move |connection| remove::erase(connection, &key))
            .await
    }

    async fn erase_user(
        &self,
        department: &Department,
        user: &UserId,
    ) -> Result<Vec<ConversationKey>, StoreError> {
        let (department, user) = (department.clone(), user.clone());
        self.change(move |connection| remove::erase_user(connection, &department, &user))
            .await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.read(read::ping).await
    }
}

impl SessionIndex for SqliteStore {
    async fn list(
        &self,
        department: &Department,
        user: &UserId,
        after: Option<&SessionCursor>,
        limit: u16,
    ) -> Result<SessionPage, StoreError> {
        let (department, user, after) = (department.clone(), user.clone(), after.cloned());
        self.read(move |connection| read::list(connection, &department, &user, after.as_ref(), limit))
            .await
    }

    async fn recent(&self, limit: u16) -> Result<Vec<ConversationKey>, StoreError> {
        self.read(move |connection| read::recent(connection, limit)).await
    }

    async fn keys(
        &self,
        department: Option<&Department>,
        after: Option<&ConversationKey>,
        limit: u16,
    ) -> Result<Vec<ConversationKey>, StoreError> {
        let (department, after) = (department.cloned(), after.cloned());
        self.read(move |connection| read::keys(connection, department.as_ref(), after.as_ref(), limit))
            .await
    }
}

impl TurnIndex for SqliteStore {
    async fn find_turn(
        &self,
        department: &Department,
        user: &UserId,
        turn: TurnId,
    ) -> Result<Option<KeptTurn>, StoreError> {
        let (department, user) = (department.clone(), user.clone());
        self.read(move |connection| read::turn(connection, &department, &user, turn))
            .await
    }
}

impl RequestLog for SqliteStore {
    async fn claim(&self, claim: &Claim) -> Result<Claimed, StoreError> {
        let claim = claim.clone();
        self.write(move |connection| requests::claim(connection, &claim))
            .await
    }

    async fn complete(
        &self,
        request: &RequestKey,
        owner: ClaimOwner,
        answer: &Value,
    ) -> Result<bool, StoreError> {
        let (request, answer) = (request.clone(), answer.clone());
        self.write(move |connection| requests::complete(connection, &request, owner, &answer, None))
            .await
    }

    async fn release(&self, request: &RequestKey, owner: ClaimOwner) -> Result<(), StoreError> {
        let request = request.clone();
        self.write(move |connection| requests::release(connection, &request, owner))
            .await
    }

    async fn forget_requests(&self, age: Duration, limit: u16) -> Result<usize, StoreError> {
        self.write(move |connection| requests::forget(connection, age, limit))
            .await
    }
}

impl KeyStore for SqliteStore {
    async fn create_key(&self, key: &ApiKey) -> Result<(), StoreError> {
        let key = key.clone();
        let created = self
            .write(move |connection| api_keys::create(connection, &key))
            .await?;
        if created {
            Ok(())
        } else {
            Err(Fault::KeyTaken.into())
        }
    }

    async fn find_key(&self, id: &KeyId) -> Result<Option<ApiKey>, StoreError> {
        let id = id.clone();
        self.read(move |connection| api_keys::find(connection, &id)).await
    }

    async fn list_keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        self.read(api_keys::list).await
    }

    async fn revoke_key(&self, id: &KeyId) -> Result<bool, StoreError> {
        let id = id.clone();
        self.write(move |connection| api_keys::revoke(connection, &id))
            .await
    }
}
