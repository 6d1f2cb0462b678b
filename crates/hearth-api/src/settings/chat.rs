//! `[chat]`: the chat turn.

use std::time::Duration;

use serde::Deserialize;

use super::value::{Text, seconds, text, within};

/// How a chat turn is run.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chat {
    /// How long a whole turn may take, the model's answer included.
    #[serde(rename = "turn_seconds_max", deserialize_with = "seconds::<1, 3_600, _>")]
    pub turn_max: Duration,
    /// What a second turn in one session gets while the first is under way on this replica.
    #[serde(deserialize_with = "text")]
    pub concurrent: Concurrent,
    /// Turns of one session that wait for the one under way, at most.
    #[serde(deserialize_with = "within::<1, 65_536, _, _>")]
    pub queue_max: usize,
}

/// What a second turn in one session gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concurrent {
    /// It waits for its place.
    Queue,
    /// It is refused.
    Reject,
}

impl Text for Concurrent {
    const RIGHT: &'static str = "queue or reject";

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "queue" => Ok(Self::Queue),
            "reject" => Ok(Self::Reject),
            _ => Err(Self::RIGHT.to_owned()),
        }
    }
}
