//! `[server]`: the listener and its workers.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::host::Host;
use super::origins::Origins;
use super::value::{seconds, text, within};

/// Where and how the server listens.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// The address to listen on.
    #[serde(deserialize_with = "text")]
    pub host: Host,
    /// The port to listen on; 0 takes a free one.
    #[serde(deserialize_with = "within::<0, 65_535, _, _>")]
    pub port: u16,
    /// Threads that answer requests; 0 = one for each core.
    #[serde(deserialize_with = "within::<0, 1_024, _, _>")]
    pub workers: usize,
    /// How long a stop waits for work that was accepted.
    #[serde(rename = "drain_seconds", deserialize_with = "seconds::<0, 3_600, _>")]
    pub drain: Duration,
    /// How long a stop goes on serving while it is not ready any more, where readiness is asked for at all.
    #[serde(rename = "drain_delay_seconds", deserialize_with = "seconds::<0, 600, _>")]
    pub drain_delay: Duration,
    /// Bytes in a request's body, at most.
    #[serde(deserialize_with = "within::<1_024, 67_108_864, _, _>")]
    pub body_bytes_max: usize,
    /// The web pages that may call from a browser.
    #[serde(deserialize_with = "text")]
    pub cors_origins: Origins,
    /// The certificate chain of the server, as a PEM file; none for plain HTTP.
    #[serde(deserialize_with = "text")]
    pub tls_certificate: Option<PathBuf>,
    /// The private key of the certificate, as a PEM file.
    #[serde(deserialize_with = "text")]
    pub tls_key: Option<PathBuf>,
}
