//! From the errors of the crates beneath to what callers are told: one exhaustive match each.

use hearth_cache::ReadError;
use hearth_chat::{ChatError, ResumeError};
use hearth_domain::ports::{AppendError, ModelError, StoreError};

use super::code::Code;
use super::problem::{Outcome, Problem};

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::from(&error)
    }
}

impl From<&StoreError> for Problem {
    fn from(error: &StoreError) -> Self {
        store_unavailable(error, error)
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        Self::from(&error)
    }
}

impl From<&ReadError> for Problem {
    fn from(error: &ReadError) -> Self {
        match error {
            ReadError::Store(cause) => store_unavailable(error, cause),
            ReadError::TimedOut => store_unavailable(error, &StoreError::TimedOut),
            ReadError::Overloaded => {
                Self::new(Code::Overloaded, "too many sessions wait to be loaded; try again")
            }
            ReadError::NotFresh { held } => Self::new(
                Code::NotFreshEnough,
                format!("the newest version that could be read is {held}"),
            ),
            ReadError::ShuttingDown => stopping(),
        }
    }
}

impl From<AppendError> for Problem {
    fn from(error: AppendError) -> Self {
        Self::from(&error)
    }
}

impl From<&AppendError> for Problem {
    fn from(error: &AppendError) -> Self {
        let failed = |outcome, detail| {
            Self::new(Code::CommitFailed, detail)
                .with_outcome(outcome)
                .caused_by(error)
        };
        match error {
            AppendError::VersionConflict { current } => Self::new(
                Code::VersionConflict,
                format!("the session is at version {current}"),
            ),
            AppendError::Erased => erased(),
            AppendError::ClaimLost => Self::new(
                Code::SessionBusy,
                "another attempt at this request is under way; try again with the same key",
            ),
            AppendError::NotCommitted(_) => {
                failed(Outcome::NotCommitted, "the turn was not committed; try again")
            }
            AppendError::Overloaded => Self::new(
                Code::Overloaded,
                "too many turns wait to be committed; the turn was not, try again",
            ),
            AppendError::Unknown(_) => failed(
                Outcome::Unknown,
                "it is not known whether the turn was committed; read the session before trying again",
            ),
        }
    }
}

impl From<ChatError> for Problem {
    fn from(error: ChatError) -> Self {
        Self::from(&error)
    }
}

/// By reference: one failure may be told to all who read a turn's stream.
impl From<&ChatError> for Problem {
    fn from(error: &ChatError) -> Self {
        match error {
            ChatError::History(error) => error.into(),
            ChatError::StoreAway(error) => error.into(),
            ChatError::Commit(error) => error.into(),
            ChatError::Model(error) => model_failed(error),
            ChatError::SessionBusy => Self::new(
                Code::SessionBusy,
                "another turn of the session is under way; try again",
            ),
            ChatError::KeyReused => Self::new(
                Code::IdempotencyKeyReused,
                "the Idempotency-Key was used before, for a request that says something else",
            ),
            ChatError::SessionErased => erased(),
            ChatError::Stopped => stopping(),
        }
    }
}

impl From<ResumeError> for Problem {
    fn from(error: ResumeError) -> Self {
        match &error {
            ResumeError::NotHere => Self::new(
                Code::NotFound,
                "there is no such turn of this user, or too much was said since",
            ),
            ResumeError::Erased => erased(),
            ResumeError::History(error) => error.into(),
        }
    }
}

fn model_failed(error: &ModelError) -> Problem {
    let (code, detail) = match error {
        ModelError::Overloaded => (
            Code::Overloaded,
            "too many requests wait for the model; it was not asked, try again",
        ),
        ModelError::Unavailable { .. } => (
            Code::ModelFailed,
            "the model takes no requests now; nothing was kept, try again later",
        ),
        ModelError::Failed(_) => (Code::ModelFailed, "the model gave no answer; nothing was kept"),
        ModelError::TimedOut => (
            Code::ModelTimeout,
            "the model did not answer in time; nothing was kept",
        ),
    };
    let problem = Problem::new(code, detail).caused_by(error);
    match error {
        ModelError::Unavailable { retry_after, .. } => problem.with_retry_after(*retry_after),
        ModelError::Overloaded | ModelError::Failed(_) | ModelError::TimedOut => problem,
    }
}

fn store_unavailable(error: &dyn std::error::Error, cause: &StoreError) -> Problem {
    let detail = match cause {
        StoreError::Unavailable(_) | StoreError::TimedOut => "the store cannot be asked now; try again",
        StoreError::Failed(_) => "the store has something here that cannot be served; the log names it",
    };
    Problem::new(Code::StoreUnavailable, detail).caused_by(error)
}

fn erased() -> Problem {
    Problem::new(
        Code::SessionErased,
        "the session was erased since; nothing of the turn is kept",
    )
}

fn stopping() -> Problem {
    Problem::new(Code::ShuttingDown, "the server is stopping; ask another one")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use actix_web::ResponseError;
    use hearth_domain::Version;

    use super::*;

    fn check(problem: impl Into<Problem>, status: u16, code: &str, outcome: Option<&str>) {
        let problem: Problem = problem.into();
        let json: serde_json::Value = serde_json::from_str(&problem.to_json("r-1")).unwrap();
        assert_eq!(json["status"], status);
        assert_eq!(json["code"], code);
        assert_eq!(json["request_id"], "r-1");
        assert_eq!(json.get("outcome").and_then(|outcome| outcome.as_str()), outcome);
        assert!(!json.to_string().contains("secret"), "{json}");
    }

    fn unavailable() -> StoreError {
        StoreError::Unavailable("secret".into())
    }

    #[test]
    fn every_error_has_its_status_and_code_and_hides_its_cause() {
        let version = Version::new(7).unwrap();
        check(unavailable(), 503, "store_unavailable", None);
        check(StoreError::TimedOut, 503, "store_unavailable", None);
        check(
            StoreError::Failed("secret".into()),
            503,
            "store_unavailable",
            None,
        );
        check(
            ReadError::Store(Arc::new(unavailable())),
            503,
            "store_unavailable",
            None,
        );
        check(ReadError::TimedOut, 503, "store_unavailable", None);
        check(ReadError::Overloaded, 429, "overloaded", None);
        check(
            ReadError::NotFresh { held: version },
            503,
            "not_fresh_enough",
            None,
        );
        check(ReadError::ShuttingDown, 503, "shutting_down", None);
        check(
            AppendError::VersionConflict { current: version },
            409,
            "version_conflict",
            None,
        );
        check(
            AppendError::NotCommitted(unavailable()),
            503,
            "commit_failed",
            Some("not_committed"),
        );
        check(
            AppendError::Unknown(unavailable()),
            503,
            "commit_failed",
            Some("unknown"),
        );
        check(AppendError::Overloaded, 429, "overloaded", None);
        check(
            ChatError::Commit(AppendError::Overloaded),
            429,
            "overloaded",
            None,
        );
        check(ChatError::History(ReadError::Overloaded), 429, "overloaded", None);
        check(
            ChatError::StoreAway(unavailable()),
            503,
            "store_unavailable",
            None,
        );
        check(
            ChatError::Model(ModelError::Failed("secret".into())),
            502,
            "model_failed",
            None,
        );
        check(ChatError::Model(ModelError::TimedOut), 504, "model_timeout", None);
        check(
            ChatError::Commit(AppendError::VersionConflict { current: version }),
            409,
            "version_conflict",
            None,
        );
        check(ChatError::SessionBusy, 409, "session_busy", None);
        check(ChatError::KeyReused, 422, "idempotency_key_reused", None);
        check(ChatError::SessionErased, 409, "session_erased", None);
        check(ChatError::Stopped, 503, "shutting_down", None);
    }

    #[test]
    fn a_stream_that_cannot_be_resumed_has_its_reason() {
        check(ResumeError::NotHere, 404, "not_found", None);
        check(ResumeError::Erased, 409, "session_erased", None);
        check(
            ResumeError::History(ReadError::TimedOut),
            503,
            "store_unavailable",
            None,
        );
    }

    #[test]
    fn a_model_that_says_when_to_ask_again_is_believed() {
        for (milliseconds, seconds) in [(0, "1"), (7_000, "7"), (7_001, "8")] {
            let error = ModelError::Unavailable {
                retry_after: Duration::from_millis(milliseconds),
                source: "secret".into(),
            };
            let problem = Problem::from(ChatError::Model(error));
            let response = problem.error_response();
            assert_eq!(response.status(), 502);
            assert_eq!(response.headers().get("retry-after").unwrap(), seconds);
        }
    }

    #[test]
    fn the_log_is_told_the_causes() {
        let problem: Problem = StoreError::Unavailable("connection refused".into()).into();
        assert_eq!(
            problem.cause(),
            Some("the store is not available: connection refused")
        );
    }
}
