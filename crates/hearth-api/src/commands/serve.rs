//! `hearth serve`: serves until a signal says to stop.

use std::sync::Arc;

use anyhow::Context;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};

use crate::file_limit::raise_file_limit;
use crate::listener::listen;
use crate::open_store::open_store;
use crate::settings::Settings;
use crate::startup;
use crate::telemetry::Logging;
use crate::tls::Certificates;

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
///
/// Whatever keeps the server from serving: the address, the store.
pub async fn run(settings: &Settings, logging: &Logging) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("failed to wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("failed to wait for SIGINT")?;
    let listener = listen(settings)?;
    if let Some(certificates) = listener.certificates.clone() {
        reload_on_hangup(certificates)?;
    }
    raise_file_limit(settings.limits.connections);
    let store = open_store(settings).await?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    startup::serve(settings, store, listener, logging, stop).await?;
    Ok(())
}

/// Reads the certificate again at each SIGHUP, which would end the process otherwise.
fn reload_on_hangup(certificates: Arc<Certificates>) -> anyhow::Result<()> {
    let mut hangup = signal(SignalKind::hangup()).context("failed to wait for SIGHUP")?;
    Handle::current().spawn(async move {
        while hangup.recv().await.is_some() {
            match certificates.reload() {
                Ok(()) => tracing::info!("the certificate was read again"),
                Err(error) => tracing::error!(
                    error = format!("{:#}", anyhow::Error::from(error)),
                    "the certificate was not read again: the one before is shown on"
                ),
            }
        }
    });
    Ok(())
}
