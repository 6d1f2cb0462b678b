//! What changes the store: each call outlives the caller who waits for it, and memory follows before the caller is told.

use std::future::Future;
use std::sync::Arc;

use hearth_domain::ports::{AppendError, HistoryStore, StoreError};
use hearth_domain::{Append, Committed, ConversationKey, Department, UserId, Version};

use crate::cache::Shared;
use crate::slots::Working;
use crate::spawn::unwound;

impl<S: HistoryStore> Shared<S> {
    /// By far the most frequent change: it runs where its caller waits for it, and becomes a task only where the caller leaves.
    pub(crate) async fn append(shared: &Arc<Self>, append: Append) -> Result<Committed, AppendError> {
        let key = append.key.clone();
        let commit = unwound(Arc::clone(shared).commit(append));
        let commit = shared.spawner.handed_over_if_left(commit);
        let error = match tokio::time::timeout(shared.config.append_timeout, commit).await {
            Ok(Ok(outcome)) => return outcome,
            Ok(Err(panic)) => panic,
            Err(_elapsed) => StoreError::TimedOut,
        };
        // The caller does not know; nor does memory.
        shared.slots.invalidate(&key);
        Err(AppendError::Unknown(error))
    }

    async fn commit(self: Arc<Self>, append: Append) -> Result<Committed, AppendError> {
        let working = self.slots.begin(&append.key);
        let turns = std::slice::from_ref(&append);
        let outcome = match unwound(async { self.store.append(turns).await }).await {
            Ok(mut outcomes) => outcomes.pop().unwrap_or_else(|| {
                Err(AppendError::Unknown(StoreError::Failed(
                    "it did not answer for the turn".into(),
                )))
            }),
            Err(panic) => Err(AppendError::Unknown(panic)),
        };
        match &outcome {
            Ok(committed) => {
                // Before the caller is told: what is read next is not what was held while the store was away.
                self.outage.end();
                self.take_over(working, &append, committed).await;
            }
            // It may have been committed: what is in memory cannot be trusted to have it.
            Err(AppendError::Unknown(_)) => self.doubt(vec![append.key.clone()]),
            // The store is ahead of what the caller read here: the next read must not give the same old version again.
            Err(AppendError::VersionConflict { current }) => self.slots.heard_of(&append.key, *current),
            // What is held, or on its way, is what was erased; only the store knows what came after.
            Err(AppendError::Erased) => self.slots.forget(&append.key),
            // The request was answered elsewhere, maybe with a turn that is not here yet.
            Err(AppendError::ClaimLost) => self.slots.invalidate(&append.key),
            Err(AppendError::NotCommitted(_) | AppendError::Overloaded) => {}
        }
        outcome
    }

    /// Memory follows a commit, and those before it.
    async fn take_over(&self, working: Working<'_>, append: &Append, committed: &Committed) {
        let Some(applied) = working.committed(append, committed, self.clock.now()) else {
            return;
        };
        let applied = {
            // The timer goes along where the caller leaves.
            let _entered = self.spawner.runtime().enter();
            tokio::time::timeout(self.config.order_patience(), applied)
        };
        if applied.await.is_err() {
            self.slots.stop_waiting(&append.key, committed.version);
        }
    }

    /// Nobody knows what became of a change. It may still be under way in the store, so that what is read now is older: the sessions are
    /// invalidated once more when the store's deadlines have passed.
    fn doubt(&self, keys: Vec<ConversationKey>) {
        keys.iter().for_each(|key| self.slots.invalidate(key));
        let slots = Arc::clone(&self.slots);
        let over = self.config.doubt_timeout();
        self.spawner.spawn_forever(async move {
            tokio::time::sleep(over).await;
            keys.iter().for_each(|key| slots.invalidate(key));
        });
    }

    pub(crate) async fn end(shared: &Arc<Self>, key: ConversationKey) -> Result<(), StoreError> {
        let task = Arc::clone(shared);
        shared
            .in_task(async move {
                let _working = task.slots.begin(&key);
                task.store.end(&key).await?;
                task.slots.forget(&key);
                Ok(())
            })
            .await
    }

    pub(crate) async fn erase(shared: &Arc<Self>, key: ConversationKey) -> Result<Version, StoreError> {
        let task = Arc::clone(shared);
        shared
            .in_task(async move {
                let _working = task.slots.begin(&key);
                let outcome = unwound(async { task.store.erase(&key).await }).await.flatten();
                match outcome {
                    Ok(_) => task.slots.forget(&key),
                    Err(_) => task.doubt(vec![key.clone()]),
                }
                outcome
            })
            .await
    }

    pub(crate) async fn erase_user(
        shared: &Arc<Self>,
        department: Department,
        user: UserId,
    ) -> Result<usize, StoreError> {
        let task = Arc::clone(shared);
        shared
            .in_task(async move {
                let outcome = unwound(async { task.store.erase_user(&department, &user).await })
                    .await
                    .flatten();
                // Not only those that the store names: it has nothing of an empty one, nor of what a call before has erased unheard.
                let theirs = task.slots.of_user(&department, &user).await;
                match outcome {
                    Ok(_) => theirs.iter().for_each(|key| task.slots.forget(key)),
                    Err(_) => task.doubt(theirs),
                }
                outcome.map(|erased| erased.len())
            })
            .await
    }

    /// Runs what changes the store in a task of its own, so that it is not cut off half-way.
    async fn in_task<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let work = self.spawner.spawn(unwound(work));
        match tokio::time::timeout(self.config.append_timeout, work).await {
            Ok(Ok(outcome)) => outcome.flatten(),
            Ok(Err(_cancelled)) => Err(StoreError::Failed("it was cut off".into())),
            Err(_elapsed) => Err(StoreError::TimedOut),
        }
    }
}
