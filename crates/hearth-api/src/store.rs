//! The store in use: the one place where the backends are named together.

use std::time::Duration;

use hearth_domain::ports::{
    AppendError, Claim, Claimed, HistoryStore, KeptTurn, KeyStore, Lookup, Page, PageFrom, RequestLog,
    SessionCursor, SessionIndex, SessionPage, StoreError, TurnIndex,
};
use hearth_domain::{
    ApiKey, Append, ClaimOwner, Committed, ConversationKey, Department, KeyId, RequestKey, TurnId, UserId,
    Version, WindowLimits,
};
use hearth_postgres::adoption::ForeignWriters;
use hearth_postgres::{PostgresStore, ReplicaId};
use hearth_sqlite::SqliteStore;
use serde_json::Value;

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

/// The commits of a store that groups them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commits {
    /// Turns that were accepted and have no outcome yet.
    pub queued_turns: usize,
    /// Batches that were committed.
    pub batches: u64,
    /// Turns that were committed.
    pub turns: u64,
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

    /// Whether other processes may serve from it, too.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        match self {
            Self::Postgres(_) => true,
            Self::Sqlite(_) => false,
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

    /// The name under which other servers are told of what is committed here, where they are told.
    #[must_use]
    pub const fn replica(&self) -> Option<ReplicaId> {
        match self {
            Self::Postgres(store) => store.replica_id(),
            Self::Sqlite(_) => None,
        }
    }

    /// Whether the table tells of what other programs write to it; nothing where that cannot be asked now.
    pub async fn has_trigger(&self) -> Option<bool> {
        match self {
            Self::Postgres(store) => {
                let adoption = store.adoption().await.ok()?;
                Some(adoption.foreign_writers == ForeignWriters::Trigger)
            }
            Self::Sqlite(_) => Some(false),
        }
    }

    /// How the commits are getting on, where they are grouped.
    #[must_use]
    pub fn commits(&self) -> Option<Commits> {
        match self {
            Self::Postgres(store) => {
                let status = store.commit_status();
                Some(Commits {
                    queued_turns: status.queued_turns,
                    batches: status.batches,
                    turns: status.turns,
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

impl RequestLog for Store {
    async fn claim(&self, claim: &Claim) -> Result<Claimed, StoreError> {
        either!(self.claim(claim))
    }

    async fn complete(
        &self,
        request: &RequestKey,
        owner: ClaimOwner,
        answer: &Value,
    ) -> Result<bool, StoreError> {
        either!(self.complete(request, owner, answer))
    }

    async fn release(&self, request: &RequestKey, owner: ClaimOwner) -> Result<(), StoreError> {
        either!(self.release(request, owner))
    }

    async fn forget_requests(&self, age: Duration, limit: u16) -> Result<usize, StoreError> {
        either!(self.forget_requests(age, limit))
    }
}

impl KeyStore for Store {
    async fn create_key(&self, key: &ApiKey) -> Result<(), StoreError> {
        either!(self.create_key(key))
    }

    async fn find_key(&self, id: &KeyId) -> Result<Option<ApiKey>, StoreError> {
        either!(self.find_key(id))
    }

    async fn list_keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        either!(self.list_keys())
    }

    async fn revoke_key(&self, id: &KeyId) -> Result<bool, StoreError> {
        either!(self.revoke_key(id))
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

impl TurnIndex for Store {
    async fn find_turn(
        &self,
        department: &Department,
        user: &UserId,
        turn: TurnId,
    ) -> Result<Option<KeptTurn>, StoreError> {
        either!(self.find_turn(department, user, turn))
    }
}
