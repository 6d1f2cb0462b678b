//! The chat turn and its order of steps: history, prompt, model, commit, memory.

use std::time::Duration;

use chrono::{DateTime, Utc};
use hearth_cache::{ReadError, Reading, Source};
use hearth_domain::ports::{Answer, AppendError, Deltas, HistoryStore, ModelError, StoreError, Usage};
use hearth_domain::{
    Append, Committed, ConversationKey, Department, NewMessage, Role, SessionId, Turn, TurnId, UserId,
    Version,
};
use serde_json::json;

use crate::chat::Room;
use crate::error::ChatError;
use crate::prompt::prompt;

/// One request to chat.
#[derive(Debug, Clone)]
pub struct ChatRequest {
    /// The tenant.
    pub department: Department,
    /// The person.
    pub user: UserId,
    /// The conversation; without one, a new one is made up.
    pub session: Option<SessionId>,
    /// What is asked; its role is the user's.
    pub query: NewMessage,
    /// Whether earlier turns are read and this one is kept.
    pub history: bool,
    /// Answer only from a history at least this new.
    pub min_version: Option<Version>,
    /// Commit only onto exactly this version.
    pub if_version: Option<Version>,
}

/// The answer to a request, committed unless history was off.
#[derive(Debug, Clone)]
pub struct ChatAnswer {
    /// The conversation.
    pub key: ConversationKey,
    /// The turn.
    pub turn: TurnId,
    /// The response.
    pub response: String,
    /// The model that gave it.
    pub model: String,
    /// The session's version with this turn; none where history was off.
    pub version: Option<Version>,
    /// What the model was given; none where history was off.
    pub history: Option<HistoryUse>,
    /// The tokens that it took, where the model says so.
    pub usage: Option<Usage>,
    /// The time of the response.
    pub created_at: DateTime<Utc>,
    /// Where the time went.
    pub timings: Timings,
}

/// What the model was given of the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryUse {
    /// Where the history came from.
    pub source: Source,
    /// Responses in it.
    pub responses: u16,
    /// Whether older messages were left out.
    pub truncated: bool,
}

/// Where a turn's time went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timings {
    /// Reading the history.
    pub history: Duration,
    /// Waiting for the model.
    pub model: Duration,
    /// Committing the turn; zero where history was off.
    pub commit: Duration,
}

impl<S: HistoryStore> Room<S> {
    /// Runs a turn to its end, whether or not anybody still waits for it.
    pub(crate) async fn run(&self, request: ChatRequest) -> Result<ChatAnswer, ChatError> {
        let mut timings = Timings::default();
        if !request.history {
            let answer = self.ask(None, &request, &mut timings).await?;
            return Ok(self.unkept(request, answer, timings));
        }
        let began = self.clock.now();
        let (key, reading) = self.read(&request).await?;
        timings.history = self.clock.now().saturating_sub(began);
        let answer = self.ask(Some(&reading), &request, &mut timings).await?;
        let append = self.append(key, request, &answer, &reading)?;
        let began = self.clock.now();
        let committed = self.commit(append.clone()).await?;
        timings.commit = self.clock.now().saturating_sub(began);
        Ok(self.kept(&append, &committed, &reading, answer, timings))
    }

    /// Reads the history first: without it, and without a store to keep the turn in, no model is asked.
    async fn read(&self, request: &ChatRequest) -> Result<(ConversationKey, Reading), ChatError> {
        let session = request.session.clone();
        let is_new = session.is_none();
        let key = ConversationKey::new(
            request.department.clone(),
            request.user.clone(),
            session.unwrap_or_else(SessionId::generate),
        );
        self.gate
            .pass(self.cache.store())
            .await
            .map_err(ChatError::StoreAway)?;
        // Whoever expects a version must be shown at least that one, or memory would be blamed for being behind.
        let least = request
            .min_version
            .max(request.if_version)
            .unwrap_or(Version::ZERO);
        let reading = if is_new && least == Version::ZERO {
            self.cache.open(&key)
        } else {
            self.cache
                .history_since(&key, least)
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
        Ok((key, reading))
    }

    async fn ask(
        &self,
        reading: Option<&Reading>,
        request: &ChatRequest,
        timings: &mut Timings,
    ) -> Result<Answer, ChatError> {
        let prompt = prompt(
            &request.department,
            reading.map(Reading::history),
            request.query.content(),
        );
        let began = self.clock.now();
        let answer = tokio::time::timeout(self.turn_timeout, self.model.answer(prompt, &mut Unheard)).await;
        timings.model = self.clock.now().saturating_sub(began);
        answer
            .unwrap_or(Err(ModelError::TimedOut))
            .map_err(ChatError::Model)
    }

    fn append(
        &self,
        key: ConversationKey,
        request: ChatRequest,
        answer: &Answer,
        reading: &Reading,
    ) -> Result<Append, ChatError> {
        let unusable = |error| ChatError::Model(ModelError::Failed(Box::new(error)));
        let mut metadata = json!({ "model": self.model.name(&request.department) });
        if let (Some(usage), Some(metadata)) = (answer.usage, metadata.as_object_mut()) {
            metadata.insert("usage".into(), json!(usage));
        }
        let response = NewMessage::new(Role::Assistant, answer.text.as_str())
            .map_err(unusable)?
            .with_metadata(metadata);
        let turn = Turn::new(vec![request.query, response]).map_err(unusable)?;
        // A session that was made up here is expected to be nobody else's.
        let if_version = request
            .if_version
            .or((reading.source() == Source::New && request.session.is_none()).then_some(Version::ZERO));
        Ok(Append {
            key,
            turn,
            if_version,
            read_version: Some(reading.history().version()),
            completes: None,
        })
    }

    async fn commit(&self, append: Append) -> Result<Committed, ChatError> {
        let outcome = self.cache.append(append).await;
        self.gate.learn(&outcome);
        outcome.map_err(ChatError::Commit)
    }

    fn kept(
        &self,
        append: &Append,
        committed: &Committed,
        reading: &Reading,
        answer: Answer,
        timings: Timings,
    ) -> ChatAnswer {
        let history = reading.history();
        ChatAnswer {
            key: append.key.clone(),
            turn: append.turn.id(),
            response: answer.text,
            model: self.model.name(&append.key.department).to_owned(),
            version: Some(committed.version),
            history: Some(HistoryUse {
                source: reading.source(),
                responses: history.responses(),
                truncated: history.is_truncated(),
            }),
            usage: answer.usage,
            created_at: committed
                .messages
                .last()
                .map_or_else(|| self.clock.utc(), |row| row.created_at),
            timings,
        }
    }

    fn unkept(&self, request: ChatRequest, answer: Answer, timings: Timings) -> ChatAnswer {
        let session = request.session.unwrap_or_else(SessionId::generate);
        let model = self.model.name(&request.department).to_owned();
        ChatAnswer {
            key: ConversationKey::new(request.department, request.user, session),
            turn: TurnId::generate(),
            response: answer.text,
            model,
            version: None,
            history: None,
            usage: answer.usage,
            created_at: self.clock.utc(),
            timings,
        }
    }
}

/// Where nobody wants the text piece by piece.
struct Unheard;

impl Deltas for Unheard {
    fn delta(&mut self, _text: &str) {}
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
