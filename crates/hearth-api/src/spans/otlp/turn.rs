//! The steps of a turn as spans within that of its request. They may end after it: a turn goes on when its caller goes away.

use hearth_chat::{Step, StepUnderWay, TurnObserver};
use opentelemetry::Context;
use opentelemetry::trace::{Span as _, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt};
use opentelemetry_sdk::trace::{SdkTracer, Span};

/// Makes a span of each step.
#[derive(Debug)]
pub(super) struct TurnSpans {
    tracer: SdkTracer,
    request: Context,
}

impl TurnSpans {
    /// For a turn that is asked for by the request of this span.
    pub(super) fn new(tracer: SdkTracer, request: &SpanContext) -> Self {
        let request = Context::new().with_remote_span_context(request.clone());
        Self { tracer, request }
    }
}

impl TurnObserver for TurnSpans {
    fn begin(&self, step: Step) -> Box<dyn StepUnderWay> {
        // The names are those of Server-Timing.
        let (name, kind) = match step {
            Step::History => ("history", SpanKind::Internal),
            Step::Model => ("model", SpanKind::Client),
            Step::Commit => ("commit", SpanKind::Internal),
        };
        let span = SpanBuilder::from_name(name)
            .with_kind(kind)
            .start_with_context(&self.tracer, &self.request);
        Box::new(StepSpan(span))
    }
}

/// A step under way; its span ends when it is dropped.
struct StepSpan(Span);

impl StepUnderWay for StepSpan {
    fn traceparent(&self) -> Option<String> {
        let context = self.0.span_context();
        context.is_valid().then(|| {
            format!(
                "00-{}-{}-{:02x}",
                context.trace_id(),
                context.span_id(),
                context.trace_flags()
            )
        })
    }

    fn failed(&mut self) {
        self.0.set_status(Status::error(""));
    }
}
