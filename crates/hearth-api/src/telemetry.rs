//! Log lines: to standard error, for people or for machines. The only global of the program.

use std::io::{self, IsTerminal};
use std::sync::Arc;

use hearth_domain::ports::Clock;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::access_log::AccessLog;
use crate::log_writer::{LogGuard, LogWriter};
use crate::settings::{Log, LogFormat};

/// It calls each request that is no HTTP an error of the server's: anybody could fill the log. What comes later in a filter wins.
const QUIET_UNLESS_NAMED: &str = "actix_http::h1::dispatcher=off";

/// Why logging could not be started.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `log.level` is not in tracing's filter syntax.
    #[error("log.level is not a filter: {0}")]
    Level(#[from] ParseError),
    /// The process has a subscriber already.
    #[error("logging was started before: {0}")]
    Started(#[from] TryInitError),
    /// There is no thread for it.
    #[error("failed to start the thread that writes the log")]
    Thread(#[from] io::Error),
}

/// The log of the process. Drop it last: the last lines are written then.
#[derive(Debug)]
pub struct Logging {
    writer: LogWriter,
    settings: Log,
    _last_lines: LogGuard,
}

impl Logging {
    /// Where lines are written.
    #[must_use]
    pub const fn writer(&self) -> &LogWriter {
        &self.writer
    }

    /// The access log, where the settings want it.
    #[must_use]
    pub fn access(&self, clock: Arc<dyn Clock>) -> Option<AccessLog> {
        let log = || AccessLog::new(self.writer.clone(), self.settings.format, clock);
        self.settings.access.then(log)
    }
}

/// Starts logging for the whole process; once, at its start. Text is coloured where standard error is a terminal.
///
/// # Errors
///
/// [`TelemetryError::Started`] where the process logs already.
pub fn init(log: &Log) -> Result<Logging, TelemetryError> {
    let filter = EnvFilter::builder().parse(format!("{QUIET_UNLESS_NAMED},{}", log.level.as_str()))?;
    let (writer, last_lines) = LogWriter::start(io::stderr(), log.format)?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer({
        let writer = writer.clone();
        move || writer.clone()
    });
    match log.format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).finish().try_init()?,
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .finish()
            .try_init()?,
    }
    Ok(Logging {
        writer,
        settings: log.clone(),
        _last_lines: last_lines,
    })
}
