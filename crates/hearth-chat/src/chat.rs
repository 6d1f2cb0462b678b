//! The chat: what a server gives requests to.

use std::sync::Arc;

use hearth_cache::{Cache, Spawner};
use hearth_domain::ports::{ChatModel, Clock, HistoryStore, ModelError, ModelStatus, RequestLog};
use hearth_domain::{ConversationKey, Department, TurnId, UserId};

use crate::answer::{Answered, Appended};
use crate::config::ChatConfig;
use crate::error::{ChatError, ResumeError};
use crate::queue::TurnQueue;
use crate::request::{AppendRequest, ChatRequest};
use crate::requests::{HeldAnswers, Running, forget_for_ever};
use crate::store_gate::StoreGate;
use crate::stream::{Found, Hub, Teller, TurnStream};
use crate::under_way::TurnsUnderWay;

/// Runs chat turns over a cache and a model.
pub struct Chat<S> {
    room: Arc<Room<S>>,
    spawner: Spawner,
}

/// What every turn needs.
pub(crate) struct Room<S> {
    pub(crate) cache: Cache<S>,
    pub(crate) model: Arc<dyn ChatModel>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: ChatConfig,
    pub(crate) gate: StoreGate,
    pub(crate) queue: Arc<TurnQueue>,
    pub(crate) running: Arc<Running>,
    pub(crate) held: HeldAnswers,
    pub(crate) hub: Arc<Hub>,
    pub(crate) under_way: Arc<TurnsUnderWay>,
}

impl<S: HistoryStore + RequestLog> Chat<S> {
    /// A chat whose turns run on the spawner's runtime. Old requests are forgotten there, too, for as long as the chat lives.
    #[must_use]
    pub fn new(
        cache: Cache<S>,
        model: Arc<dyn ChatModel>,
        clock: Arc<dyn Clock>,
        spawner: Spawner,
        config: ChatConfig,
    ) -> Self {
        let room = Arc::new(Room {
            cache,
            model,
            clock,
            gate: StoreGate::default(),
            queue: Arc::new(TurnQueue::new(config.concurrent, config.queue_max)),
            running: Arc::new(Running::new(config.queue_max)),
            held: HeldAnswers::new(config.held_answers_max, config.held_bytes_max),
            hub: Arc::new(Hub::new(
                config.finished_streams_age_max,
                config.finished_streams_bytes_max,
            )),
            under_way: Arc::default(),
            config,
        });
        spawner.spawn_forever(forget_for_ever(Arc::downgrade(&room)));
        Self { room, spawner }
    }

    /// Answers a request: claims it where it has a key, reads the history, asks the model, commits the turn. The answer is committed when
    /// this returns.
    ///
    /// # Errors
    ///
    /// [`ChatError`] says which step failed; the steps after it were not begun.
    ///
    /// # Cancel safety
    ///
    /// The turn goes on, and is kept, when the caller goes away.
    pub async fn answer(&self, request: ChatRequest) -> Result<Answered, ChatError> {
        let room = Arc::clone(&self.room);
        let turn = self
            .spawner
            .spawn(async move { room.run(&request, &mut Teller::silent()).await });
        turn.await.unwrap_or_else(|stopped| Err(cut_off(&stopped)))
    }

    /// Answers a request piece by piece. The turn runs whether or not its events are read, and [`Chat::resume`] finds it while it runs and
    /// for a while after.
    pub fn stream(&self, request: ChatRequest) -> TurnStream {
        let room = Arc::clone(&self.room);
        let (mut teller, events) = Teller::told();
        drop(self.spawner.spawn(async move {
            let outcome = room.run(&request, &mut teller).await;
            teller.ended(outcome);
        }));
        events
    }

    /// Takes up the stream of a turn again, after the event of this number; from its first event without one.
    ///
    /// # Errors
    ///
    /// [`ResumeError::NotHere`] where no such turn of this user runs here or has just ended; others where its session was erased, or where
    /// nobody can say.
    pub async fn resume(
        &self,
        turn_id: TurnId,
        department: &Department,
        user: &UserId,
        after: Option<u64>,
    ) -> Result<TurnStream, ResumeError> {
        let found = self.room.hub.find(turn_id, department, user);
        let found = found.ok_or(ResumeError::NotHere)?;
        self.room.refuse_erased(&found).await?;
        Ok(TurnStream::new(found.transcript, after.unwrap_or(0)))
    }

    /// Appends a turn without a model. Does not wait for the chats of its session.
    ///
    /// # Errors
    ///
    /// [`ChatError`]; nothing was committed, unless the outcome is unknown.
    ///
    /// # Cancel safety
    ///
    /// The commit goes on when the caller goes away.
    pub async fn append(&self, request: AppendRequest) -> Result<Appended, ChatError> {
        let Some(idempotency) = request.idempotency.clone() else {
            return self.room.append_unkeyed(request).await;
        };
        let room = Arc::clone(&self.room);
        let turn = self
            .spawner
            .spawn(async move { room.append_once(request, &idempotency).await });
        turn.await.unwrap_or_else(|_stopped| Err(ChatError::Stopped))
    }

    /// Stops the turns under way here of sessions that are about to be erased, and waits for their ends: their models are not asked any
    /// longer, and what is being committed is there for the erase to find. Their callers are told [`ChatError::SessionErased`].
    pub async fn stop_turns(&self, is_erased: impl Fn(&ConversationKey) -> bool) {
        self.room.under_way.stop(is_erased).await;
    }

    /// Forgets the streams of erased sessions that have ended here: nothing that was said is resumed then.
    pub fn forget_streams(&self, is_erased: impl Fn(&ConversationKey) -> bool) {
        self.room.hub.forget_ended(is_erased);
    }

    /// Whether the model takes requests, and how many it has. Asks nobody.
    #[must_use]
    pub fn model_status(&self) -> ModelStatus {
        self.room.model.status()
    }

    /// Answers that could not be committed and are held for their repeats, and their bytes.
    #[must_use]
    pub fn held_answers(&self) -> (usize, usize) {
        self.room.held.occupancy()
    }
}

impl<S: HistoryStore> Room<S> {
    /// Refuses a stream whose turn was kept and is gone: its session was erased, here or elsewhere.
    async fn refuse_erased(&self, found: &Found) -> Result<(), ResumeError> {
        if found.was_erased() {
            return Err(ResumeError::Erased);
        }
        let Some(answered) = found.answered() else {
            return Ok(());
        };
        let Some(response) = answered.answer.message else {
            return Ok(());
        };
        let reading = self
            .cache
            .history(&found.key)
            .await
            .map_err(ResumeError::History)?;
        let history = reading.history();
        // It is the window's, or older than a window that was cut.
        if history.is_truncated() || history.messages().any(|message| message.id == response) {
            Ok(())
        } else {
            Err(ResumeError::Erased)
        }
    }
}

/// What the caller of a turn is told whose task did not come to its end.
fn cut_off(stopped: &tokio::task::JoinError) -> ChatError {
    if stopped.is_panic() {
        ChatError::Model(ModelError::Failed("the turn panicked".into()))
    } else {
        ChatError::Stopped
    }
}
