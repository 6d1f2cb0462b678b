//! `hearth serve`: serves until a signal says to stop.

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use crate::open_store::open_store;
use crate::settings::Settings;
use crate::startup;

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
///
/// Whatever keeps the server from serving: the address, the store.
pub async fn run(settings: &Settings) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("failed to wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("failed to wait for SIGINT")?;
    let listener = startup::listen(settings)?;
    let store = open_store(settings).await?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    startup::serve(settings, store, listener, stop).await?;
    Ok(())
}
