//! Figures for Prometheus.
//!
//! What the cache, the store and the pool count already is read when somebody asks, so that nothing is counted twice; only requests and
//! model calls are counted here, by atomics that the code which counts holds in its hands. There is no recorder and no registry: both
//! would be a second home for the same figures, and a global one.
//!
//! - `feed`: the connection on which changes are heard.
//! - `histogram`: durations in fixed buckets.
//! - `http`: requests by route, method and class of status; a set for each worker, so that workers share no cache line.
//! - `model`: calls of the model, around whichever is in use.
//! - `text`: the exposition format.
//! - `scrape`: all of it, as one text.

mod feed;
mod histogram;
mod http;
mod model;
mod scrape;
mod text;

use std::sync::Arc;

pub use http::{HttpMetrics, WorkerMetrics, method_name, route_name};
pub use model::{MeasuredModel, ModelMetrics};
pub use scrape::scrape;
pub use text::CONTENT_TYPE;

use crate::log_writer::LogWriter;
use crate::telemetry::Logging;

/// What is counted for a server, beside what its parts count themselves.
#[derive(Debug)]
pub struct Metrics {
    /// Requests.
    pub http: HttpMetrics,
    /// Calls of the model.
    pub model: Arc<ModelMetrics>,
    /// Where log lines go, which counts those that it lost.
    pub log: LogWriter,
}

impl Metrics {
    /// Those of a server that starts now.
    #[must_use]
    pub fn new(logging: &Logging) -> Self {
        Self {
            http: HttpMetrics::default(),
            model: Arc::default(),
            log: logging.writer().clone(),
        }
    }
}
