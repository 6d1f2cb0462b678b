//! The store: what each call of the port asks of the database, and what its rows mean. No SQL, and no driver.

use std::sync::Arc;
use std::time::Duration;

use hearth_domain::ports::{AppendError, HistoryStore, Lookup, Page, PageFrom, StoreError};
use hearth_domain::{
    Append, Committed, ConversationKey, Department, Message, SessionId, UserId, Version, WindowLimits,
};
use tokio::runtime::Handle;

use crate::commit::{CommitStatus, Intake};
use crate::config::{ConfigError, PostgresConfig};
use crate::notice::ReplicaId;
use crate::pool::{Pool, PoolStatus};
use crate::queries::{
    Direction, EndSession, EraseSession, EraseUser, KeyColumns, LoadWindows, MessagePage, Ping,
};
use crate::rows::session::KeyRow;
use crate::rows::{version_of, window};

/// Conversations in PostgreSQL.
///
/// Cheap to clone. Calls may come from any runtime, and may be dropped at any moment: what they began runs to its end on the
/// runtime that [`PostgresStore::open`] was given.
#[derive(Clone)]
pub struct PostgresStore {
    pub(crate) pool: Pool,
    pub(crate) load_timeout: Duration,
    pub(crate) commit_timeout: Duration,
    replica: Option<ReplicaId>,
    intake: Arc<Intake>,
}

impl PostgresStore {
    /// A store whose connections are opened and driven on `handle`, which should be a multi-thread runtime. Connects when first used:
    /// [`ping`](HistoryStore::ping) says whether it can.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] where the configuration makes no sense.
    pub fn open(config: &PostgresConfig, handle: Handle) -> Result<Self, ConfigError> {
        let pool = Pool::new(config, handle.clone())?;
        Ok(Self {
            intake: Arc::new(Intake::open(config, &pool, handle)?),
            pool,
            load_timeout: config.load_timeout,
            commit_timeout: config.commit_timeout,
            replica: config.notify,
        })
    }

    /// How full the pool is. Asks nobody.
    #[must_use]
    pub fn pool_status(&self) -> PoolStatus {
        self.pool.status()
    }

    /// How the commits are getting on. Asks nobody.
    #[must_use]
    pub fn commit_status(&self) -> CommitStatus {
        self.intake.status()
    }

    /// The name under which others are told of what is committed here, where they are told.
    #[must_use]
    pub const fn replica_id(&self) -> Option<ReplicaId> {
        self.replica
    }

    fn replica(&self) -> Option<String> {
        self.replica.map(ReplicaId::to_text)
    }
}

impl HistoryStore for PostgresStore {
    async fn load(&self, keys: &[ConversationKey], limits: WindowLimits) -> Result<Vec<Lookup>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut columns = KeyColumns::default();
        columns.extend(keys);
        let load = LoadWindows {
            keys: columns,
            rows: limits.rows_to_read(),
        };
        let rows = self.pool.run_read(load, self.load_timeout).await?;
        window::lookups(rows, keys.len(), limits)
    }

    async fn append(&self, appends: &[Append]) -> Vec<Result<Committed, AppendError>> {
        self.intake.append(appends).await
    }

    async fn page(&self, key: &ConversationKey, from: PageFrom, limit: u16) -> Result<Page, StoreError> {
        let direction = match from {
            PageFrom::Newest => Some(Direction::Back(i64::MAX)),
            PageFrom::Before(id) => id.0.checked_sub(1).map(Direction::Back),
            PageFrom::Oldest => Some(Direction::Forth(i64::MIN)),
            PageFrom::After(id) => id.0.checked_add(1).map(Direction::Forth),
        };
        let Some(direction) = direction else {
            return Ok(Page {
                messages: Vec::new(),
                more: false,
            });
        };
        let page = MessagePage {
            key: KeyRow::of(key),
            direction,
            // One more than is shown tells whether there are more.
            limit: i64::from(limit) + 1,
        };
        let mut rows = self.pool.run_read(page, self.load_timeout).await?;
        let more = rows.len() > usize::from(limit);
        rows.truncate(usize::from(limit));
        if matches!(direction, Direction::Back(_)) {
            rows.reverse();
        }
        let messages = rows
            .into_iter()
            .map(Message::try_from)
            .collect::<Result<_, _>>()?;
        Ok(Page { messages, more })
    }

    async fn end(&self, key: &ConversationKey) -> Result<(), StoreError> {
        let end = EndSession {
            key: KeyRow::of(key),
            replica: self.replica(),
        };
        Ok(self.pool.run_to_its_end(end, self.commit_timeout).await?)
    }

    async fn erase(&self, key: &ConversationKey) -> Result<Version, StoreError> {
        let erase = EraseSession {
            key: KeyRow::of(key),
            replica: self.replica(),
        };
        let version = self.pool.run_to_its_end(erase, self.commit_timeout).await?;
        Ok(version_of(version)?)
    }

    async fn erase_user(
        &self,
        department: &Department,
        user: &UserId,
    ) -> Result<Vec<ConversationKey>, StoreError> {
        let erase = EraseUser {
            department: department.as_str().to_owned(),
            user_id: user.as_str().to_owned(),
            replica: self.replica(),
        };
        let had_messages = self.pool.run_to_its_end(erase, self.commit_timeout).await?;
        let key = |session: String| {
            let session = SessionId::new(session).ok()?;
            Some(ConversationKey::new(department.clone(), user.clone(), session))
        };
        Ok(had_messages.into_iter().filter_map(key).collect())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(self.pool.run_read(Ping, self.load_timeout).await?)
    }
}
