//! A turn until its response is there: its place in the session, the history, the prompt, the model.

use hearth_cache::{ReadError, Reading, Source};
use hearth_domain::ports::{AppendError, HistoryStore, ModelError, RequestLog, StoreError};
use hearth_domain::{Append, ConversationKey, NewMessage, Role, SessionId, Status, Turn, TurnId, Version};
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use crate::answer::{HistoryUse, Timings};
use crate::chat::Room;
use crate::error::ChatError;
use crate::observer::{Observed, Step};
use crate::prompt::{is_truncated, prompt, responses};
use crate::queue::Place;
use crate::record::Record;
use crate::request::ChatRequest;
use crate::response::respond;
use crate::stream::Teller;
use crate::under_way::UnderWay;

/// The session of a turn.
#[derive(Debug, Clone)]
pub(crate) enum InSession {
    /// The caller named it, or an earlier attempt has told of it: there may be turns in it.
    Known(SessionId),
    /// It was just made up, and nobody else can know of it.
    MadeUp(SessionId),
}

/// A turn that is asked for.
struct Asked<'a> {
    request: &'a ChatRequest,
    key: ConversationKey,
    is_made_up: bool,
    turn_id: TurnId,
    deadline: Instant,
}

/// What a turn came to before anything was noted in the store.
pub(crate) struct Produced {
    pub(crate) key: ConversationKey,
    pub(crate) record: Record,
    /// The turn to commit; none where history is off.
    pub(crate) append: Option<Append>,
    pub(crate) timings: Timings,
    /// The next turn of the session begins when this one is noted.
    pub(crate) place: Option<Place>,
    /// An erase waits until this one is noted.
    pub(crate) under_way: Option<UnderWay>,
}

impl<S: HistoryStore + RequestLog> Room<S> {
    /// All of a turn but what is noted of it.
    pub(crate) async fn produce(
        &self,
        request: &ChatRequest,
        session: InSession,
        deadline: Instant,
        teller: &mut Teller,
    ) -> Result<Produced, ChatError> {
        let (session, is_made_up) = match session {
            InSession::Known(session) => (session, false),
            InSession::MadeUp(session) => (session, true),
        };
        let turn = Asked {
            request,
            key: ConversationKey::new(request.department.clone(), request.user.clone(), session),
            is_made_up,
            turn_id: TurnId::generate(),
            deadline,
        };
        let under_way = self.under_way.begin(&turn.key);
        let producing = async {
            if request.history {
                self.produce_kept(&turn, teller).await
            } else {
                self.produce_unkept(&turn, teller).await
            }
        };
        let mut produced = tokio::select! {
            biased;
            () = under_way.stopped() => return Err(ChatError::SessionErased),
            produced = producing => produced?,
        };
        produced.under_way = Some(under_way);
        Ok(produced)
    }

    /// The same of a turn without history, which nobody waits for and nothing is kept of.
    async fn produce_unkept(&self, turn: &Asked<'_>, teller: &mut Teller) -> Result<Produced, ChatError> {
        let mut timings = Timings::default();
        let record = self.ask(turn, None, teller, &mut timings).await?;
        Ok(Produced {
            key: turn.key.clone(),
            record,
            append: None,
            timings,
            place: None,
            under_way: None,
        })
    }

    /// The same of a turn that will be kept: in its place among the turns of its session.
    async fn produce_kept(&self, turn: &Asked<'_>, teller: &mut Teller) -> Result<Produced, ChatError> {
        let mut timings = Timings::default();
        let place = self
            .queue
            .enter(&turn.key, turn.deadline)
            .await
            .map_err(|_busy| ChatError::SessionBusy)?;
        let began = self.clock.now();
        let step = Observed::begin(turn.request, Step::History);
        let reading = timeout_at(turn.deadline, self.read(turn))
            .await
            .unwrap_or(Err(ChatError::History(ReadError::TimedOut)));
        let reading = step.ended(reading)?;
        timings.history = self.clock.now().saturating_sub(began);
        let record = self.ask(turn, Some(&reading), teller, &mut timings).await?;
        let append = append(turn, &record, &reading)?;
        Ok(Produced {
            key: turn.key.clone(),
            record,
            append: Some(append),
            timings,
            place: Some(place),
            under_way: None,
        })
    }

    /// Reads the history first: without it, and without a store to keep the turn in, no model is asked.
    async fn read(&self, turn: &Asked<'_>) -> Result<Reading, ChatError> {
        let Asked { request, key, .. } = turn;
        self.pass_gate().await?;
        // Whoever expects a version must be shown at least that one, or memory would be blamed for being behind.
        let least = request
            .min_version
            .max(request.if_version)
            .unwrap_or(Version::ZERO);
        let reading = if turn.is_made_up && least == Version::ZERO {
            self.cache.open(key)
        } else {
            self.cache
                .history_since(key, least)
                .await
                .map_err(|error| missed(request, error))?
        };
        let current = reading.history().version();
        if request.if_version.is_some_and(|expected| expected != current) {
            return Err(ChatError::Commit(AppendError::VersionConflict { current }));
        }
        if reading.is_degraded() {
            return Err(ChatError::StoreAway(StoreError::Unavailable(
                "the history could not be renewed".into(),
            )));
        }
        Ok(reading)
    }

    /// Asks the model, and times it.
    async fn ask(
        &self,
        turn: &Asked<'_>,
        reading: Option<&Reading>,
        teller: &mut Teller,
        timings: &mut Timings,
    ) -> Result<Record, ChatError> {
        let department = &turn.key.department;
        let mut prompt = prompt(
            &self.config.prompt,
            department,
            reading.map(Reading::history),
            turn.request.query.content(),
            teller.is_heard(),
        );
        let history = reading.map(|reading| HistoryUse {
            source: reading.source(),
            responses: responses(&prompt),
            truncated: is_truncated(&prompt),
        });
        teller.started(&self.hub, &turn.key, turn.turn_id);
        let began = self.clock.now();
        let step = Observed::begin(turn.request, Step::Model);
        prompt.traceparent = step.traceparent();
        let response = respond(&*self.model, prompt, turn.deadline, teller).await;
        timings.model = self.clock.now().saturating_sub(began);
        let response = step.ended(response).map_err(ChatError::Model)?;
        Ok(Record {
            turn_id: turn.turn_id,
            response: response.text,
            incomplete: response.status == Status::Incomplete,
            model: self.model.name(department).to_owned(),
            usage: response.usage,
            history: history.map(Into::into),
            answered_at: self.clock.utc(),
        })
    }
}

/// The turn on its way to the store.
fn append(turn: &Asked<'_>, record: &Record, reading: &Reading) -> Result<Append, ChatError> {
    let unusable = |error| ChatError::Model(ModelError::Failed(Box::new(error)));
    let request = turn.request;
    let response = NewMessage::new(Role::Assistant, record.response.as_str())
        .map_err(unusable)?
        .with_metadata(metadata(record));
    let messages = vec![request.query.clone(), response];
    // A session that was made up here is expected to be nobody else's.
    let is_ours = reading.source() == Source::New && turn.is_made_up;
    Ok(Append {
        key: turn.key.clone(),
        turn: Turn::with_id(turn.turn_id, messages).map_err(unusable)?,
        if_version: request.if_version.or(is_ours.then_some(Version::ZERO)),
        read_version: Some(reading.history().version()),
        completes: None,
    })
}

/// What is kept with a response beside its text: by the turn's id, another replica finds what became of a stream.
fn metadata(record: &Record) -> serde_json::Value {
    let mut metadata = json!({ "model": record.model, "turn_id": record.turn_id });
    if let Some(members) = metadata.as_object_mut() {
        if let Some(usage) = record.usage {
            members.insert("usage".into(), json!(usage));
        }
        if record.incomplete {
            members.insert("status".into(), json!(Status::INCOMPLETE));
        }
    }
    metadata
}

/// A history older than `if_version` is a conflict; one older than `min_version` alone is not fresh enough.
fn missed(request: &ChatRequest, error: ReadError) -> ChatError {
    if let ReadError::NotFresh { held: current } = error
        && request.if_version.is_some_and(|expected| expected > current)
    {
        return ChatError::Commit(AppendError::VersionConflict { current });
    }
    ChatError::History(error)
}
