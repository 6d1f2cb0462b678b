//! What a chat is told when it is made.

use std::time::Duration;

use crate::prompt::PromptConfig;

/// What a chat is told when it is made. The defaults are those of Hearth's settings.
#[derive(Debug, Clone)]
pub struct ChatConfig {
    /// How long a turn may take until the model has answered: waiting for its place in the session, reading the history, and the model.
    pub turn_timeout: Duration,
    /// What a second turn in one session gets while the first is under way here.
    pub concurrent: Concurrent,
    /// Turns of one session that wait for the one under way, at most; and repeats of one request that wait for the first.
    pub queue_max: usize,
    /// How long nobody else is granted a request with a key. At least `turn_timeout`, the store's deadline for a commit and some seconds
    /// more: with less, a slow turn is run twice and committed once.
    pub request_lease: Duration,
    /// A request with a key is forgotten when it is so old.
    pub request_age_max: Duration,
    /// Answers whose commit failed that are kept in memory for their repeats, at most.
    pub held_answers_max: usize,
    /// Bytes of such answers, at most.
    pub held_bytes_max: usize,
    /// How long the events of a finished stream can be asked for again.
    pub finished_streams_age_max: Duration,
    /// Bytes of finished streams that are kept for that, at most.
    pub finished_streams_bytes_max: usize,
    /// What prompts are made of beside the conversation.
    pub prompt: PromptConfig,
}

/// What a second turn in one session gets while the first is under way on this replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Concurrent {
    /// It waits for its place, in the order of arrival.
    #[default]
    Queue,
    /// It is refused.
    Reject,
}

impl Default for ChatConfig {
    fn default() -> Self {
        Self {
            turn_timeout: Duration::from_mins(2),
            concurrent: Concurrent::Queue,
            queue_max: 128,
            request_lease: Duration::from_secs(145),
            request_age_max: Duration::from_hours(24),
            held_answers_max: 4_096,
            held_bytes_max: 64 << 20,
            finished_streams_age_max: Duration::from_mins(5),
            finished_streams_bytes_max: 32 << 20,
            prompt: PromptConfig::default(),
        }
    }
}
