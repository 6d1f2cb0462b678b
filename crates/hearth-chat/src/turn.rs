//! The chat turn and its order of steps: claim it where it has a key, produce its response, commit it, and only then answer.

use hearth_domain::ports::{AppendError, HistoryStore, PastAnswer, RequestLog};
use hearth_domain::{Append, Committed, Endpoint, SessionId};
use tokio::time::Instant;

use crate::answer::{Answered, ChatAnswer, Timings};
use crate::chat::Room;
use crate::error::ChatError;
use crate::observer::{Observed, Step};
use crate::produce::{InSession, Produced};
use crate::record::past_answer;
use crate::request::{ChatRequest, Idempotency};
use crate::requests::{Attempt, Begun, Keyed, Note, refused};
use crate::stream::Teller;

impl<S: HistoryStore + RequestLog> Room<S> {
    /// Runs a turn to its end, whether or not anybody still waits for it.
    pub(crate) async fn run(
        &self,
        request: &ChatRequest,
        teller: &mut Teller,
    ) -> Result<Answered, ChatError> {
        let deadline = Instant::now() + self.config.turn_timeout;
        match &request.idempotency {
            Some(idempotency) => self.run_once(request, idempotency, deadline, teller).await,
            None => self.run_unkeyed(request, deadline, teller).await,
        }
    }

    async fn run_unkeyed(
        &self,
        request: &ChatRequest,
        deadline: Instant,
        teller: &mut Teller,
    ) -> Result<Answered, ChatError> {
        let session = request
            .session
            .clone()
            .map_or_else(|| InSession::MadeUp(SessionId::generate()), InSession::Known);
        let mut produced = self.produce(request, session, deadline, teller).await?;
        let committed = match produced.append.take() {
            Some(append) => Some(self.commit_timed(request, append, &mut produced.timings).await?),
            None => None,
        };
        Ok(Answered {
            answer: ChatAnswer {
                timings: produced.timings,
                ..produced.record.answer(produced.key, committed.as_ref())
            },
            replayed: false,
        })
    }

    /// Runs a turn once, however often it is asked for with its key.
    async fn run_once(
        &self,
        request: &ChatRequest,
        idempotency: &Idempotency,
        deadline: Instant,
        teller: &mut Teller,
    ) -> Result<Answered, ChatError> {
        let keyed = Keyed {
            request: idempotency.request(&request.department, &request.user, Endpoint::Chat),
            body: idempotency.body,
            session: request.session.clone().unwrap_or_else(SessionId::generate),
            deadline,
        };
        let mut may_be_made_up = request.session.is_none();
        loop {
            let mut attempt = match self.begin(&keyed).await? {
                Begun::Answered(past) => return replay(request, &past, Timings::default(), true),
                Begun::Granted(attempt) => attempt,
            };
            if let Some(note) = attempt.take_held() {
                if let Some(past) = self.settle(attempt, note).await? {
                    return replay(request, &past, Timings::default(), true);
                }
                continue;
            }
            // A claim from before has the session that was made up then, and told.
            let is_made_up = may_be_made_up && attempt.session == keyed.session;
            may_be_made_up = false;
            let session = if is_made_up {
                InSession::MadeUp(attempt.session.clone())
            } else {
                InSession::Known(attempt.session.clone())
            };
            let produced = match self.produce(request, session, deadline, teller).await {
                Ok(produced) => produced,
                Err(ChatError::SessionErased) => {
                    self.bury(attempt).await;
                    return Err(ChatError::SessionErased);
                }
                Err(error) => {
                    self.give_back(attempt).await;
                    return Err(error);
                }
            };
            if let Some(answered) = self.note(request, attempt, produced).await? {
                return Ok(answered);
            }
        }
    }

    /// Notes what was produced for a request with a key; none where the claim was lost meanwhile.
    async fn note(
        &self,
        request: &ChatRequest,
        attempt: Box<Attempt>,
        produced: Produced,
    ) -> Result<Option<Answered>, ChatError> {
        let Produced {
            record,
            append,
            mut timings,
            place,
            under_way,
            ..
        } = produced;
        let record = record.to_value()?;
        let note = match append {
            Some(append) => Note::turn(append, &attempt.request, attempt.owner, record),
            None => Note::Answer(record),
        };
        let began = self.clock.now();
        let step = Observed::begin(request, Step::Commit);
        let past = step.ended(self.settle(attempt, note).await)?;
        timings.commit = self.clock.now().saturating_sub(began);
        drop((place, under_way));
        past.map(|past| replay(request, &past, timings, false))
            .transpose()
    }

    async fn commit_timed(
        &self,
        request: &ChatRequest,
        append: Append,
        timings: &mut Timings,
    ) -> Result<Committed, ChatError> {
        let began = self.clock.now();
        let step = Observed::begin(request, Step::Commit);
        let committed = step.ended(self.commit(append).await).map_err(refused);
        timings.commit = self.clock.now().saturating_sub(began);
        committed
    }

    /// Lets a turn go on if its commit has a chance: a store that is known to be away is asked first whether it is back.
    pub(crate) async fn pass_gate(&self) -> Result<(), ChatError> {
        if self.cache.doubts_store() {
            self.gate.close();
        }
        let passed = self.gate.pass(self.cache.store()).await;
        passed.map_err(ChatError::StoreAway)
    }

    pub(crate) async fn commit(&self, append: Append) -> Result<Committed, AppendError> {
        let outcome = self.cache.append(append).await;
        self.gate.learn(&outcome);
        outcome
    }
}

fn replay(
    request: &ChatRequest,
    past: &PastAnswer,
    timings: Timings,
    replayed: bool,
) -> Result<Answered, ChatError> {
    let answer = past_answer(&request.department, &request.user, past)?;
    Ok(Answered {
        answer: ChatAnswer { timings, ..answer },
        replayed,
    })
}
