//! Turns whose text is wanted piece by piece: each turn's events are kept once, and whoever reads them does so at a pace of its own.

mod hub;
mod transcript;

use std::sync::Arc;

use futures_util::Stream;
use futures_util::stream::unfold;
use hearth_domain::{ConversationKey, TurnId};
use tokio::sync::watch;

use crate::answer::Answered;
use crate::error::ChatError;
pub(crate) use hub::{Found, Hub};
pub(crate) use transcript::Teller;
use transcript::Transcript;

/// One event of a turn. Its number is the same for whoever reads it, whenever.
#[derive(Debug, Clone)]
pub struct TurnEvent {
    /// Its place in the stream; the first event is 1.
    pub id: u64,
    /// What happened.
    pub kind: TurnEventKind,
}

/// What happens in a turn: started, any number of deltas, then done or failed. A turn that fails before its model is asked has failed alone.
#[derive(Debug, Clone)]
pub enum TurnEventKind {
    /// The model is about to be asked.
    Started {
        /// The conversation.
        key: ConversationKey,
        /// The turn.
        turn_id: TurnId,
    },
    /// The next piece of the text.
    Delta(Arc<str>),
    /// The turn is committed; the last event.
    Done(Arc<Answered>),
    /// The turn did not come to its end; the last event.
    Failed(Arc<ChatError>),
}

/// The events of a turn, from some place on. Dropping it stops nothing: the turn goes on and is kept.
#[derive(Debug)]
pub struct TurnStream {
    transcript: watch::Receiver<Transcript>,
    /// Events that were read or skipped.
    passed: u64,
}

impl TurnStream {
    pub(crate) const fn new(transcript: watch::Receiver<Transcript>, after: u64) -> Self {
        Self {
            transcript,
            passed: after,
        }
    }

    /// The next event, when there is one; none after the last.
    ///
    /// # Cancel safety
    ///
    /// No event is lost when the caller stops waiting.
    pub async fn next(&mut self) -> Option<TurnEvent> {
        loop {
            {
                let transcript = self.transcript.borrow_and_update();
                if let Some(kind) = transcript.event(self.passed) {
                    self.passed += 1;
                    let id = self.passed;
                    return Some(TurnEvent { id, kind });
                }
                if transcript.is_ended() {
                    return None;
                }
            }
            // A teller that goes away has ended its transcript before.
            self.transcript.changed().await.ok()?;
        }
    }

    /// The same as a stream.
    pub fn into_stream(self) -> impl Stream<Item = TurnEvent> + Send + 'static {
        unfold(self, async |mut events| {
            events.next().await.map(|event| (event, events))
        })
    }
}
