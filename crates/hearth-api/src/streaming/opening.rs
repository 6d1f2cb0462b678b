//! Whether a turn becomes a stream or a problem.

use std::time::Duration;

use futures_util::FutureExt;
use hearth_chat::{TurnEvent, TurnEventKind, TurnStream};
use tokio::time::timeout;

use super::told::Told;
use crate::error::{Code, Problem};

/// How long the beginning of a stream is held back for what comes after it: a model that refuses without being asked, for it has too much to
/// do or was given up, does so at once, and its caller gets a status. The first piece of a response ends the wait.
const GRACE: Duration = Duration::from_millis(100);

/// A turn that became a stream.
pub struct Opening {
    /// What was told by then.
    pub(super) told: Vec<Told>,
    /// What is told from then on.
    pub(super) rest: TurnStream,
    /// Whether the answer was given before.
    pub(super) is_replayed: bool,
}

impl Opening {
    /// Waits until it is clear what a turn becomes.
    ///
    /// # Errors
    ///
    /// Why the turn failed, where that was before the model was asked, or before it said anything and at once.
    pub async fn of(mut events: TurnStream) -> Result<Self, Problem> {
        let mut told = Vec::new();
        let first = events.next().await;
        told.push(unless_failed(first.as_ref())?);
        if let Ok(second) = timeout(GRACE, events.next()).await {
            let mut next = Some(second.as_ref().map_or_else(|| Err(cut_off()), |event| unless_failed(Some(event)))?);
            let mut is_replayed = second.as_ref().is_some_and(is_replay);
            while let Some(event) = next.take() {
                told.push(event);
                if let Some(Some(event)) = events.next().now_or_never() {
                    is_replayed |= is_replay(&event);
                    next = Some(Told::from(&event));
                }
            }
            return Ok(Self {
                told,
                rest: events,
                is_replayed,
            });
        }
        Ok(Self {
            told,
            rest: events,
            is_replayed: false,
        })
    }
}

/// The event; the problem where it is a failure, or there is none at all.
fn unless_failed(event: Option<&TurnEvent>) -> Result<Told, Problem> {
    match event.map(Told::from) {
        Some(Told::Failed(problem)) => Err(*problem),
        Some(told) => Ok(told),
        None => Err(cut_off()),
    }
}

fn cut_off() -> Problem {
    Problem::new(Code::Internal, "the server failed").with_cause("a stream ended before its turn".to_owned())
}

fn is_replay(event: &TurnEvent) -> bool {
    match &event.kind {
        TurnEventKind::Done(answered) => answered.replayed,
        TurnEventKind::Started { .. } | TurnEventKind::Delta(_) | TurnEventKind::Failed(_) => false,
    }
}
