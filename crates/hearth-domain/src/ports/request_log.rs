//! The log of requests with a key: what makes a repeat safe.

use std::future::Future;
use std::time::Duration;

use serde_json::Value;

use crate::ids::SessionId;
use crate::ports::history_store::StoreError;
use crate::request::{BodyHash, ClaimOwner, RequestKey};
use crate::turn::Committed;

/// Keeps requests that came with an `Idempotency-Key`, for all replicas.
///
/// # Contract
///
/// - A request is claimed before work on it begins. While a claim's lease lasts, nobody else is granted it.
/// - The commit of a turn that names its [`Completion`](crate::request::Completion) completes the request in the same transaction, and
///   is refused as [`AppendError::ClaimLost`](super::AppendError::ClaimLost) where the request is not its owner's any more.
/// - An erase of a session, or of its user, blanks the answers of its requests: repeats are told [`Claimed::Erased`].
/// - Time is the store's own, so that replicas need not agree on it.
pub trait RequestLog: Send + Sync + 'static {
    /// Claims a request, or says what became of it. A claim by the owner who has it already renews the lease.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; after [`StoreError::TimedOut`] it may be claimed.
    fn claim(&self, claim: &Claim) -> impl Future<Output = Result<Claimed, StoreError>> + Send;

    /// Completes a request that leaves no turn behind; `false` where it is not its owner's any more.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; after [`StoreError::TimedOut`] it may be completed.
    fn complete(
        &self,
        request: &RequestKey,
        owner: ClaimOwner,
        answer: &Value,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Gives a claim back: nothing was produced, and a repeat may try at once, in the session of this attempt. Does nothing where the request is
    /// not its owner's.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; the lease runs out by itself.
    fn release(
        &self,
        request: &RequestKey,
        owner: ClaimOwner,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Forgets requests that are older than `age` and that nobody works on, at most `limit` of them, and says how many there were.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    fn forget_requests(
        &self,
        age: Duration,
        limit: u16,
    ) -> impl Future<Output = Result<usize, StoreError>> + Send;
}

/// An attempt at a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The request.
    pub request: RequestKey,
    /// All that it says.
    pub body: BodyHash,
    /// The attempt.
    pub owner: ClaimOwner,
    /// The session that it is about: the caller's, or one that was made up for it.
    pub session: SessionId,
    /// How long nobody else may be granted the request.
    pub lease: Duration,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Claimed {
    /// It is the caller's to work on, in this session: that of the first attempt, if there was one.
    Granted {
        /// The session that the request is about.
        session: SessionId,
    },
    /// Somebody else works on it: it may be asked again later.
    Running,
    /// It was answered.
    Answered(PastAnswer),
    /// The key was used before, for a request that says something else.
    OtherBody,
    /// It was answered, and its session was erased since.
    Erased,
}

/// The answer that a request got.
#[derive(Debug, Clone, PartialEq)]
pub struct PastAnswer {
    /// The session that the request was about.
    pub session: SessionId,
    /// What the answer said beside what the commit brought.
    pub answer: Value,
    /// What the commit brought; none where no turn was kept.
    pub committed: Option<Committed>,
}
