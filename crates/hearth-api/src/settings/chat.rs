//! `[chat]`: the chat turn.

use std::time::Duration;

use serde::Deserialize;

use super::value::seconds;

/// How a chat turn is run.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chat {
    /// How long a whole turn may take, the model's answer included.
    #[serde(rename = "turn_seconds_max", deserialize_with = "seconds::<1, 3_600, _>")]
    pub turn_max: Duration,
}
