//! `[prompt]`: what a model is given.

use serde::Deserialize;

use super::value::within;

/// What a model is given.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prompt {
    /// Tokens in a prompt, at most, by an estimate; 0 = what the window holds.
    #[serde(deserialize_with = "within::<0, 100_000_000, _, _>")]
    pub max_tokens: u32,
}
