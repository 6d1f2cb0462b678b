//! The one table from the driver's errors to [`StoreError`]. No text of the driver's beyond the server's primary message is kept: the
//! details quote rows.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use diesel::ConnectionError;
use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind, Error as QueryError};
use diesel_async::pooled_connection::PoolError as ManagerError;
use diesel_async::pooled_connection::deadpool::PoolError;
use hearth_domain::ports::StoreError;
use tokio_postgres::error::SqlState;

use crate::trouble::Trouble;

/// What kept the store from answering; cheap to clone, since one failure may be many callers'.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    kind: FaultKind,
    text: Arc<str>,
    trouble: Option<Trouble>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FaultKind {
    Unavailable,
    TimedOut,
    Failed,
}

/// A call that did not succeed, by what is known of its effects.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// Nothing was sent.
    NotSent(Fault),
    /// The server refused, on a connection that still answers: nothing was done, and this call is to blame.
    Refused(Fault),
    /// The connection went away, or the deadline passed, after the call was sent: it may have been done.
    Lost(Fault),
}

impl Fault {
    pub(crate) fn new(kind: FaultKind, text: impl Into<Arc<str>>) -> Self {
        Self {
            kind,
            text: text.into(),
            trouble: None,
        }
    }

    fn of_trouble(kind: FaultKind, text: impl Into<Arc<str>>, trouble: Option<Trouble>) -> Self {
        Self {
            trouble,
            ..Self::new(kind, text)
        }
    }

    pub(crate) fn timed_out() -> Self {
        Self::new(FaultKind::TimedOut, "the deadline passed")
    }

    pub(crate) fn failed(text: impl Into<Arc<str>>) -> Self {
        Self::new(FaultKind::Failed, text)
    }

    /// The runtime that was passed in has ended, or a task of ours panicked.
    pub(crate) fn task_ended() -> Self {
        Self::new(FaultKind::Unavailable, "the storage task ended without an answer")
    }

    pub(crate) const fn kind(&self) -> FaultKind {
        self.kind
    }

    /// What the whole database suffers from, if this is not one call's fault.
    pub(crate) const fn trouble(&self) -> Option<Trouble> {
        self.trouble
    }

    /// Whether a statement waited for one that waited for it.
    pub(crate) fn is_deadlock(&self) -> bool {
        self.text.contains(DEADLOCK)
    }

    /// Reads a connection's refusal, where the driver still has the server's code.
    pub(crate) fn of_connecting(error: &tokio_postgres::Error) -> Self {
        let (kind, trouble) = match error.code() {
            Some(&SqlState::TOO_MANY_CONNECTIONS) => (FaultKind::Unavailable, Trouble::Crowded),
            Some(code) if is_passing(code) => (FaultKind::Unavailable, Trouble::Unreachable),
            Some(_) => (FaultKind::Failed, Trouble::Unwelcome),
            None if is_certificate_error(error) => (FaultKind::Failed, Trouble::Unwelcome),
            None => (FaultKind::Unavailable, Trouble::Unreachable),
        };
        let text = error
            .as_db_error()
            .map_or_else(|| chain(error), |refusal| refusal.message().to_owned());
        Self::of_trouble(kind, text, Some(trouble))
    }

    pub(crate) fn of_pool(error: &PoolError) -> Self {
        match error {
            PoolError::Timeout(_) => Self::new(FaultKind::TimedOut, "no connection became free in time"),
            PoolError::Backend(ManagerError::ConnectionError(error)) => Self::of_establishing(error),
            PoolError::Backend(ManagerError::QueryError(error)) => Self::of_query(error),
            PoolError::Closed | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
                Self::failed(error.to_string())
            }
        }
    }

    /// Reads back what [`establishing`] wrapped.
    pub(crate) fn of_establishing(error: &ConnectionError) -> Self {
        let ConnectionError::CouldntSetupConfiguration(error) = error else {
            return Self::new(FaultKind::Unavailable, error.to_string());
        };
        if let QueryError::QueryBuilderError(inner) = error
            && let Some(fault) = inner.downcast_ref::<Self>()
        {
            return fault.clone();
        }
        Self::of_query(error)
    }

    pub(crate) fn of_query(error: &QueryError) -> Self {
        if let QueryError::DatabaseError(kind, information) = error {
            let message = information.message();
            let trouble = if matches!(kind, DatabaseErrorKind::ReadOnlyTransaction) {
                Some(Trouble::ReadOnly)
            } else {
                says_full(message).then_some(Trouble::Full)
            };
            return Self::of_trouble(kind_of(*kind, information.as_ref()), message, trouble);
        }
        if matches!(error, QueryError::BrokenTransactionManager) {
            return Self::new(
                FaultKind::Unavailable,
                "the connection broke off in a transaction",
            );
        }
        Self::failed(error.to_string())
    }
}

/// Carries a fault through the pool, whose error type is the driver's.
pub(crate) fn establishing(fault: Fault) -> ConnectionError {
    ConnectionError::CouldntSetupConfiguration(QueryError::QueryBuilderError(Box::new(fault)))
}

impl Failure {
    pub(crate) fn fault(self) -> Fault {
        match self {
            Self::NotSent(fault) | Self::Refused(fault) | Self::Lost(fault) => fault,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Fault {}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault.kind {
            FaultKind::Unavailable => Self::Unavailable(Box::new(fault)),
            FaultKind::TimedOut => Self::TimedOut,
            FaultKind::Failed => Self::Failed(Box::new(fault)),
        }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        failure.fault().into()
    }
}

/// Whether the connection is gone, by the kind of its last error alone.
pub(crate) const fn says_closed(error: &QueryError) -> bool {
    matches!(
        error,
        QueryError::DatabaseError(
            DatabaseErrorKind::UnableToSendCommand | DatabaseErrorKind::ClosedConnection,
            _
        ) | QueryError::BrokenTransactionManager
    )
}

/// Whether the server's word alone says that a statement was refused and nothing of it kept.
pub(crate) const fn says_refused(error: &QueryError) -> bool {
    matches!(
        error,
        QueryError::DatabaseError(
            DatabaseErrorKind::UniqueViolation
                | DatabaseErrorKind::ForeignKeyViolation
                | DatabaseErrorKind::NotNullViolation
                | DatabaseErrorKind::CheckViolation
                | DatabaseErrorKind::RestrictViolation
                | DatabaseErrorKind::ExclusionViolation
                | DatabaseErrorKind::ReadOnlyTransaction
                | DatabaseErrorKind::SerializationFailure,
            _
        )
    )
}

fn kind_of(kind: DatabaseErrorKind, information: &dyn DatabaseErrorInformation) -> FaultKind {
    match kind {
        // A server that became a standby refuses writes until somebody is primary again.
        DatabaseErrorKind::UnableToSendCommand
        | DatabaseErrorKind::ClosedConnection
        | DatabaseErrorKind::ReadOnlyTransaction
        | DatabaseErrorKind::SerializationFailure => FaultKind::Unavailable,
        DatabaseErrorKind::UniqueViolation
        | DatabaseErrorKind::ForeignKeyViolation
        | DatabaseErrorKind::NotNullViolation
        | DatabaseErrorKind::CheckViolation
        | DatabaseErrorKind::RestrictViolation
        | DatabaseErrorKind::ExclusionViolation => FaultKind::Failed,
        _ => kind_by_message(information.message()),
    }
}

/// What the server says of it.
const DEADLOCK: &str = "deadlock detected";

/// The driver keeps the server's code to itself here, so that its words must do. A server that speaks another language than English
/// gets `Failed` where this would say better; that a connection is gone is found out without words, by asking it again.
fn kind_by_message(message: &str) -> FaultKind {
    const TIMED_OUT: [&str; 2] = ["due to statement timeout", "due to lock timeout"];
    const UNAVAILABLE: [&str; 8] = [
        "terminating connection",
        "the database system is",
        "too many clients",
        "too many connections",
        "remaining connection slots",
        "out of shared memory",
        DEADLOCK,
        "canceling statement due to",
    ];
    if TIMED_OUT.iter().any(|words| message.contains(words)) {
        FaultKind::TimedOut
    } else if says_full(message) || UNAVAILABLE.iter().any(|words| message.contains(words)) {
        FaultKind::Unavailable
    } else {
        FaultKind::Failed
    }
}

/// The words of the operating system, whatever PostgreSQL was about to write.
fn says_full(message: &str) -> bool {
    message.contains("No space left on device") || message.contains("Disk quota exceeded")
}

/// Codes of a server that may take the same connection later. Classes: 08 connection exceptions, 53 insufficient resources, 57P
/// operator interventions (shut down, crashed, starting up).
fn is_passing(code: &SqlState) -> bool {
    let code = code.code();
    code.starts_with("08") || code.starts_with("53") || code.starts_with("57P")
}

fn is_certificate_error(error: &tokio_postgres::Error) -> bool {
    let mut source = error.source();
    while let Some(error) = source {
        let inner = error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        if error.is::<rustls::Error>() || inner.is_some_and(|inner| inner.is::<rustls::Error>()) {
            return true;
        }
        source = error.source();
    }
    false
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.ends_with(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_words_tell_the_kinds_apart() {
        let check = |message: &str, expected: FaultKind| {
            let error = QueryError::DatabaseError(DatabaseErrorKind::Unknown, Box::new(message.to_owned()));
            assert_eq!(Fault::of_query(&error).kind(), expected, "{message}");
        };
        check(
            "canceling statement due to statement timeout",
            FaultKind::TimedOut,
        );
        check("canceling statement due to lock timeout", FaultKind::TimedOut);
        check(
            "canceling statement due to conflict with recovery",
            FaultKind::Unavailable,
        );
        check(
            "terminating connection due to administrator command",
            FaultKind::Unavailable,
        );
        check("the database system is starting up", FaultKind::Unavailable);
        check("sorry, too many clients already", FaultKind::Unavailable);
        check(
            "could not extend file \"base/5/16384\": No space left on device",
            FaultKind::Unavailable,
        );
        check("relation \"chatbot_messages\" does not exist", FaultKind::Failed);
    }

    #[test]
    fn faults_come_back_through_the_pools_error() {
        let fault = Fault::new(FaultKind::Unavailable, "not there");
        let error = PoolError::Backend(ManagerError::ConnectionError(establishing(fault)));
        assert_eq!(Fault::of_pool(&error).kind(), FaultKind::Unavailable);
        assert_eq!(Fault::of_pool(&error).to_string(), "not there");
    }
}
