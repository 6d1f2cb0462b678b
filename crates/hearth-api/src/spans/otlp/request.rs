//! The span of one request, by OpenTelemetry's conventions for HTTP servers as far as they tell nothing of the caller.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::HeaderMap;
use actix_web::http::{Method, StatusCode};
use hearth_chat::TurnObserver;
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags,
    TraceId as OtelTraceId, TraceState,
};
use opentelemetry::{Context, Key, KeyValue};
use opentelemetry_sdk::trace::{SdkTracer, Span};

use super::turn::TurnSpans;
use crate::routes::{ROUTES, RouteIndex};
use crate::trace_context::{TraceId, TraceParent};

const METHOD: Key = Key::from_static_str("http.request.method");
const ROUTE: Key = Key::from_static_str("http.route");
const STATUS: Key = Key::from_static_str("http.response.status_code");
const ERROR: Key = Key::from_static_str("error.type");

/// The methods that have a name in spans.
static METHODS: [Method; 9] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::DELETE,
    Method::CONNECT,
    Method::OPTIONS,
    Method::TRACE,
    Method::PATCH,
];

/// The span of a request. Where it is dropped, the request was given up: it ends then, too.
#[derive(Debug)]
pub struct RequestSpan {
    span: Span,
    tracer: SdkTracer,
    /// What the span's name begins with.
    method: &'static str,
}

impl RequestSpan {
    pub(super) fn begin(tracer: &SdkTracer, method: &Method, headers: &HeaderMap, ago: Duration) -> Self {
        let known = METHODS.iter().find(|known| *known == method).map(Method::as_str);
        let parent = TraceParent::of(headers).and_then(|parent| remote(&parent));
        let parent = match parent {
            Some(parent) => Context::new().with_remote_span_context(parent),
            None => Context::new(),
        };
        let method = known.unwrap_or("HTTP");
        let span = SpanBuilder::from_name(method)
            .with_kind(SpanKind::Server)
            .with_start_time(opentelemetry::time::now() - ago)
            .with_attributes([KeyValue::new(METHOD, known.unwrap_or("_OTHER"))])
            .start_with_context(tracer, &parent);
        Self {
            span,
            tracer: tracer.clone(),
            method,
        }
    }

    /// Who is told of the steps of a turn that the request asks for.
    #[must_use]
    pub fn observer(&self) -> Option<Arc<dyn TurnObserver>> {
        let turn = TurnSpans::new(self.tracer.clone(), self.span.span_context());
        Some(Arc::new(turn))
    }

    /// Its trace, where the span is exported.
    #[must_use]
    pub fn trace(&self) -> Option<TraceId> {
        if !self.span.is_recording() {
            return None;
        }
        TraceId::from_text(&self.span.span_context().trace_id().to_string())
    }

    /// Notes how the request was answered.
    pub fn answered(&mut self, route: Option<RouteIndex>, status: StatusCode) {
        if !self.span.is_recording() {
            return;
        }
        if let Some(entry) = route.and_then(|RouteIndex(index)| ROUTES.get(index)) {
            self.span.update_name(format!("{} {}", self.method, entry.path));
            self.span.set_attribute(KeyValue::new(ROUTE, entry.path));
        }
        let code = status.as_u16();
        self.span.set_attribute(KeyValue::new(STATUS, i64::from(code)));
        if status.is_server_error() {
            self.span.set_attribute(KeyValue::new(ERROR, code.to_string()));
            self.span.set_status(Status::error(""));
        }
    }

    /// Ends it.
    pub fn end(mut self) {
        self.span.end();
    }
}

/// The caller's span as the SDK has it.
fn remote(parent: &TraceParent<'_>) -> Option<SpanContext> {
    let flags = TraceFlags::default().with_sampled(parent.is_sampled);
    Some(SpanContext::new(
        OtelTraceId::from_hex(parent.trace).ok()?,
        SpanId::from_hex(parent.span).ok()?,
        flags,
        true,
        TraceState::default(),
    ))
}
