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
    /// Another turn of the session, or the first attempt at the same request, is under way and did not end in time, or too many wait for
    /// it; the model was not asked.
    #[error("failed to get a place: another turn of the session is under way")]
    SessionBusy,
    /// The request's key was used before, for a request that says something else.
    #[error("failed to claim the request: its key was used for another one")]
    KeyReused,
    /// The session was erased: what the turn answers, or the answer that was given before, is gone.
    #[error("failed to keep the turn: the session was erased")]
    SessionErased,
    /// The turn's task was stopped: the process is going away.
    #[error("failed to finish the turn: the server is stopping")]
    Stopped,
}

/// Why a stream cannot be taken up again.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// No turn of this id and this user runs here, or has ended here lately. It may run elsewhere, or be in the store.
    #[error("failed to find the turn here")]
    NotHere,
    /// The turn's session was erased since.
    #[error("failed to resume the turn: its session was erased")]
    Erased,
    /// Whether the turn's session was erased could not be read.
    #[error("failed to read the history")]
    History(#[source] ReadError),
}
