//! The HTTP client: keys in its headers, encryption by rustls with ring.

use std::sync::Arc;

use reqwest::Client;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use rustls::{ClientConfig, RootCertStore};
use secrecy::ExposeSecret;

use super::base_url::BaseUrl;
use super::config::{OpenAiConfig, OpenAiConfigError};

const API_KEY: HeaderName = HeaderName::from_static("api-key");

/// Makes the client of a server. It follows no redirect, which could carry the key elsewhere, and retries nothing by itself.
pub(super) fn client(config: &OpenAiConfig) -> Result<Client, OpenAiConfigError> {
    let mut builder = Client::builder()
        .user_agent(concat!("hearth/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers(config)?)
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(config.connect_timeout)
        .tcp_nodelay(true)
        .tls_backend_preconfigured(tls(&config.base_url)?);
    if config.base_url.is_loopback() {
        builder = builder.no_proxy();
    }
    Ok(builder.build()?)
}

fn headers(config: &OpenAiConfig) -> Result<HeaderMap, OpenAiConfigError> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(key) = &config.api_key {
        let key = key.expose_secret();
        let (name, value) = if config.base_url.is_azure() {
            (API_KEY, HeaderValue::from_str(key))
        } else {
            (AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {key}")))
        };
        let mut value = value.map_err(|_| OpenAiConfigError::ApiKey)?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

/// The client's own encryption rather than the process's default one, which is a global. Without `https` nothing is encrypted, and no
/// certificate authorities are needed.
fn tls(base_url: &BaseUrl) -> Result<ClientConfig, OpenAiConfigError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    if !base_url.is_encrypted() {
        let none = RootCertStore::empty();
        return Ok(builder.with_root_certificates(none).with_no_client_auth());
    }
    let verifier = rustls_platform_verifier::Verifier::new(provider)?;
    Ok(builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}
