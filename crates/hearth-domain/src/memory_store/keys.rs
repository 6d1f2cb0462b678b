//! API keys.

use chrono::SubsecRound;

use super::MemoryStore;
use crate::api_key::{ApiKey, KeyId};
use crate::limits::API_KEYS_LISTED_MAX;
use crate::ports::clock::Clock;
use crate::ports::history_store::StoreError;
use crate::ports::key_store::KeyStore;

impl<C: Clock> KeyStore for MemoryStore<C> {
    async fn create_key(&self, key: &ApiKey) -> Result<(), StoreError> {
        let mut tables = self.tables();
        if tables.keys.contains_key(&key.id) {
            return Err(StoreError::Failed("the id of the key is taken".into()));
        }
        let kept = ApiKey {
            created_at: key.created_at.trunc_subsecs(6),
            ..key.clone()
        };
        tables.keys.insert(key.id.clone(), kept);
        Ok(())
    }

    async fn find_key(&self, id: &KeyId) -> Result<Option<ApiKey>, StoreError> {
        Ok(self.tables().keys.get(id).cloned())
    }

    async fn list_keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        let mut keys: Vec<_> = self.tables().keys.values().cloned().collect();
        keys.sort_by(|a, b| a.created_at.cmp(&b.created_at).then_with(|| a.id.cmp(&b.id)));
        keys.truncate(usize::from(API_KEYS_LISTED_MAX));
        Ok(keys)
    }

    async fn revoke_key(&self, id: &KeyId) -> Result<bool, StoreError> {
        let now = self.clock.utc().trunc_subsecs(6);
        let mut tables = self.tables();
        let key = tables.keys.get_mut(id);
        Ok(key.map(|key| key.revoked_at.get_or_insert(now)).is_some())
    }
}
