//! `[cache]`: which histories are kept in memory.

use std::time::Duration;

use hearth_domain::{Invalid, WindowLimits};
use serde::Deserialize;

use super::value::{Text, minutes, text, within};

/// How histories are read and how much memory they may take.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// How histories are read.
    #[serde(deserialize_with = "text")]
    pub strategy: CacheStrategy,
    /// Responses in a history, at most.
    #[serde(deserialize_with = "within::<1, 1_000, _, _>")]
    pub max_responses: u16,
    /// Messages in a history, at most.
    #[serde(deserialize_with = "within::<1, 8_000, _, _>")]
    pub max_messages: u16,
    /// Mebibytes of histories kept in memory, at most.
    #[serde(deserialize_with = "within::<1, 1_048_576, _, _>")]
    pub budget_mb: u64,
    /// How long an unused session stays loaded.
    #[serde(rename = "idle_minutes", deserialize_with = "minutes::<1, 525_600, _>")]
    pub idle: Duration,
    /// Most recently active sessions that are loaded before the server reports ready.
    #[serde(deserialize_with = "within::<0, 65_535, _, _>")]
    pub warm_start: u16,
}

impl Cache {
    /// How much of a session a history keeps.
    ///
    /// # Errors
    ///
    /// [`Invalid::WindowLimits`], which the bounds of the two settings rule out for a loaded section.
    pub const fn window(&self) -> Result<WindowLimits, Invalid> {
        WindowLimits::new(self.max_responses, self.max_messages)
    }

    /// Bytes of histories kept in memory, at most.
    #[must_use]
    pub const fn budget_bytes(&self) -> u64 {
        self.budget_mb.saturating_mul(1 << 20)
    }
}

/// How histories are read; the API is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheStrategy {
    /// From memory, once the session is loaded.
    MemoryFirst,
    /// From the store, each time.
    PassThrough,
}

impl Text for CacheStrategy {
    const RIGHT: &'static str = "memory_first or pass_through";

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "memory_first" => Ok(Self::MemoryFirst),
            "pass_through" => Ok(Self::PassThrough),
            _ => Err(Self::RIGHT.to_owned()),
        }
    }
}
