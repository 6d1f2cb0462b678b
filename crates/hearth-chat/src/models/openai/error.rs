//! What goes wrong with a model server. No text here repeats what was said to it, nor what it said at length.

use std::time::Duration;

use hearth_domain::ports::ModelError;
use serde_json::Value;

/// What goes wrong with a model server.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No connection, so that nothing was asked.
    #[error("failed to connect to the model's server")]
    Connect(#[source] reqwest::Error),
    /// The connection broke, after the request was on its way.
    #[error("the connection to the model's server broke")]
    Broken(#[source] reqwest::Error),
    /// Silence for longer than is allowed.
    #[error("the model's server was silent for too long")]
    TimedOut,
    /// It refused, or failed.
    #[error("the model's server answered {status}{}", of(reason.as_ref()))]
    Status {
        /// The HTTP status.
        status: u16,
        /// Its word for it.
        reason: Option<Reason>,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// It began to answer and then reported an error.
    #[error("the model's server reported an error{}", of(reason.as_ref()))]
    Reported {
        /// Its word for it.
        reason: Option<Reason>,
    },
    /// What it sent is no answer.
    #[error("the model's server sent what is no answer: {0}")]
    Malformed(&'static str),
    /// It answered nothing at all.
    #[error("the model's server sent an empty answer")]
    Empty,
}

impl UpstreamError {
    /// An error of the HTTP client, without the address in it.
    pub(super) fn of_client(error: reqwest::Error) -> Self {
        let error = error.without_url();
        if error.is_timeout() {
            Self::TimedOut
        } else if error.is_connect() {
            Self::Connect(error)
        } else {
            Self::Broken(error)
        }
    }

    /// Whether it tells of a server that is away or broken, and not of one request that it would not answer.
    pub(super) const fn is_outage(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Broken(_) | Self::TimedOut | Self::Malformed(_) => true,
            Self::Status { status, .. } => *status >= 500,
            Self::Reported { .. } | Self::Empty => false,
        }
    }
}

impl From<UpstreamError> for ModelError {
    fn from(error: UpstreamError) -> Self {
        match error {
            UpstreamError::TimedOut
            | UpstreamError::Status {
                status: 408 | 504, ..
            } => Self::TimedOut,
            UpstreamError::Status {
                status: 429 | 503,
                retry_after,
                ..
            } => Self::Unavailable {
                retry_after: retry_after.unwrap_or(RETRY_AFTER_DEFAULT).min(RETRY_AFTER_MAX),
                source: Box::new(error),
            },
            UpstreamError::Connect(_)
            | UpstreamError::Broken(_)
            | UpstreamError::Status { .. }
            | UpstreamError::Reported { .. }
            | UpstreamError::Malformed(_)
            | UpstreamError::Empty => Self::Failed(Box::new(error)),
        }
    }
}

/// When another try is worth it where the server does not say.
const RETRY_AFTER_DEFAULT: Duration = Duration::from_secs(1);

/// What a server may ask for, at most.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// A server's word for an error, such as `context_length_exceeded` or `invalid_api_key`: what an operator needs, and short enough to hold
/// neither a conversation nor a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason(String);

impl Reason {
    /// Characters of a word, at most.
    const CHARS_MAX: usize = 48;

    /// The word in an error's body: its `code`, or else its `type`, be it in `error` or at the top; a number only where there is no word.
    pub(super) fn find(body: &Value) -> Option<Self> {
        let error = body.get("error").unwrap_or(body);
        let found = [error.get("code"), error.get("type")];
        let found = found.into_iter().flatten().filter_map(|word| match word {
            Value::String(word) => Self::of(word),
            Value::Number(number) => Self::of(&number.to_string()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        });
        // Of equals the first is taken.
        found.min_by_key(|reason| reason.0.bytes().all(|byte| byte.is_ascii_digit()))
    }

    fn of(word: &str) -> Option<Self> {
        let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let word = word.trim().to_ascii_lowercase();
        let fits = (1..=Self::CHARS_MAX).contains(&word.len()) && word.bytes().all(is_word);
        fits.then_some(Self(word))
    }
}

fn of(reason: Option<&Reason>) -> String {
    reason.map_or_else(String::new, |reason| format!(" ({})", reason.0))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_servers_word_is_found_and_nothing_else_of_what_it_says() {
        let check = |body: Value, expected: Option<&str>| {
            let found = Reason::find(&body).map(|reason| reason.0);
            assert_eq!(found.as_deref(), expected, "{body}");
        };
        check(
            json!({"error": {"code": "invalid_api_key", "type": "x"}}),
            Some("invalid_api_key"),
        );
        check(
            json!({"error": {"code": null, "type": "server_error"}}),
            Some("server_error"),
        );
        check(
            json!({"object": "error", "type": "BadRequestError", "code": 400}),
            Some("badrequesterror"),
        );
        check(json!({"error": {"code": "429", "type": null}}), Some("429"));
        check(json!({"error": "Incorrect key sk-1234"}), None);
        check(json!({"error": {"code": "Incorrect key sk-1234"}}), None);
        check(json!({"error": {"type": "a".repeat(49)}}), None);
        check(json!([]), None);
    }

    #[test]
    fn callers_are_told_what_they_can_act_on() {
        let status = |status| {
            ModelError::from(UpstreamError::Status {
                status,
                reason: None,
                retry_after: Some(Duration::from_secs(7_200)),
            })
        };
        assert!(matches!(status(504), ModelError::TimedOut));
        assert!(matches!(status(400), ModelError::Failed(_)));
        for busy in [429, 503] {
            let ModelError::Unavailable { retry_after, .. } = status(busy) else {
                panic!("{busy}");
            };
            assert_eq!(retry_after, RETRY_AFTER_MAX);
        }
    }
}
