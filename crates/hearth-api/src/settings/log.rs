//! `[log]`: what is written to standard error, and where spans go.

use std::fmt;

use serde::Deserialize;
use tracing_subscriber::EnvFilter;

use super::otlp_endpoint::OtlpEndpoint;
use super::value::{Text, boolean, text};

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// For people or for machines.
    #[serde(deserialize_with = "text")]
    pub format: LogFormat,
    /// What is logged.
    #[serde(deserialize_with = "text")]
    pub level: LogLevel,
    /// One line a request.
    #[serde(deserialize_with = "boolean")]
    pub access: bool,
    /// Where spans are exported to, if anywhere.
    #[serde(deserialize_with = "text")]
    pub otlp_endpoint: Option<OtlpEndpoint>,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

impl Text for LogFormat {
    const RIGHT: &'static str = "text or json";

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(Self::RIGHT.to_owned()),
        }
    }
}

/// A level, or levels by target, in tracing's filter syntax; known to parse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLevel(String);

impl LogLevel {
    /// The filter as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Text for LogLevel {
    const RIGHT: &'static str =
        "error, warn, info, debug, trace or off, or levels by target like \"info,hearth_cache=debug\"";

    fn parse(text: &str) -> Result<Self, String> {
        // The syntax reads a bare word that is no level as a target: a misspelt level would silence everything else.
        let bare_words_are_levels = text
            .split(',')
            .filter(|directive| !directive.contains(['=', '[']))
            .all(|word| word.trim().parse::<tracing::level_filters::LevelFilter>().is_ok());
        if !text.trim().is_empty() && bare_words_are_levels && EnvFilter::builder().parse(text).is_ok() {
            Ok(Self(text.to_owned()))
        } else {
            Err(Self::RIGHT.to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_those_that_tracing_takes() {
        for level in [
            "info",
            "OFF",
            "info,hearth_cache=debug",
            "warn,hearth=trace",
            "info,[request{user}]=debug",
            "hearth_api[request]=trace",
        ] {
            assert!(LogLevel::parse(level).is_ok(), "{level}");
        }
        for level in [
            "",
            " ",
            "warn, hearth=trace",
            "inof",
            "info,hearth",
            "hearth=loud",
            "info,[x",
        ] {
            assert!(LogLevel::parse(level).is_err(), "{level}");
        }
    }
}
