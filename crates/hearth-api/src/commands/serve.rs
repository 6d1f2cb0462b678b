//! `hearth serve`: serves until a signal says to stop.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;

use anyhow::Context;
use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::file_limit::raise_file_limit;
use crate::listener::listen;
use crate::open_store::open_store;
use crate::settings::Settings;
use crate::startup;
use crate::telemetry::Logging;
use crate::tls::Certificates;

/// Serves until SIGTERM or SIGINT, and then finishes what was accepted; a SIGINT after that ends it at once.
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
    let (stopped, once_stopped) = oneshot::channel();
    let mut stop = pin!(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        // Whoever waits for it may have gone.
        drop(stopped.send(interrupt));
    });
    let store = tokio::select! {
        store = open_store(settings) => store?,
        () = &mut stop => return Ok(()),
    };
    tokio::select! {
        served = startup::serve(settings, store, listener, logging, stop) => Ok(served?),
        () = impatience(once_stopped) => {
            tracing::warn!("stopped at once, as was asked for again: what was accepted was not finished");
            Ok(())
        }
    }
}

/// Completes when a person interrupts a server that is stopping.
async fn impatience(once_stopped: oneshot::Receiver<Signal>) {
    match once_stopped.await {
        Ok(mut interrupt) => drop(interrupt.recv().await),
        Err(_never) => pending().await,
    }
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
