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
        let first = unless_failed(events.next().await)?;
        let mut opening = Self {
            told: vec![Told::from(&first)],
            rest: events,
            is_replayed: false,
        };
        if let Ok(second) = timeout(GRACE, opening.rest.next()).await {
            opening.take(&unless_failed(second)?);
            // A replay is told all at once.
            while let Some(Some(event)) = opening.rest.next().now_or_never() {
                opening.take(&event);
            }
        }
        Ok(opening)
    }

    fn take(&mut self, event: &TurnEvent) {
        self.told.push(Told::from(event));
        if let TurnEventKind::Done(answered) = &event.kind {
            self.is_replayed = answered.replayed;
        }
    }
}

/// The event; the problem where it is a failure, or there is none at all.
fn unless_failed(event: Option<TurnEvent>) -> Result<TurnEvent, Problem> {
    let cut_off = || {
        Problem::new(Code::Internal, "the server failed")
            .with_cause("a stream ended before its turn".to_owned())
    };
    let event = event.ok_or_else(cut_off)?;
    match &event.kind {
        TurnEventKind::Failed(error) => Err((&**error).into()),
        TurnEventKind::Started { .. } | TurnEventKind::Delta(_) | TurnEventKind::Done(_) => Ok(event),
    }
}
