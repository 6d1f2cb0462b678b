//! The chat: what a server gives requests to.

use std::sync::Arc;
use std::time::Duration;

use hearth_cache::{Cache, Spawner};
use hearth_domain::ports::{ChatModel, Clock, HistoryStore, ModelError};

use crate::error::ChatError;
use crate::store_gate::StoreGate;
use crate::turn::{ChatAnswer, ChatRequest};

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
    pub(crate) gate: StoreGate,
    pub(crate) turn_timeout: Duration,
}

impl<S: HistoryStore> Chat<S> {
    /// A chat whose turns run on the spawner's runtime; the model has `turn_timeout` to answer.
    #[must_use]
    pub fn new(
        cache: Cache<S>,
        model: Arc<dyn ChatModel>,
        clock: Arc<dyn Clock>,
        spawner: Spawner,
        turn_timeout: Duration,
    ) -> Self {
        let gate = StoreGate::default();
        Self {
            room: Arc::new(Room {
                cache,
                model,
                clock,
                gate,
                turn_timeout,
            }),
            spawner,
        }
    }

    /// Answers a request: reads the history, asks the model, commits the turn. The answer is committed when this returns.
    ///
    /// # Errors
    ///
    /// [`ChatError`] says which step failed; the steps after it were not begun.
    ///
    /// # Cancel safety
    ///
    /// The turn goes on, and is kept, when the caller goes away.
    pub async fn answer(&self, request: ChatRequest) -> Result<ChatAnswer, ChatError> {
        let room = Arc::clone(&self.room);
        let turn = self.spawner.spawn(async move { room.run(request).await });
        turn.await.unwrap_or_else(|stopped| {
            Err(if stopped.is_panic() {
                ChatError::Model(ModelError::Failed("it panicked".into()))
            } else {
                ChatError::Stopped
            })
        })
    }
}
