//! The HTTP client that spans are sent with. The thread that sends them has no runtime: the exchange is done on the one that was passed in.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use reqwest::redirect::Policy;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::runtime::Handle;

use crate::settings::OtlpEndpoint;

/// How long an export may take, with all of its tries.
pub(super) const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of an answer that are read, at most: a collector says little.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Sends requests to a collector.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    runtime: Handle,
}

impl Client {
    /// A client that follows no redirect: a header that is meant for the collector may hold a key.
    pub(super) fn new(
        endpoint: &OtlpEndpoint,
        runtime: Handle,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let http = reqwest::Client::builder()
            .redirect(Policy::none())
            .timeout(EXPORT_TIMEOUT)
            .tls_backend_preconfigured(tls(endpoint)?)
            .build()?;
        Ok(Self { http, runtime })
    }
}

impl HttpClient for Client {
    fn send_bytes<'client, 'exchange>(
        &'client self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'exchange>>
    where
        'client: 'exchange,
        Self: 'exchange,
    {
        let exchange = self.runtime.spawn(exchange(self.http.clone(), request));
        Box::pin(async move {
            let answer = exchange.await?;
            if let Err(error) = &answer {
                // The exporter tells that there was an error, and not which.
                tracing::debug!(error = ?error, "failed to send spans");
            }
            answer
        })
    }
}

async fn exchange(http: reqwest::Client, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let mut answer = http.execute(request.try_into()?).await?;
    let mut body = Vec::new();
    while body.len() < ANSWER_BYTES_MAX
        && let Some(bytes) = answer.chunk().await?
    {
        body.extend_from_slice(&bytes);
    }
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = answer.status();
    *response.headers_mut() = std::mem::take(answer.headers_mut());
    Ok(response)
}

/// The client's own encryption rather than the process's default one. Without `https` nothing is encrypted, and no certificate authorities
/// are needed.
fn tls(endpoint: &OtlpEndpoint) -> Result<ClientConfig, rustls::Error> {
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(ring).with_safe_default_protocol_versions()?;
    if endpoint.is_encrypted() {
        Ok(config.with_platform_verifier()?.with_no_client_auth())
    } else {
        Ok(config
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth())
    }
}
