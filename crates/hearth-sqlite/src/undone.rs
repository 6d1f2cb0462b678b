//! Why there is no result of a job.

use std::sync::Arc;

use hearth_domain::ports::StoreError;

use crate::error::{Fault, shared};

/// Why there is no result of a job. One reason may be that of many.
#[derive(Debug, Clone)]
pub(crate) enum Undone {
    /// The deadline passed before it began: it never will.
    NotBegun,
    /// The deadline passed while it ran: it runs on to its end.
    StillRunning,
    /// It failed, and what it did is undone.
    Failed(Arc<Fault>),
}

impl From<Fault> for Undone {
    fn from(fault: Fault) -> Self {
        Self::Failed(Arc::new(fault))
    }
}

impl From<Undone> for StoreError {
    fn from(undone: Undone) -> Self {
        match undone {
            Undone::NotBegun | Undone::StillRunning => Self::TimedOut,
            Undone::Failed(fault) => shared(&fault),
        }
    }
}
