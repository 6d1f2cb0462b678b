//! What a read answers.

use std::fmt;
use std::sync::Arc;

use hearth_domain::History;

use crate::loaded_session::LoadedSession;

/// A history and where it came from. Cloning it copies no messages.
#[derive(Clone)]
pub struct Reading {
    session: Arc<LoadedSession>,
    source: Source,
    degraded: bool,
}

/// Where a history came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// It was loaded already; the store was not asked.
    Memory,
    /// The store has it.
    Store,
    /// Nobody wrote to this session yet.
    New,
}

impl Source {
    /// The word that clients see.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Store => "store",
            Self::New => "new",
        }
    }
}

impl Reading {
    pub(crate) const fn new(session: Arc<LoadedSession>, source: Source) -> Self {
        Self {
            session,
            source,
            degraded: false,
        }
    }

    pub(crate) const fn degraded(session: Arc<LoadedSession>) -> Self {
        Self {
            session,
            source: Source::Memory,
            degraded: true,
        }
    }

    /// The history as it was when it was read; turns that come later do not change it.
    #[must_use]
    pub fn history(&self) -> &History {
        self.session.history()
    }

    /// Where it came from.
    #[must_use]
    pub const fn source(&self) -> Source {
        self.source
    }

    /// Whether it may be out of date because the store could not be asked.
    #[must_use]
    pub const fn is_degraded(&self) -> bool {
        self.degraded
    }
}

impl Reading {
    /// Whether the session has no messages at all, in the window or before it.
    pub(crate) fn is_of_new_session(&self) -> bool {
        self.history().is_empty() && !self.history().is_truncated()
    }
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading")
            .field("source", &self.source)
            .field("degraded", &self.degraded)
            .field("version", &self.history().version())
            .field("responses", &self.history().responses())
            .finish_non_exhaustive()
    }
}
