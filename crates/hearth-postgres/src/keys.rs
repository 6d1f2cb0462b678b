//! API keys.

use hearth_domain::ports::{KeyStore, StoreError};
use hearth_domain::{ApiKey, KeyId};

use crate::queries::{FindKey, InsertKey, ListKeys, RevokeKey};
use crate::rows::key::KeyColumnsRow;
use crate::store::PostgresStore;

/// Keys that are listed, at most.
const LISTED_MAX: i64 = 10_000;

impl KeyStore for PostgresStore {
    async fn create_key(&self, key: &ApiKey) -> Result<(), StoreError> {
        let insert = InsertKey(KeyColumnsRow::of(key));
        self.pool.run(insert, self.commit_timeout).await?;
        Ok(())
    }

    async fn find_key(&self, id: &KeyId) -> Result<Option<ApiKey>, StoreError> {
        let find = FindKey(id.as_str().to_owned());
        let found = self.pool.run_read(find, self.load_timeout).await?;
        Ok(found.map(ApiKey::try_from).transpose()?)
    }

    async fn list_keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        let list = ListKeys { limit: LISTED_MAX };
        let rows = self.pool.run_read(list, self.load_timeout).await?;
        Ok(rows.into_iter().map(ApiKey::try_from).collect::<Result<_, _>>()?)
    }

    async fn revoke_key(&self, id: &KeyId) -> Result<bool, StoreError> {
        let revoke = RevokeKey(id.as_str().to_owned());
        Ok(self.pool.run_read(revoke, self.commit_timeout).await?)
    }
}
