//! One attempt at a request with a key: begun with a claim, and settled with what it came to.

use std::sync::Arc;
use std::time::Duration;

use hearth_domain::ports::{AppendError, Claim, Claimed, HistoryStore, PastAnswer, RequestLog};
use hearth_domain::{BodyHash, ClaimOwner, RequestKey, SessionId};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::held::Held;
use super::running::{Entered, Working};
use super::{Identity, Note, Past};
use crate::chat::Room;
use crate::error::ChatError;
use crate::record::tombstone;

/// The first pause before a request that runs elsewhere is asked for again, and the longest.
const PAUSE_MIN: Duration = Duration::from_millis(25);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// A request with a key.
#[derive(Debug)]
pub(crate) struct Keyed {
    pub(crate) request: RequestKey,
    pub(crate) body: BodyHash,
    /// The caller's session, or one that was made up.
    pub(crate) session: SessionId,
    /// How long the caller waits for somebody else's attempt.
    pub(crate) deadline: Instant,
}

/// What became of a request when it was begun.
#[derive(Debug)]
pub(crate) enum Begun {
    /// It is answered.
    Answered(Past),
    /// It is this attempt's to work on.
    Granted(Box<Attempt>),
}

/// The right to work on a request, here and on all replicas.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) request: RequestKey,
    pub(crate) owner: ClaimOwner,
    /// The session that the request is about.
    pub(crate) session: SessionId,
    identity: Identity,
    held: Option<Note>,
    until: Instant,
    working: Working,
}

impl Attempt {
    /// What an earlier attempt produced and could not note.
    pub(crate) const fn take_held(&mut self) -> Option<Note> {
        self.held.take()
    }
}

impl<S: HistoryStore + RequestLog> Room<S> {
    /// Claims a request, or finds what it came to; waits while somebody else works on it.
    pub(crate) async fn begin(&self, keyed: &Keyed) -> Result<Begun, ChatError> {
        let identity = (keyed.request.clone(), keyed.body);
        let working = loop {
            match self.running.enter(&identity) {
                Entered::First(working) => break working,
                Entered::Full => return Err(ChatError::SessionBusy),
                Entered::Follows(waiter) => match timeout_at(keyed.deadline, waiter.outcome()).await {
                    Ok(Some(past)) => return Ok(Begun::Answered(past)),
                    // It failed: the first of those who waited tries itself.
                    Ok(None) => {}
                    Err(_elapsed) => return Err(ChatError::SessionBusy),
                },
            }
        };
        self.pass_gate().await?;
        let held = self.held.take(&identity);
        let owner = held.as_ref().map_or_else(ClaimOwner::generate, |held| held.owner);
        let claimed = self.claim(keyed, owner).await;
        let (session, until) = match claimed {
            Ok(Granted::Mine { session, until }) => (session, until),
            Ok(Granted::Answered(past)) => {
                working.tell(Arc::clone(&past));
                return Ok(Begun::Answered(past));
            }
            Err(error) => {
                if let Some(held) = held {
                    self.held.put(identity, held);
                }
                return Err(error);
            }
        };
        Ok(Begun::Granted(Box::new(Attempt {
            request: keyed.request.clone(),
            owner,
            session,
            identity,
            held: held.map(|held| held.note),
            until,
            working,
        })))
    }

    /// Claims a request, again and again while another replica works on it.
    async fn claim(&self, keyed: &Keyed, owner: ClaimOwner) -> Result<Granted, ChatError> {
        let claim = Claim {
            request: keyed.request.clone(),
            body: keyed.body,
            owner,
            session: keyed.session.clone(),
            lease: self.config.request_lease,
        };
        let mut pause = PAUSE_MIN;
        loop {
            let until = Instant::now() + claim.lease;
            let claimed = self.cache.store().claim(&claim).await;
            match claimed {
                Ok(Claimed::Granted { session }) => return Ok(Granted::Mine { session, until }),
                Ok(Claimed::Answered(past)) => return Ok(Granted::Answered(Arc::new(past))),
                Ok(Claimed::OtherBody) => return Err(ChatError::KeyReused),
                Ok(Claimed::Erased) => return Err(ChatError::SessionErased),
                Ok(Claimed::Running) => {}
                Err(error) => {
                    // It may have been claimed: the next attempt need not wait for the lease then.
                    self.release(&claim.request, owner).await;
                    return Err(ChatError::StoreAway(error));
                }
            }
            // Replicas that wait for the same request do not ask in step.
            let next = Instant::now() + pause.mul_f64(fastrand::f64().mul_add(0.5, 0.5));
            if next >= keyed.deadline {
                return Err(ChatError::SessionBusy);
            }
            sleep_until(next).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Notes what was produced; none where the claim was lost, so that the request is to be begun again.
    pub(crate) async fn settle(&self, attempt: Box<Attempt>, note: Note) -> Result<Option<Past>, ChatError> {
        let committed = match &note {
            Note::Turn(append) => self.commit(append.as_ref().clone()).await.map(Some),
            Note::Answer(answer) => {
                let store = self.cache.store();
                match store.complete(&attempt.request, attempt.owner, answer).await {
                    Ok(true) => Ok(None),
                    Ok(false) => Err(AppendError::ClaimLost),
                    // It may have been noted all the same.
                    Err(error) => Err(AppendError::Unknown(error)),
                }
            }
        };
        let error = match committed {
            Ok(committed) => {
                let past = Arc::new(PastAnswer {
                    session: attempt.session,
                    answer: note.into_answer(),
                    committed,
                });
                attempt.working.tell(Arc::clone(&past));
                return Ok(Some(past));
            }
            Err(error) => error,
        };
        match error {
            AppendError::ClaimLost => {
                // Whoever has the claim now may fail; then this answer is as good as another. This claim's lease is over, another one's lasts.
                let until = Instant::now() + self.config.request_lease;
                self.hold(Attempt { until, ..*attempt }, note);
                Ok(None)
            }
            AppendError::NotCommitted(_) | AppendError::Unknown(_) | AppendError::Overloaded => {
                self.hold(*attempt, note);
                Err(ChatError::Commit(error))
            }
            AppendError::Erased => {
                self.bury(attempt).await;
                Err(ChatError::SessionErased)
            }
            AppendError::VersionConflict { .. } => {
                self.give_back(attempt).await;
                Err(refused(error))
            }
        }
    }

    /// Gives the claim back: nothing was produced, and a repeat may try at once.
    pub(crate) async fn give_back(&self, attempt: Box<Attempt>) {
        self.release(&attempt.request, attempt.owner).await;
    }

    /// Ends a request whose session was erased meanwhile: a repeat must not bring back what was said before.
    pub(crate) async fn bury(&self, attempt: Box<Attempt>) {
        let store = self.cache.store();
        if let Err(error) = store
            .complete(&attempt.request, attempt.owner, &tombstone())
            .await
        {
            tracing::warn!(%error, "a request about an erased session was not ended; its lease runs out");
        }
    }

    /// Keeps what was produced for the repeat, which claims the request as the same owner.
    fn hold(&self, attempt: Attempt, note: Note) {
        let held = Held {
            owner: attempt.owner,
            note,
            until: attempt.until,
        };
        if !self.held.put(attempt.identity, held) {
            // Not given back: the commit may still happen. The lease runs out by itself.
            tracing::warn!("an answer was not committed and is not held for its repeat: too many are");
        }
    }

    async fn release(&self, request: &RequestKey, owner: ClaimOwner) {
        if let Err(error) = self.cache.store().release(request, owner).await {
            tracing::debug!(%error, "a claim was not given back; its lease runs out");
        }
    }
}

enum Granted {
    Mine { session: SessionId, until: Instant },
    Answered(Past),
}

/// What a caller is told of a turn that the store refused.
pub(crate) fn refused(error: AppendError) -> ChatError {
    match error {
        AppendError::Erased => ChatError::SessionErased,
        AppendError::VersionConflict { .. }
        | AppendError::ClaimLost
        | AppendError::NotCommitted(_)
        | AppendError::Unknown(_)
        | AppendError::Overloaded => ChatError::Commit(error),
    }
}
