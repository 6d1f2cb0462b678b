//! The store in use: the one place where the backends are named together.

use hearth_domain::ports::{
    AppendError, HistoryStore, Lookup, Page, PageFrom, SessionCursor, SessionIndex, SessionPage, StoreError,
};
use hearth_domain::{Append, Committed, ConversationKey, Department, UserId, Version, WindowLimits};
use hearth_postgres::PostgresStore;
use hearth_sqlite::SqliteStore;

/// The store in use.
pub enum Store {
    /// PostgreSQL.
    Postgres(PostgresStore),
    /// The embedded file.
    Sqlite(SqliteStore),
}

/// The connections of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// Connections that are open.
    pub size: usize,
    /// Of those, the ones that nobody uses now.
    pub idle: usize,
}

impl Store {
    /// The name of the kind, as health shows it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Postgres(_) => "postgres",
            Self::Sqlite(_) => "sqlite",
        }
    }

    /// The word that the strategy's name ends with.
    #[must_use]
    pub const fn warm_up_name(&self) -> &'static str {
        match self {
            Self::Postgres(_) => "memory_first_with_postgresql_warmup",
            Self::Sqlite(_) => "memory_first_with_sqlite_warmup",
        }
    }

    /// The connections, where there is a pool.
    #[must_use]
    pub fn pool(&self) -> Option<Pool> {
        match self {
            Self::Postgres(store) => {
                let status = store.pool_status();
                Some(Pool {
                    size: status.size,
                    idle: status.idle,
                })
            }
            Self::Sqlite(_) => None,
        }
    }
}

/// Asks whichever store it is.
macro_rules! either {
    ($self:ident.$method:ident($($argument:expr),*)) => {
        match $self {
            Self::Postgres(store) => store.$method($($argument),*).await,
            Self::Sqlite(store) => store.$method($($argument),*).await,
        }
    };
}

impl HistoryStore for Store {
    async fn load(&self, keys: &[ConversationKey], limits: WindowLimits) -> Result<Vec<Lookup>, StoreError> {
        either!(self.load(keys, limits))
    }

    async fn append(&self, appends: &[Append]) -> Vec<Result<Committed, AppendError>> {
        either!(self.append(appends))
    }

    async fn page(&self, key: &ConversationKey, from: PageFrom, limit: u16) -> Result<Page, StoreError> {
        either!(self.page(key, from, limit))
    }

    async fn end(&self, key: &ConversationKey) -> Result<(), StoreError> {
        either!(self.end(key))
    }

    async fn erase(&self, key: &ConversationKey) -> Result<Version, StoreError> {
        either!(self.erase(key))
    }

    async fn erase_user(
        &self,
        department: &Department,
        user: &UserId,
    ) -> Result<Vec<ConversationKey>, StoreError> {
        either!(self.erase_user(department, user))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        either!(self.ping())
    }
}

impl SessionIndex for Store {
    async fn list(
        &self,
        department: &Department,
        user: &UserId,
        after: Option<&SessionCursor>,
        limit: u16,
    ) -> Result<SessionPage, StoreError> {
        either!(self.list(department, user, after, limit))
    }

    async fn recent(&self, limit: u16) -> Result<Vec<ConversationKey>, StoreError> {
        either!(self.recent(limit))
    }

    async fn keys(
        &self,
        department: Option<&Department>,
        after: Option<&ConversationKey>,
        limit: u16,
    ) -> Result<Vec<ConversationKey>, StoreError> {
        either!(self.keys(department, after, limit))
    }
}
