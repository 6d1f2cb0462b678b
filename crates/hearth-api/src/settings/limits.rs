//! `[limits]`: how much work is taken on at once.

use serde::Deserialize;

use super::value::within;

/// How much work is taken on at once; what is past it is refused, not queued.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Requests at once.
    #[serde(deserialize_with = "within::<1, 1_000_000, _, _>")]
    pub in_flight: usize,
    /// Sessions that wait for a load.
    #[serde(deserialize_with = "within::<1, 1_000_000, _, _>")]
    pub load_queue: usize,
    /// Turns that wait for their commit.
    #[serde(deserialize_with = "within::<1, 1_000_000, _, _>")]
    pub commit_queue: usize,
}
