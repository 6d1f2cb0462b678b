//! Why a chat turn did not come to its end.

use hearth_cache::ReadError;
use hearth_domain::ports::{AppendError, ModelError, StoreError};

/// Why a chat turn did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// The history could not be read; the model was not asked.
    #[error("failed to read the history")]
    History(#[source] ReadError),
    /// The store is known to be away: an answer could not be kept, so the model was not asked.
    #[error("failed to reach the store before asking the model")]
    StoreAway(#[source] StoreError),
    /// The model gave no answer; nothing was committed.
    #[error("failed to get an answer")]
    Model(#[source] ModelError),
    /// The turn was not committed, or it is not known whether it was.
    #[error("failed to commit the turn")]
    Commit(#[source] AppendError),
    /// The turn's task was stopped: the process is going away.
    #[error("failed to finish the turn: the server is stopping")]
    Stopped,
}
