//! Why a history could not be had.

use std::sync::Arc;

use hearth_domain::Version;
use hearth_domain::ports::StoreError;

/// Why a history could not be had. It is never an empty history instead.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    /// The store failed; every reader who waited for the same load has the same error.
    #[error("the store could not be read")]
    Store(#[source] Arc<StoreError>),
    /// Too many sessions wait for a load.
    #[error("too many sessions wait to be loaded")]
    Overloaded,
    /// The load did not come back in time. It goes on: the next reader may find its result.
    #[error("the history was not loaded in time")]
    TimedOut,
    /// What the store has is older than what was asked for, or changed faster than it could be read.
    #[error("the history is at version {held}")]
    NotFresh {
        /// The newest version that was seen.
        held: Version,
    },
    /// The cache is going away.
    #[error("the cache is shutting down")]
    ShuttingDown,
}

impl ReadError {
    /// Whether the store is away, and not only unable to answer for this session: what is in memory since before may be served then.
    pub(crate) fn is_away(&self) -> bool {
        match self {
            Self::Store(error) => match &**error {
                StoreError::Unavailable(_) | StoreError::TimedOut => true,
                StoreError::Failed(_) => false,
            },
            Self::TimedOut => true,
            Self::Overloaded | Self::NotFresh { .. } | Self::ShuttingDown => false,
        }
    }
}
