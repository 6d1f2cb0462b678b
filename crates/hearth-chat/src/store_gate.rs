//! Whether the store is known to be away, so that no model is asked for an answer that could not be kept.

use std::sync::atomic::{AtomicBool, Ordering};

use hearth_domain::Committed;
use hearth_domain::ports::{AppendError, HistoryStore, StoreError};

/// Open while commits succeed. A commit that failed for the store's absence closes it, and a ping that succeeds opens it again.
#[derive(Debug, Default)]
pub(crate) struct StoreGate {
    closed: AtomicBool,
}

impl StoreGate {
    /// Lets a turn pass if its commit has a chance. Asks the store only while the gate is closed.
    pub(crate) async fn pass(&self, store: &impl HistoryStore) -> Result<(), StoreError> {
        if self.closed.load(Ordering::Relaxed) {
            store.ping().await?;
            self.closed.store(false, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Closes it: the next turn asks the store first.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    /// Learns from a commit.
    pub(crate) fn learn(&self, outcome: &Result<Committed, AppendError>) {
        let away = match outcome {
            Ok(_)
            | Err(
                AppendError::VersionConflict { .. }
                | AppendError::Erased
                | AppendError::ClaimLost
                | AppendError::Overloaded,
            ) => false,
            Err(AppendError::NotCommitted(error) | AppendError::Unknown(error)) => match error {
                StoreError::Unavailable(_) | StoreError::TimedOut => true,
                StoreError::Failed(_) => false,
            },
        };
        if self.closed.load(Ordering::Relaxed) != away {
            self.closed.store(away, Ordering::Relaxed);
        }
    }
}
