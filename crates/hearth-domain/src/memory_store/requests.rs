//! Requests with a key.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::MemoryStore;
use crate::ids::{Department, SessionId, UserId};
use crate::ports::clock::Clock;
use crate::ports::history_store::StoreError;
use crate::ports::request_log::{Claim, Claimed, PastAnswer, RequestLog};
use crate::request::{BodyHash, ClaimOwner, Completion, RequestKey};
use crate::turn::Committed;

/// The requests that are remembered.
#[derive(Default)]
pub(super) struct Requests(BTreeMap<RequestKey, Request>);

struct Request {
    body: BodyHash,
    session: SessionId,
    created: Duration,
    state: State,
}

enum State {
    /// Somebody works on it, or did until the lease ran out or the claim was given back.
    Claimed {
        owner: Option<ClaimOwner>,
        lease_until: Duration,
    },
    Answered {
        answer: Value,
        committed: Option<Committed>,
    },
    Erased,
}

impl Requests {
    fn claim(&mut self, claim: &Claim, now: Duration) -> Claimed {
        let granted = State::Claimed {
            owner: Some(claim.owner),
            lease_until: now.saturating_add(claim.lease),
        };
        let Some(request) = self.0.get_mut(&claim.request) else {
            let request = Request {
                body: claim.body,
                session: claim.session.clone(),
                created: now,
                state: granted,
            };
            self.0.insert(claim.request.clone(), request);
            return Claimed::Granted {
                session: claim.session.clone(),
            };
        };
        if request.body != claim.body {
            return Claimed::OtherBody;
        }
        match &request.state {
            State::Claimed { owner, lease_until } => {
                let is_another = owner.is_some_and(|owner| owner != claim.owner);
                if is_another && *lease_until > now {
                    return Claimed::Running;
                }
                request.state = granted;
                Claimed::Granted {
                    session: request.session.clone(),
                }
            }
            State::Answered { answer, committed } => Claimed::Answered(PastAnswer {
                session: request.session.clone(),
                answer: answer.clone(),
                committed: committed.clone(),
            }),
            State::Erased => Claimed::Erased,
        }
    }

    /// Whether a request is this owner's to complete.
    pub(super) fn is_owned(&self, request: &RequestKey, by: ClaimOwner) -> bool {
        self.0
            .get(request)
            .is_some_and(|request| matches!(request.state, State::Claimed { owner, .. } if owner == Some(by)))
    }

    /// Notes the answer of a request, if it is its owner's.
    pub(super) fn complete(&mut self, completion: &Completion, committed: Option<&Committed>) -> bool {
        let owned = self.is_owned(&completion.request, completion.owner);
        if owned && let Some(request) = self.0.get_mut(&completion.request) {
            request.state = State::Answered {
                answer: completion.answer.clone(),
                committed: committed.cloned(),
            };
        }
        owned
    }

    /// The session and the body stay: a repeat goes on where this attempt stopped.
    fn release(&mut self, request: &RequestKey, owner: ClaimOwner) {
        if self.is_owned(request, owner)
            && let Some(request) = self.0.get_mut(request)
        {
            request.state = State::Claimed {
                owner: None,
                lease_until: Duration::ZERO,
            };
        }
    }

    /// Blanks the answers about a session, or about all of the user's.
    pub(super) fn erase(&mut self, department: &Department, user: &UserId, session: Option<&SessionId>) {
        for (key, request) in &mut self.0 {
            let is_meant = key.department == *department
                && key.user == *user
                && session.is_none_or(|session| request.session == *session);
            if is_meant && matches!(request.state, State::Answered { .. }) {
                request.state = State::Erased;
            }
        }
    }

    /// Forgets those that are at least this old and that nobody works on, oldest first.
    fn forget(&mut self, until: Duration, now: Duration, limit: u16) -> usize {
        let old = self.0.iter().filter(|(_, request)| {
            request.created <= until
                && !matches!(request.state, State::Claimed { owner: Some(_), lease_until } if lease_until > now)
        });
        let mut old: Vec<_> = old.map(|(key, request)| (request.created, key.clone())).collect();
        old.sort();
        old.truncate(usize::from(limit));
        for (_, key) in &old {
            self.0.remove(key);
        }
        old.len()
    }
}

impl<C: Clock> RequestLog for MemoryStore<C> {
    async fn claim(&self, claim: &Claim) -> Result<Claimed, StoreError> {
        let now = self.clock.now();
        Ok(self.tables().requests.claim(claim, now))
    }

    async fn complete(
        &self,
        request: &RequestKey,
        owner: ClaimOwner,
        answer: &Value,
    ) -> Result<bool, StoreError> {
        let completion = Completion {
            request: request.clone(),
            owner,
            answer: answer.clone(),
        };
        Ok(self.tables().requests.complete(&completion, None))
    }

    async fn release(&self, request: &RequestKey, owner: ClaimOwner) -> Result<(), StoreError> {
        self.tables().requests.release(request, owner);
        Ok(())
    }

    async fn forget_requests(&self, age: Duration, limit: u16) -> Result<usize, StoreError> {
        let now = self.clock.now();
        let until = now.checked_sub(age);
        Ok(until.map_or(0, |until| self.tables().requests.forget(until, now, limit)))
    }
}
