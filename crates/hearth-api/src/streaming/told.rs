//! What a stream tells.

use std::sync::Arc;

use futures_util::stream::{self, BoxStream, StreamExt};
use hearth_chat::{TurnEvent, TurnEventKind, TurnStream};
use hearth_domain::TurnId;
use hearth_domain::ports::KeptTurn;
use serde::Serialize;

use crate::dto::chat::ChatResponse;
use crate::dto::events::TurnStarted;
use crate::error::Problem;

/// One event of a stream, on its way to the wire.
#[derive(Debug, Clone)]
pub enum Told {
    /// The turn's ids, as JSON.
    Turn(String),
    /// The next piece of the response.
    Delta(Arc<str>),
    /// The whole answer, as JSON; the last event.
    Done(String),
    /// Why there is none; the last event.
    Failed(Box<Problem>),
}

impl From<&TurnEvent> for Told {
    fn from(event: &TurnEvent) -> Self {
        match &event.kind {
            TurnEventKind::Started { key, turn_id } => Self::Turn(json(&TurnStarted::new(*turn_id, key))),
            TurnEventKind::Delta(text) => Self::Delta(Arc::clone(text)),
            TurnEventKind::Done(answered) => Self::Done(json(&ChatResponse::from(&answered.answer))),
            TurnEventKind::Failed(error) => Self::Failed(Box::new(Problem::from(&**error))),
        }
    }
}

/// The events of a turn that runs here or has just ended.
pub(super) fn of_turn(events: TurnStream) -> BoxStream<'static, Told> {
    events.into_stream().map(|event| Told::from(&event)).boxed()
}

/// The events of a turn that only the store knows any more.
pub(super) fn of_kept(turn_id: TurnId, kept: &KeptTurn) -> BoxStream<'static, Told> {
    let told = [
        Told::Turn(json(&TurnStarted::new(turn_id, &kept.key))),
        Told::Delta(kept.response.content.as_str().into()),
        Told::Done(json(&ChatResponse::kept(turn_id, kept))),
    ];
    stream::iter(told).boxed()
}

/// Texts, numbers and truth values alone: there is nothing that could fail to serialize.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
