//! Group commit: how turns become durable.
//!
//! - `queue`: turns wait in the order of arrival, those of one session behind its batch under way.
//! - `committer`: takes what has gathered, commits it, takes the next. No timer: with nothing under way it begins at once.
//! - `batch`: one statement's turns, and what each is told.
//! - `resolve`: a statement is executed until its outcome is known.
//! - `turn`: a turn on its way, which is answered whatever happens.

mod batch;
mod committer;
mod intake;
mod outcome;
mod queue;
mod resolve;
mod turn;

pub(crate) use intake::Intake;

/// How the commits are getting on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitStatus {
    /// Turns that were accepted and have no outcome yet, those at the database included.
    pub queued_turns: usize,
    /// Batches that were committed since the store was opened; each was one transaction.
    pub batches: u64,
    /// Turns that were committed since the store was opened.
    pub turns: u64,
}
