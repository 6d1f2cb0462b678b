//! The reference store with a network in front of it: calls take time, fail, and lose their answers, all decided by a seed.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hearth_domain::ports::{AppendError, HistoryStore, Lookup, Page, PageFrom, StoreError};
use hearth_domain::{
    Append, Committed, ConversationKey, Department, MemoryStore, UserId, Version, WindowLimits,
};

/// The reference store with a network in front of it.
pub(crate) struct UnsteadyStore {
    pub(crate) inner: MemoryStore,
    dice: Mutex<fastrand::Rng>,
}

/// What becomes of one call.
enum Fate {
    Answered,
    Refused,
    AnswerLost,
}

impl UnsteadyStore {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            inner: MemoryStore::default(),
            dice: Mutex::new(fastrand::Rng::with_seed(seed)),
        }
    }

    /// Waits as the network would; time is the runtime's own, which does not pass but jumps.
    async fn travel(&self) {
        let microseconds = self.roll(3_000);
        tokio::time::sleep(Duration::from_micros(microseconds)).await;
    }

    fn fate(&self) -> Fate {
        match self.roll(40) {
            0 => Fate::Refused,
            1 => Fate::AnswerLost,
            _ => Fate::Answered,
        }
    }

    fn roll(&self, sides: u64) -> u64 {
        self.dice
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .u64(0..sides)
    }
}

fn away() -> StoreError {
    StoreError::Unavailable("the network is down".into())
}

impl HistoryStore for UnsteadyStore {
    async fn load(&self, keys: &[ConversationKey], limits: WindowLimits) -> Result<Vec<Lookup>, StoreError> {
        self.travel().await;
        let answer = self.inner.load(keys, limits).await;
        self.travel().await;
        match self.fate() {
            Fate::Answered => answer,
            Fate::Refused | Fate::AnswerLost => Err(away()),
        }
    }

    async fn append(&self, appends: &[Append]) -> Vec<Result<Committed, AppendError>> {
        self.travel().await;
        let fate = self.fate();
        if let Fate::Refused = fate {
            return appends
                .iter()
                .map(|_| Err(AppendError::NotCommitted(away())))
                .collect();
        }
        let answer = self.inner.append(appends).await;
        self.travel().await;
        match fate {
            Fate::Answered | Fate::Refused => answer,
            Fate::AnswerLost => appends
                .iter()
                .map(|_| Err(AppendError::Unknown(away())))
                .collect(),
        }
    }

    async fn page(&self, key: &ConversationKey, from: PageFrom, limit: u16) -> Result<Page, StoreError> {
        self.inner.page(key, from, limit).await
    }

    async fn end(&self, key: &ConversationKey) -> Result<(), StoreError> {
        self.travel().await;
        self.inner.end(key).await
    }

    async fn erase(&self, key: &ConversationKey) -> Result<Version, StoreError> {
        self.travel().await;
        let version = self.inner.erase(key).await;
        self.travel().await;
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
