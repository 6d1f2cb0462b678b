//! What a chat answers.

use std::time::Duration;

use chrono::{DateTime, Utc};
use hearth_cache::Source;
use hearth_domain::ports::Usage;
use hearth_domain::{Committed, ConversationKey, MessageId, Status, TurnId, Version};

/// The answer to a request, and whether it was given before.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The answer.
    pub answer: ChatAnswer,
    /// Whether an earlier attempt at the same request produced it.
    pub replayed: bool,
}

/// The answer to a request, committed unless history was off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatAnswer {
    /// The conversation.
    pub key: ConversationKey,
    /// The turn.
    pub turn: TurnId,
    /// The response.
    pub response: String,
    /// Whether the response is all that was meant to be said.
    pub status: Status,
    /// The model that gave it.
    pub model: String,
    /// The row of the response; none where history was off.
    pub message: Option<MessageId>,
    /// The session's version with this turn; none where history was off.
    pub version: Option<Version>,
    /// What the model was given; none where history was off.
    pub history: Option<HistoryUse>,
    /// The tokens that it took, where the model says so.
    pub usage: Option<Usage>,
    /// The time of the response.
    pub created_at: DateTime<Utc>,
    /// Where the time went; nowhere, for an answer that was given before.
    pub timings: Timings,
}

/// What the model was given of the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryUse {
    /// Where the history came from.
    pub source: Source,
    /// Responses in what the model was given.
    pub responses: u16,
    /// Whether older messages were left out.
    pub truncated: bool,
}

/// Where a turn's time went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timings {
    /// Reading the history.
    pub history: Duration,
    /// Waiting for the model.
    pub model: Duration,
    /// Committing the turn; zero where history was off.
    pub commit: Duration,
}

/// A turn that was appended without a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The turn.
    pub turn: TurnId,
    /// What the commit brought.
    pub committed: Committed,
    /// Whether an earlier attempt at the same request committed it.
    pub replayed: bool,
}
