//! The ports of requests and of API keys, each call past the plan.

use std::time::Duration;

use hearth_domain::ports::{Claim, Claimed, KeyStore, RequestLog, StoreError};
use hearth_domain::{ApiKey, ClaimOwner, KeyId, RequestKey};
use serde_json::Value;

use super::{Call, FaultyStore, Point};

impl<S: RequestLog> RequestLog for FaultyStore<S> {
    async fn claim(&self, claim: &Claim) -> Result<Claimed, StoreError> {
        self.begin(Call::Claim, Some(Point::BeforeClaim)).await?;
        let claimed = self.inner().claim(claim).await;
        self.pass(Point::AfterClaim).await;
        claimed
    }

    async fn complete(
        &self,
        request: &RequestKey,
        owner: ClaimOwner,
        answer: &Value,
    ) -> Result<bool, StoreError> {
        self.begin(Call::Complete, None).await?;
        self.inner().complete(request, owner, answer).await
    }

    async fn release(&self, request: &RequestKey, owner: ClaimOwner) -> Result<(), StoreError> {
        self.begin(Call::Release, None).await?;
        self.inner().release(request, owner).await
    }

    async fn forget_requests(&self, age: Duration, limit: u16) -> Result<usize, StoreError> {
        self.begin(Call::ForgetRequests, None).await?;
        self.inner().forget_requests(age, limit).await
    }
}

impl<S: KeyStore> KeyStore for FaultyStore<S> {
    async fn create_key(&self, key: &ApiKey) -> Result<(), StoreError> {
        self.begin(Call::CreateKey, None).await?;
        self.inner().create_key(key).await
    }

    async fn find_key(&self, id: &KeyId) -> Result<Option<ApiKey>, StoreError> {
        self.begin(Call::FindKey, Some(Point::BeforeFindKey)).await?;
        self.inner().find_key(id).await
    }

    async fn list_keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        self.begin(Call::ListKeys, None).await?;
        self.inner().list_keys().await
    }

    async fn revoke_key(&self, id: &KeyId) -> Result<bool, StoreError> {
        self.begin(Call::RevokeKey, None).await?;
        self.inner().revoke_key(id).await
    }
}
