//! Requests as spans of OpenTelemetry, for a build with the feature `otlp` whose `log.otlp_endpoint` names a collector. Any other build has
//! nothing of this but its names.
//!
//! A span tells what metrics tell: method, pattern of the route, status, times; of a turn also when it read, asked and committed. It never has
//! a path, a query, a content, an id of a user or session, or a key.

#[cfg(not(feature = "otlp"))]
mod none;
#[cfg(feature = "otlp")]
mod otlp;

use std::error::Error;
use std::sync::Arc;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::ServiceRequest;
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use hearth_chat::TurnObserver;

use crate::routes::RouteIndex;
use crate::state::State;
use crate::watched_body::WatchedBody;

#[cfg(not(feature = "otlp"))]
pub use none::{RequestSpan, Spans};
#[cfg(feature = "otlp")]
pub use otlp::{RequestSpan, Spans};

/// Why spans cannot be exported.
#[derive(Debug, thiserror::Error)]
#[error("failed to prepare the export of spans to log.otlp_endpoint")]
pub struct SpansError(#[source] Box<dyn Error + Send + Sync>);

/// Lets a turn that the request asks for find the span of the request.
pub(crate) fn attach(span: Option<&RequestSpan>, request: &ServiceRequest) {
    if let Some(observer) = span.and_then(RequestSpan::observer) {
        request.extensions_mut().insert(observer);
    }
}

/// Who is told of the steps of a turn that the request asks for.
pub(crate) fn observer(state: &State, request: &HttpRequest) -> Option<Arc<dyn TurnObserver>> {
    if !state.spans.are_exported() {
        return None;
    }
    request.extensions().get::<Arc<dyn TurnObserver>>().cloned()
}

/// Ends the span of a request that is answered: now, or when the last of a stream was sent.
pub(crate) fn end(
    span: Option<RequestSpan>,
    route: Option<RouteIndex>,
    response: HttpResponse,
) -> HttpResponse {
    let Some(mut span) = span else {
        return response;
    };
    span.answered(route, response.status());
    match response.body().size() {
        BodySize::None | BodySize::Sized(_) => {
            span.end();
            response
        }
        BodySize::Stream => response.map_body(|_, body| {
            let done = move |_| span.end();
            BoxBody::new(WatchedBody::new(body, done))
        }),
    }
}
