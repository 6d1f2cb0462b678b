//! What keeps the database from serving, for as long as it lasts: one line in the log when it begins and one when it is over.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::error::Fault;

/// A trouble that passes by itself, or when somebody does something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Nobody answers, or the server is starting or stopping.
    Unreachable,
    /// The server has no room for another connection.
    Crowded,
    /// The server does not want this user, this password or this database.
    Unwelcome,
    /// The server only reads: it is a standby.
    ReadOnly,
    /// The server's disk is full.
    Full,
}

impl Trouble {
    const fn number(self) -> u8 {
        match self {
            Self::Unreachable => 1,
            Self::Crowded => 2,
            Self::Unwelcome => 3,
            Self::ReadOnly => 4,
            Self::Full => 5,
        }
    }

    const fn says(self) -> &'static str {
        match self {
            Self::Unreachable => "PostgreSQL cannot be reached",
            Self::Crowded => "PostgreSQL has no room for another connection",
            Self::Unwelcome => "PostgreSQL refuses to be connected to",
            Self::ReadOnly => "PostgreSQL only reads",
            Self::Full => "PostgreSQL's disk is full",
        }
    }
}

/// No trouble.
const WELL: u8 = 0;

/// What is known of a database: whether it takes connections, and whether it takes writes.
#[derive(Debug, Default)]
pub(crate) struct Condition {
    connecting: AtomicU8,
    writing: AtomicU8,
}

impl Condition {
    /// Notes how opening a connection went.
    pub(crate) fn connected<T>(&self, outcome: &Result<T, Fault>) {
        match outcome {
            Ok(_) => end(&self.connecting, "PostgreSQL takes connections again"),
            Err(fault) => begin(&self.connecting, fault),
        }
    }

    /// Notes that a statement was refused, for whatever reason.
    pub(crate) fn refused(&self, fault: &Fault) {
        begin(&self.writing, fault);
    }

    /// Notes that something was written.
    pub(crate) fn wrote(&self) {
        end(&self.writing, "PostgreSQL takes writes again");
    }
}

fn begin(state: &AtomicU8, fault: &Fault) {
    if let Some(trouble) = fault.trouble()
        && state.swap(trouble.number(), Ordering::Relaxed) != trouble.number()
    {
        tracing::error!(%fault, "{}", trouble.says());
    }
}

/// Asked after every commit: nothing is written where nothing changed.
fn end(state: &AtomicU8, says: &str) {
    if state.load(Ordering::Relaxed) != WELL && state.swap(WELL, Ordering::Relaxed) != WELL {
        tracing::info!("{says}");
    }
}
