//! Log lines: to standard error, for people or for machines. The only global of the program.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::settings::{Log, LogFormat};

/// Why logging could not be started.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `log.level` is not in tracing's filter syntax.
    #[error("log.level is not a filter: {0}")]
    Level(#[from] ParseError),
    /// The process has a subscriber already.
    #[error("logging was started before: {0}")]
    Started(#[from] TryInitError),
}

/// Starts logging for the whole process; once, at its start. Text is coloured where standard error is a terminal.
///
/// # Errors
///
/// [`TelemetryError::Started`] where the process logs already.
pub fn init(log: &Log) -> Result<(), TelemetryError> {
    let filter = EnvFilter::builder().parse(log.level.as_str())?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match log.format {
        LogFormat::Text => lines
            .with_ansi(std::io::stderr().is_terminal())
            .finish()
            .try_init()?,
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .finish()
            .try_init()?,
    }
    Ok(())
}
