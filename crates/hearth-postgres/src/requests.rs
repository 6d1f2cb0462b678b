//! Requests that came with a key: who works on them, and what their repeats are answered.

use std::time::Duration;

use hearth_domain::ports::{Claim, Claimed, RequestLog, StoreError};
use hearth_domain::{ClaimOwner, RequestKey};
use serde_json::Value;

use crate::queries::{ClaimAnswer, ClaimRequest, CompleteRequest, ForgetRequests, ReleaseRequest};
use crate::rows::request::{RequestKeyRow, session_of};
use crate::store::PostgresStore;

impl RequestLog for PostgresStore {
    async fn claim(&self, claim: &Claim) -> Result<Claimed, StoreError> {
        let claim = ClaimRequest {
            request: RequestKeyRow::of(&claim.request),
            body_hash: claim.body.0.to_vec(),
            session_id: claim.session.as_str().to_owned(),
            owner: claim.owner.0,
            lease_milliseconds: milliseconds(claim.lease),
        };
        // A claim that is executed twice is the same owner's.
        match self.pool.run_read(claim, self.commit_timeout).await? {
            ClaimAnswer::Granted(session) => Ok(Claimed::Granted {
                session: session_of(&session)?,
            }),
            ClaimAnswer::Refused(row) => Ok(row.claimed()?),
            ClaimAnswer::Forgotten => Ok(Claimed::Running),
        }
    }

    async fn complete(
        &self,
        request: &RequestKey,
        owner: ClaimOwner,
        answer: &Value,
    ) -> Result<bool, StoreError> {
        let complete = CompleteRequest {
            request: RequestKeyRow::of(request),
            owner: owner.0,
            answer: answer.clone(),
        };
        Ok(self.pool.run(complete, self.commit_timeout).await?)
    }

    async fn release(&self, request: &RequestKey, owner: ClaimOwner) -> Result<(), StoreError> {
        let release = ReleaseRequest {
            request: RequestKeyRow::of(request),
            owner: owner.0,
        };
        Ok(self.pool.run_read(release, self.commit_timeout).await?)
    }

    async fn forget_requests(&self, age: Duration, limit: u16) -> Result<usize, StoreError> {
        let forget = ForgetRequests {
            age_milliseconds: milliseconds(age),
            limit: i64::from(limit),
        };
        Ok(self.pool.run(forget, self.commit_timeout).await?)
    }
}

/// A century at most: a time that far away must still be one that PostgreSQL can count to.
fn milliseconds(duration: Duration) -> i64 {
    const CENTURY: i64 = 100 * 365 * 86_400_000;
    i64::try_from(duration.as_millis()).map_or(CENTURY, |milliseconds| milliseconds.min(CENTURY))
}
