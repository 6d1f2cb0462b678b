//! A build that exports no spans.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::HeaderMap;
use actix_web::http::{Method, StatusCode};
use hearth_chat::TurnObserver;
use tokio::runtime::Handle;

use super::SpansError;
use crate::routes::RouteIndex;
use crate::settings::Log;
use crate::trace_context::TraceId;

/// The spans of a server's requests: none.
#[derive(Debug, Default)]
pub struct Spans(());

/// The span of a request; there is none.
#[derive(Debug)]
pub struct RequestSpan(());

impl Spans {
    /// Exports nothing: settings that were loaded name no endpoint in this build.
    ///
    /// # Errors
    ///
    /// None.
    pub const fn start(_log: &Log, _runtime: &Handle) -> Result<Self, SpansError> {
        Ok(Self(()))
    }

    /// Whether spans are exported.
    #[must_use]
    pub const fn are_exported(&self) -> bool {
        false
    }

    /// Begins nothing.
    #[must_use]
    pub const fn begin(&self, _method: &Method, _headers: &HeaderMap, _ago: Duration) -> Option<RequestSpan> {
        None
    }

    /// There is nothing to stop.
    pub async fn stop(&self) {}
}

impl RequestSpan {
    /// Nobody is told of a turn's steps.
    #[must_use]
    pub const fn observer(&self) -> Option<Arc<dyn TurnObserver>> {
        None
    }

    /// It has no trace of its own.
    #[must_use]
    pub const fn trace(&self) -> Option<TraceId> {
        None
    }

    /// Notes nothing.
    pub const fn answered(&mut self, _route: Option<RouteIndex>, _status: StatusCode) {}

    /// Ends nothing.
    pub const fn end(self) {}
}
