//! A store that keeps nothing: it makes histories up when they are asked for, so that whatever memory they take is the cache's.

use anyhow::Result;
use hearth_domain::ports::{AppendError, HistoryStore, Lookup, Page, PageFrom, StoreError};
use hearth_domain::{Append, Committed, ConversationKey, Department, UserId, Version, WindowLimits};

use crate::dataset::Dataset;

/// Answers loads from a [`Dataset`], and refuses everything else.
#[derive(Debug)]
pub(crate) struct InventedStore(pub(crate) Dataset);

fn refusal() -> StoreError {
    StoreError::Failed("this store is only read".into())
}

impl HistoryStore for InventedStore {
    async fn load(&self, keys: &[ConversationKey], _: WindowLimits) -> Result<Vec<Lookup>, StoreError> {
        let lookup = |key| match self.0.session_of(key) {
            Some(session) => {
                let history = self.0.history(session);
                history
                    .map(Lookup::Found)
                    .map_err(|error| StoreError::Failed(error.into()))
            }
            None => Ok(Lookup::New(Version::ZERO)),
        };
        keys.iter().map(lookup).collect()
    }

    async fn append(&self, appends: &[Append]) -> Vec<Result<Committed, AppendError>> {
        appends
            .iter()
            .map(|_| Err(AppendError::NotCommitted(refusal())))
            .collect()
    }

    async fn page(&self, _: &ConversationKey, _: PageFrom, _: u16) -> Result<Page, StoreError> {
        Err(refusal())
    }

    async fn end(&self, _: &ConversationKey) -> Result<(), StoreError> {
        Err(refusal())
    }

    async fn erase(&self, _: &ConversationKey) -> Result<Version, StoreError> {
        Err(refusal())
    }

    async fn erase_user(&self, _: &Department, _: &UserId) -> Result<Vec<ConversationKey>, StoreError> {
        Err(refusal())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
