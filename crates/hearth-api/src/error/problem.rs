//! A problem: what a failed request is answered.

use std::fmt;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use serde::Serialize;

use super::code::Code;

/// Wrong fields that a caller is told of, at most: a body may have a hundred thousand.
pub const FIELD_ERRORS_MAX: usize = 16;

/// A failed request. As a response it has no body yet: the request's id belongs into it, which [`crate::request_context`] knows.
#[derive(Debug, Clone)]
pub struct Problem {
    code: Code,
    detail: String,
    errors: Vec<FieldError>,
    outcome: Option<Outcome>,
    allow: Option<HeaderValue>,
    retry_after_seconds: Option<u32>,
    /// What the log says and the caller does not see.
    cause: Option<Box<str>>,
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// The field, with its place in the body: `messages[2].content`.
    pub field: String,
    /// The rule that it breaks.
    pub message: String,
}

/// What became of a turn whose commit failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is certain that it was not committed.
    NotCommitted,
    /// It may have been committed.
    Unknown,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    code: &'static str,
    detail: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
    request_id: &'a str,
}

impl Problem {
    /// A problem with a message that tells the caller what to change.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            errors: Vec::new(),
            outcome: None,
            allow: None,
            retry_after_seconds: code.retry_after_seconds(),
            cause: None,
        }
    }

    /// One wrong field.
    #[must_use]
    pub fn field(code: Code, field: impl Into<String>, message: impl fmt::Display) -> Self {
        Self::fields(
            code,
            vec![FieldError {
                field: field.into(),
                message: message.to_string(),
            }],
        )
    }

    /// Wrong fields, the first [`FIELD_ERRORS_MAX`] of them; the first one is the detail.
    #[must_use]
    pub fn fields(code: Code, mut errors: Vec<FieldError>) -> Self {
        errors.truncate(FIELD_ERRORS_MAX);
        let detail = errors
            .first()
            .map(|error| format!("{} {}", error.field, error.message));
        Self {
            errors,
            ..Self::new(code, detail.unwrap_or_default())
        }
    }

    /// With what became of the turn.
    #[must_use]
    pub const fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = Some(outcome);
        self
    }

    /// With the methods that the path takes.
    #[must_use]
    pub fn with_allow(mut self, methods: HeaderValue) -> Self {
        self.allow = Some(methods);
        self
    }

    /// With the time after which another try is worth it, in whole seconds.
    #[must_use]
    pub fn with_retry_after(mut self, time: Duration) -> Self {
        let seconds = u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
        let begun = u32::from(time.subsec_nanos() > 0);
        self.retry_after_seconds = Some(seconds.saturating_add(begun).max(1));
        self
    }

    /// With what the log says: an error and its causes, on one line.
    #[must_use]
    pub fn caused_by(self, error: &dyn std::error::Error) -> Self {
        let causes = std::iter::successors(error.source(), |error| error.source());
        self.with_cause(causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}")))
    }

    /// With what the log says.
    #[must_use]
    pub fn with_cause(mut self, cause: String) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// The code.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.code
    }

    /// What the log says.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// The body, as RFC 9457 has it.
    #[must_use]
    pub fn to_json(&self, request_id: &str) -> String {
        let body = Body {
            r#type: "about:blank",
            title: self.code.title(),
            status: self.code.status().as_u16(),
            code: self.code.as_str(),
            detail: &self.detail,
            errors: &self.errors,
            outcome: self.outcome,
            request_id,
        };
        // Strings and numbers alone: there is nothing that could fail to serialize.
        serde_json::to_string(&body).unwrap_or_default()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.detail)
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.code.status()
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponseBuilder::new(self.code.status());
        response.insert_header((CONTENT_TYPE, "application/problem+json"));
        if let Some(seconds) = self.retry_after_seconds {
            response.insert_header((RETRY_AFTER, seconds));
        }
        if let Some(methods) = &self.allow {
            response.insert_header((ALLOW, methods.clone()));
        }
        let mut response = response.finish();
        response.extensions_mut().insert(self.clone());
        response
    }
}
