//! The codes of failures, and their statuses: the one table of the HTTP contract.

use actix_web::http::StatusCode;

/// Why a request failed, as clients match on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// What came is no HTTP request.
    MalformedRequest,
    /// The head of a request did not arrive in time.
    RequestTimeout,
    /// The head of a request is larger than the server takes.
    HeadTooLarge,
    /// The body is not JSON, not UTF-8, or not an object.
    MalformedJson,
    /// A field or a query parameter is not one of those that the call takes.
    UnknownField,
    /// A query parameter is missing or cannot be read.
    MalformedQuery,
    /// The request names no API key.
    MissingKey,
    /// The API key is unknown, wrong or revoked.
    InvalidKey,
    /// The API key is not for this department.
    ForbiddenDepartment,
    /// The API key is not for this call.
    MissingScope,
    /// There is nothing at this path.
    NotFound,
    /// The path does not take this method.
    MethodNotAllowed,
    /// The body is not declared as JSON.
    UnsupportedMediaType,
    /// The session is at another version than the caller expected.
    VersionConflict,
    /// Another turn of the session is under way, or too many wait.
    SessionBusy,
    /// The session was erased since.
    SessionErased,
    /// The turn runs on another replica.
    TurnElsewhere,
    /// The body is larger than the server takes.
    BodyTooLarge,
    /// A field is missing, of the wrong type, or out of bounds.
    InvalidField,
    /// The key was used before, for another request.
    IdempotencyKeyReused,
    /// The caller asks more often than it may.
    RateLimited,
    /// Too much is under way or waits.
    Overloaded,
    /// The model gave no answer.
    ModelFailed,
    /// The model did not answer in time.
    ModelTimeout,
    /// The store cannot be read or changed now.
    StoreUnavailable,
    /// The server is not ready for traffic yet.
    Starting,
    /// The server is stopping.
    ShuttingDown,
    /// The store has nothing as new as the caller asked for.
    NotFreshEnough,
    /// The turn was not committed, or nobody can say.
    CommitFailed,
    /// A defect of the server.
    Internal,
}

impl Code {
    /// The code as clients see it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.row().1
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        self.row().0
    }

    /// A short summary for people, the same for all failures of a code.
    #[must_use]
    pub const fn title(self) -> &'static str {
        self.row().2
    }

    /// Whether the caller is told when to try again.
    #[must_use]
    pub const fn retry_after_seconds(self) -> Option<u32> {
        match self {
            Self::RateLimited
            | Self::Overloaded
            | Self::SessionBusy
            | Self::StoreUnavailable
            | Self::Starting
            | Self::ShuttingDown
            | Self::NotFreshEnough
            | Self::CommitFailed => Some(1),
            Self::MalformedRequest
            | Self::RequestTimeout
            | Self::HeadTooLarge
            | Self::MalformedJson
            | Self::UnknownField
            | Self::MalformedQuery
            | Self::MissingKey
            | Self::InvalidKey
            | Self::ForbiddenDepartment
            | Self::MissingScope
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::UnsupportedMediaType
            | Self::VersionConflict
            | Self::SessionErased
            | Self::TurnElsewhere
            | Self::IdempotencyKeyReused
            | Self::BodyTooLarge
            | Self::InvalidField
            | Self::ModelFailed
            | Self::ModelTimeout
            | Self::Internal => None,
        }
    }

    const fn row(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::MalformedRequest => (StatusCode::BAD_REQUEST, "malformed_request", "Malformed request"),
            Self::RequestTimeout => (StatusCode::REQUEST_TIMEOUT, "request_timeout", "Request timeout"),
            Self::HeadTooLarge => (
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "head_too_large",
                "Request head too large",
            ),
            Self::MalformedJson => (StatusCode::BAD_REQUEST, "malformed_json", "Malformed JSON"),
            Self::UnknownField => (StatusCode::BAD_REQUEST, "unknown_field", "Unknown field"),
            Self::MalformedQuery => (StatusCode::BAD_REQUEST, "malformed_query", "Malformed query"),
            Self::MissingKey => (StatusCode::UNAUTHORIZED, "missing_key", "Missing API key"),
            Self::InvalidKey => (StatusCode::UNAUTHORIZED, "invalid_key", "Invalid API key"),
            Self::ForbiddenDepartment => (
                StatusCode::FORBIDDEN,
                "forbidden_department",
                "Forbidden department",
            ),
            Self::MissingScope => (StatusCode::FORBIDDEN, "missing_scope", "Missing scope"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found", "Not found"),
            Self::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "Method not allowed",
            ),
            Self::UnsupportedMediaType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "Unsupported media type",
            ),
            Self::VersionConflict => (StatusCode::CONFLICT, "version_conflict", "Version conflict"),
            Self::SessionBusy => (StatusCode::CONFLICT, "session_busy", "Session busy"),
            Self::SessionErased => (StatusCode::CONFLICT, "session_erased", "Session erased"),
            Self::TurnElsewhere => (StatusCode::CONFLICT, "turn_elsewhere", "Turn elsewhere"),
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "Body too large"),
            Self::InvalidField => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_field", "Invalid field"),
            Self::IdempotencyKeyReused => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency_key_reused",
                "Idempotency key reused",
            ),
            Self::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "rate_limited", "Rate limited"),
            Self::Overloaded => (StatusCode::TOO_MANY_REQUESTS, "overloaded", "Overloaded"),
            Self::ModelFailed => (StatusCode::BAD_GATEWAY, "model_failed", "The model failed"),
            Self::ModelTimeout => (
                StatusCode::GATEWAY_TIMEOUT,
                "model_timeout",
                "The model timed out",
            ),
            Self::StoreUnavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "store_unavailable",
                "Store unavailable",
            ),
            Self::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting", "Starting"),
            Self::ShuttingDown => (StatusCode::SERVICE_UNAVAILABLE, "shutting_down", "Shutting down"),
            Self::NotFreshEnough => (
                StatusCode::SERVICE_UNAVAILABLE,
                "not_fresh_enough",
                "Not fresh enough",
            ),
            Self::CommitFailed => (StatusCode::SERVICE_UNAVAILABLE, "commit_failed", "Commit failed"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error"),
        }
    }
}
