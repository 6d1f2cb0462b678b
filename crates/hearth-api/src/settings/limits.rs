//! `[limits]`: how much work is taken on at once.

use std::time::Duration;

use serde::Deserialize;

use super::value::{seconds, within};

/// How much work is taken on at once; what is past it is refused, not queued.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Requests a second for each key, or for each address in open mode; 0 = no limit.
    #[serde(deserialize_with = "within::<0, 1_000_000, _, _>")]
    pub requests_per_second: u32,
    /// Requests at once before that rate holds; 0 = as many as in a second.
    #[serde(deserialize_with = "within::<0, 1_000_000, _, _>")]
    pub burst: u32,
    /// Connections at once.
    #[serde(deserialize_with = "within::<1, 1_000_000, _, _>")]
    pub connections: usize,
    /// How long the head of a request may take to arrive.
    #[serde(rename = "head_seconds", deserialize_with = "seconds::<1, 3_600, _>")]
    pub head: Duration,
    /// How long the body of a request may take to arrive.
    #[serde(rename = "body_seconds", deserialize_with = "seconds::<1, 3_600, _>")]
    pub body: Duration,
    /// How long a connection is kept without a request.
    #[serde(rename = "idle_seconds", deserialize_with = "seconds::<1, 3_600, _>")]
    pub idle: Duration,
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
