//! `[store]`: where conversations are kept for good.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::store_url::StoreUrl;
use super::value::{boolean, milliseconds, text, within};

/// Where conversations are kept, and how long the store may take.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// The store; what `url_file` holds, where that is set.
    #[serde(deserialize_with = "text")]
    pub url: StoreUrl,
    /// The file that `url` was read from.
    #[serde(deserialize_with = "text")]
    pub url_file: Option<PathBuf>,
    /// PostgreSQL connections.
    #[serde(deserialize_with = "within::<1, 1_000, _, _>")]
    pub pool_size: usize,
    /// How long a load may take.
    #[serde(rename = "timeout_ms", deserialize_with = "milliseconds::<1, 600_000, _>")]
    pub timeout: Duration,
    /// How long a commit may take.
    #[serde(
        rename = "commit_timeout_ms",
        deserialize_with = "milliseconds::<1, 600_000, _>"
    )]
    pub commit_timeout: Duration,
    /// Whether a start brings the tables up to date.
    #[serde(deserialize_with = "boolean")]
    pub migrate: bool,
}
