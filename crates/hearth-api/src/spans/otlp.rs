//! A build that exports spans: OpenTelemetry's SDK gathers them in a bounded queue, and a thread of its own sends them in batches.
//!
//! A request waits for nothing of it: a span for which the queue has no room is dropped. What the standard variables say of the SDK holds:
//! `OTEL_TRACES_SAMPLER` (a caller's own decision counts first unless it says otherwise), `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`,
//! `OTEL_BSP_*` and `OTEL_EXPORTER_OTLP_HEADERS`; where spans go to is a setting of Hearth's alone.

mod client;
mod exporter;
mod request;
mod turn;

use std::error::Error;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::http::header::HeaderMap;
use opentelemetry::trace::TracerProvider;
use opentelemetry::{Key, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracer, SdkTracerProvider};
use tokio::runtime::Handle;

use self::exporter::Exporter;
pub use self::request::RequestSpan;
use super::SpansError;
use crate::dto::health::VERSION;
use crate::settings::{Log, OtlpEndpoint};

/// How long a stop waits until the last spans are exported.
const LAST_SPANS_TIMEOUT: Duration = Duration::from_secs(2);

const SERVICE_NAME: Key = Key::from_static_str("service.name");
const SERVICE_VERSION: Key = Key::from_static_str("service.version");

/// What a service is called by the SDK that nobody named.
const UNNAMED: &str = "unknown_service";

/// The spans of a server's requests, where the settings name a collector.
#[derive(Debug, Default)]
pub struct Spans(Option<Exported>);

#[derive(Debug)]
struct Exported {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    runtime: Handle,
}

impl Spans {
    /// Starts the export to the collector that the settings name, if any; connections to it live on `runtime`. The collector is not asked
    /// anything yet, so that a start does not depend on it.
    ///
    /// # Errors
    ///
    /// [`SpansError`], for instance where the machine has no certificate authorities.
    pub fn start(log: &Log, runtime: &Handle) -> Result<Self, SpansError> {
        let Some(endpoint) = &log.otlp_endpoint else {
            return Ok(Self::default());
        };
        let provider = provider(endpoint, runtime).map_err(SpansError)?;
        tracing::info!(%endpoint, "each request is exported as a span");
        Ok(Self(Some(Exported {
            tracer: provider.tracer("hearth"),
            provider,
            runtime: runtime.clone(),
        })))
    }

    /// Whether spans are exported.
    #[must_use]
    pub const fn are_exported(&self) -> bool {
        self.0.is_some()
    }

    /// Begins the span of a request whose head was there so long ago.
    #[must_use]
    pub fn begin(&self, method: &Method, headers: &HeaderMap, ago: Duration) -> Option<RequestSpan> {
        let exported = self.0.as_ref()?;
        Some(RequestSpan::begin(&exported.tracer, method, headers, ago))
    }

    /// Exports the last spans, unless the collector takes too long, and none from then on.
    pub async fn stop(&self) {
        let Some(exported) = &self.0 else {
            return;
        };
        let provider = exported.provider.clone();
        let last = move || provider.shutdown_with_timeout(LAST_SPANS_TIMEOUT);
        // What went wrong is in the log by then: the exporter and the SDK put it there.
        drop(exported.runtime.spawn_blocking(last).await);
    }
}

fn provider(
    endpoint: &OtlpEndpoint,
    runtime: &Handle,
) -> Result<SdkTracerProvider, Box<dyn Error + Send + Sync>> {
    let exporter = Exporter::new(endpoint, runtime)?;
    let processor = BatchSpanProcessor::builder(exporter).build();
    Ok(SdkTracerProvider::builder()
        .with_span_processor(processor)
        .with_resource(resource())
        .build())
}

/// Who the spans are of: what the environment says, or `hearth`.
fn resource() -> Resource {
    let name = Resource::builder().build().get(&SERVICE_NAME);
    let is_named = name.is_some_and(|name| !name.as_str().starts_with(UNNAMED));
    let resource = Resource::builder().with_attribute(KeyValue::new(SERVICE_VERSION, VERSION));
    if is_named {
        resource.build()
    } else {
        resource.with_service_name("hearth").build()
    }
}
