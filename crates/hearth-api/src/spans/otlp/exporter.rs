//! Sends batches of spans, and tells once that the collector does not take them.

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};

use opentelemetry_otlp::{Protocol, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use tokio::runtime::Handle;

use super::client::{Client, EXPORT_TIMEOUT};
use crate::settings::OtlpEndpoint;

/// Sends batches over OTLP. A batch that is not taken, after a few tries within [`EXPORT_TIMEOUT`], is lost.
#[derive(Debug)]
pub(super) struct Exporter {
    otlp: opentelemetry_otlp::SpanExporter,
    endpoint: OtlpEndpoint,
    /// The collector did not take the last batch.
    is_away: AtomicBool,
}

impl Exporter {
    pub(super) fn new(
        endpoint: &OtlpEndpoint,
        runtime: &Handle,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let otlp = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(endpoint.traces())
            .with_timeout(EXPORT_TIMEOUT)
            .with_http_client(Client::new(endpoint, runtime.clone())?)
            .build()?;
        Ok(Self {
            otlp,
            endpoint: endpoint.clone(),
            is_away: AtomicBool::new(false),
        })
    }
}

impl SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let endpoint = &self.endpoint;
        let outcome = self.otlp.export(batch).await;
        let was_away = self.is_away.swap(outcome.is_err(), Ordering::Relaxed);
        match outcome {
            Ok(()) if was_away => tracing::info!(%endpoint, "the collector takes spans again"),
            Err(error) if !was_away => {
                tracing::warn!(%endpoint, %error, "the collector takes no spans: they are lost until it does");
            }
            Ok(()) | Err(_) => {}
        }
        // The SDK would log each failure.
        Ok(())
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.otlp.set_resource(resource);
    }
}
