//! Logging is the process's own: it starts once. Alone in its file, because a process has one.

use hearth_api::settings::{Sources, load};
use hearth_api::telemetry::{self, TelemetryError};

#[test]
fn logging_starts_once() {
    let sources = Sources {
        overrides: vec!["log.format=json".to_owned(), "log.level=warn".to_owned()],
        ..Sources::default()
    };
    let log = load(&sources).unwrap().settings.log;
    telemetry::init(&log).unwrap();
    assert!(tracing::enabled!(tracing::Level::WARN));
    assert!(!tracing::enabled!(tracing::Level::INFO));
    assert!(matches!(telemetry::init(&log), Err(TelemetryError::Started(_))));
}
