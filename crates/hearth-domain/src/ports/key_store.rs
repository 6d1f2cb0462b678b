//! Where API keys are kept.

use std::future::Future;

use crate::api_key::{ApiKey, KeyId};
use crate::ports::history_store::StoreError;

/// Keeps API keys, for all replicas.
pub trait KeyStore: Send + Sync + 'static {
    /// Keeps a new key; its time is the caller's, to the microsecond.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; a key whose id is taken is [`StoreError::Failed`].
    fn create_key(&self, key: &ApiKey) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The key of this id, revoked ones included.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    fn find_key(&self, id: &KeyId) -> impl Future<Output = Result<Option<ApiKey>, StoreError>> + Send;

    /// All keys, oldest first, at most 10,000.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    fn list_keys(&self) -> impl Future<Output = Result<Vec<ApiKey>, StoreError>> + Send;

    /// Revokes a key; `false` where there is none of this id. One that was revoked before keeps its time.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    fn revoke_key(&self, id: &KeyId) -> impl Future<Output = Result<bool, StoreError>> + Send;
}
