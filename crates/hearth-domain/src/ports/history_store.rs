//! The store: what keeps conversations for good.

use std::error::Error;
use std::future::Future;

use crate::history::{History, HistoryError};
use crate::ids::{ConversationKey, Department, MessageId, UserId, Version};
use crate::message::Message;
use crate::turn::{Append, Committed};
use crate::window::WindowLimits;

/// Keeps conversations for good.
///
/// # Contract
///
/// - Every call is by [`ConversationKey`]; keys that differ in any part never meet.
/// - What a call returns was durable before it returned, and is seen by every call that begins afterwards.
/// - A call that is dropped half-way may or may not have happened, but never half-way. Callers that must know run it in a task.
/// - Every call ends within the store's own deadlines, but for a change that has begun: it may be waited for until it is known what came of it.
pub trait HistoryStore: Send + Sync + 'static {
    /// Loads the newest messages of any number of sessions, each with its version from the same snapshot.
    ///
    /// The answer has one entry a key, in the order of `keys`. A session of many thousand rows costs what a short one costs.
    ///
    /// # Errors
    ///
    /// [`StoreError`] for all of the keys. A session that nobody wrote to is no error but [`Lookup::New`].
    fn load(
        &self,
        keys: &[ConversationKey],
        limits: WindowLimits,
    ) -> impl Future<Output = Result<Vec<Lookup>, StoreError>> + Send;

    /// Commits turns, each whole and for good or not at all, and raises its session's version by one for each.
    ///
    /// The answer has one entry a turn, in the order of `appends`; turns of one session are committed in that order. One turn's failure
    /// is not another's. A committed turn reopens a session that was ended. A turn whose `read_version` is at or below what an erase noted is
    /// refused, and so is one whose request is not its owner's any more.
    fn append(&self, appends: &[Append]) -> impl Future<Output = Vec<Result<Committed, AppendError>>> + Send;

    /// Reads a part of a session, whatever its length: at most `limit` messages.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    fn page(
        &self,
        key: &ConversationKey,
        from: PageFrom,
        limit: u16,
    ) -> impl Future<Output = Result<Page, StoreError>> + Send;

    /// Notes that a session is over. Changes nothing that was said; creates nothing where nothing is; may be repeated.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    fn end(&self, key: &ConversationKey) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Erases a session: its rows are gone, its version is raised, and the version before is noted as erased. May be repeated.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing is erased then, unless it is [`StoreError::TimedOut`], after which the erase may still happen.
    fn erase(&self, key: &ConversationKey) -> impl Future<Output = Result<Version, StoreError>> + Send;

    /// Erases all sessions of a user in one transaction, and says which had messages.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing is erased then, unless it is [`StoreError::TimedOut`], after which the erase may still happen.
    fn erase_user(
        &self,
        department: &Department,
        user: &UserId,
    ) -> impl Future<Output = Result<Vec<ConversationKey>, StoreError>> + Send;

    /// Asks whether the store answers.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where it does not.
    fn ping(&self) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// What a store knows of a session. The third outcome, that it could not be asked, is a [`StoreError`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// It has messages.
    Found(History),
    /// It has none: nobody wrote to it, or it was erased. The version may be above zero after an erase.
    New(Version),
}

impl Lookup {
    /// The history of a session with messages, or the fact that it has none.
    #[must_use]
    pub fn of(history: History) -> Self {
        if history.is_empty() && !history.is_truncated() {
            Self::New(history.version())
        } else {
            Self::Found(history)
        }
    }

    /// The history, empty for a new session.
    #[must_use]
    pub fn into_history(self) -> History {
        match self {
            Self::Found(history) => history,
            Self::New(version) => History::empty(version),
        }
    }
}

/// Where a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageFrom {
    /// The newest messages of the session.
    Newest,
    /// The newest messages older than this one.
    Before(MessageId),
    /// The oldest messages of the session.
    Oldest,
    /// The oldest messages newer than this one.
    After(MessageId),
}

/// A part of a session.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The messages, oldest first, however the page was asked for.
    pub messages: Vec<Message>,
    /// Whether there are more messages in the direction that was asked for.
    pub more: bool,
}

/// A store could not do what it was asked; nothing is half done.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, or refuses connections: worth another try later.
    #[error("the store is not available")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// It did not answer in time.
    #[error("the store did not answer in time")]
    TimedOut,
    /// It answered with an error that another try would not mend.
    #[error("the store failed")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
}

impl From<HistoryError> for StoreError {
    fn from(error: HistoryError) -> Self {
        Self::Failed(Box::new(error))
    }
}

/// A turn was not committed, or nobody can say.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The session is not at the version that the caller asked for.
    #[error("the session is at version {current}")]
    VersionConflict {
        /// The version that it has.
        current: Version,
    },
    /// The session was erased since the turn's history was read; nothing was committed.
    #[error("the session was erased")]
    Erased,
    /// The request that the turn completes is somebody else's now, or was completed before; nothing was committed.
    #[error("the request is worked on elsewhere")]
    ClaimLost,
    /// It is certain that nothing was committed.
    #[error("the turn was not committed")]
    NotCommitted(#[source] StoreError),
    /// The store went away between the commit and its answer.
    #[error("it is not known whether the turn was committed")]
    Unknown(#[source] StoreError),
    /// The store has as many turns to commit as it takes on; nothing of this one was done.
    #[error("too many turns wait to be committed")]
    Overloaded,
}
