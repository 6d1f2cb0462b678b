//! A store that panics where no future is polled yet, and after a commit.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};

use hearth_domain::ports::{AppendError, HistoryStore, Lookup, Page, PageFrom, StoreError};
use hearth_domain::{
    Append, Committed, ConversationKey, Department, MemoryStore, UserId, Version, WindowLimits,
};

/// Panics as often as it was told to.
#[derive(Default)]
pub(crate) struct PanickingStore {
    pub(crate) inner: MemoryStore,
    pub(crate) loads: AtomicUsize,
    pub(crate) appends: AtomicUsize,
    pub(crate) erases: AtomicUsize,
}

fn panic_if_due(left: &AtomicUsize) {
    let due = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
    assert!(due.is_err(), "a panic that the test asked for");
}

impl HistoryStore for PanickingStore {
    fn load(
        &self,
        keys: &[ConversationKey],
        limits: WindowLimits,
    ) -> impl Future<Output = Result<Vec<Lookup>, StoreError>> + Send {
        panic_if_due(&self.loads);
        self.inner.load(keys, limits)
    }

    async fn append(&self, appends: &[Append]) -> Vec<Result<Committed, AppendError>> {
        let committed = self.inner.append(appends).await;
        panic_if_due(&self.appends);
        committed
    }

    async fn page(&self, key: &ConversationKey, from: PageFrom, limit: u16) -> Result<Page, StoreError> {
        self.inner.page(key, from, limit).await
    }

    async fn end(&self, key: &ConversationKey) -> Result<(), StoreError> {
        self.inner.end(key).await
    }

    async fn erase(&self, key: &ConversationKey) -> Result<Version, StoreError> {
        let version = self.inner.erase(key).await;
        panic_if_due(&self.erases);
        version
    }

    async fn erase_user(
        &self,
        department: &Department,
        user: &UserId,
    ) -> Result<Vec<ConversationKey>, StoreError> {
        self.inner.erase_user(department, user).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.inner.ping().await
    }
}
