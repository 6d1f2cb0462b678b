//! What a turn has told until now: kept once, in the order of events, within the bounds of an answer.

use std::sync::Arc;

use hearth_domain::{ConversationKey, TurnId};
use tokio::sync::watch;

use super::{TurnEventKind, TurnStream};
use crate::answer::Answered;
use crate::error::ChatError;
use crate::stream::hub::{Hub, Listing};

/// The events of one turn. The text is kept as one, with the place where each delta ends: four bytes a delta beside the answer itself.
#[derive(Debug, Default)]
pub(crate) struct Transcript {
    started: Option<(ConversationKey, TurnId)>,
    text: String,
    ends: Vec<u32>,
    end: Option<End>,
}

#[derive(Debug, Clone)]
enum End {
    Done(Arc<Answered>),
    Failed(Arc<ChatError>),
}

impl Transcript {
    /// The event after the first `passed` ones, if it has happened.
    pub(super) fn event(&self, passed: u64) -> Option<TurnEventKind> {
        let Some((key, turn_id)) = &self.started else {
            return self.end.as_ref().filter(|_| passed == 0).map(End::event);
        };
        let Some(delta) = passed.checked_sub(1) else {
            return Some(TurnEventKind::Started {
                key: key.clone(),
                turn_id: *turn_id,
            });
        };
        let delta = usize::try_from(delta).ok()?;
        if delta < self.ends.len() {
            return self.delta(delta).map(|text| TurnEventKind::Delta(text.into()));
        }
        self.end
            .as_ref()
            .filter(|_| delta == self.ends.len())
            .map(End::event)
    }

    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        // An answer is far shorter than that.
        let end = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        self.ends.push(end);
    }

    fn delta(&self, index: usize) -> Option<&str> {
        let place = |index: usize| usize::try_from(*self.ends.get(index)?).ok();
        let begin = index.checked_sub(1).map_or(Some(0), place)?;
        self.text.get(begin..place(index)?)
    }

    pub(super) const fn is_ended(&self) -> bool {
        self.end.is_some()
    }

    /// The answer that the turn ended with.
    pub(super) fn answered(&self) -> Option<Arc<Answered>> {
        match &self.end {
            Some(End::Done(answered)) => Some(Arc::clone(answered)),
            Some(End::Failed(_)) | None => None,
        }
    }

    /// Whether the turn ended because its session was erased.
    pub(super) fn was_erased(&self) -> bool {
        matches!(&self.end, Some(End::Failed(error)) if matches!(**error, ChatError::SessionErased))
    }

    /// Bytes that it holds, about.
    pub(super) fn bytes(&self) -> usize {
        let answer = match &self.end {
            Some(End::Done(answered)) => answered.answer.response.capacity(),
            Some(End::Failed(_)) | None => 0,
        };
        self.text.capacity() + self.ends.capacity() * size_of::<u32>() + answer + size_of::<Self>()
    }
}

impl End {
    fn event(&self) -> TurnEventKind {
        match self {
            Self::Done(answered) => TurnEventKind::Done(Arc::clone(answered)),
            Self::Failed(error) => TurnEventKind::Failed(Arc::clone(error)),
        }
    }
}

/// Tells a turn's events to whoever reads them; to nobody, where the answer is wanted whole. When it goes away in the middle, as in a panic,
/// the turn has failed for its readers.
pub(crate) struct Teller {
    transcript: Option<watch::Sender<Transcript>>,
    started: bool,
    listing: Option<Listing>,
}

impl Teller {
    /// A turn whose answer is wanted whole.
    pub(crate) const fn silent() -> Self {
        Self {
            transcript: None,
            started: false,
            listing: None,
        }
    }

    /// A turn that is told, and its first reader.
    pub(crate) fn told() -> (Self, TurnStream) {
        let (sender, receiver) = watch::channel(Transcript::default());
        let teller = Self {
            transcript: Some(sender),
            started: false,
            listing: None,
        };
        (teller, TurnStream::new(receiver, 0))
    }

    /// Whether the text is wanted piece by piece.
    pub(crate) const fn is_heard(&self) -> bool {
        self.transcript.is_some()
    }

    /// The model is about to be asked; from now on, the stream can be found in the hub.
    pub(crate) fn started(&mut self, hub: &Arc<Hub>, key: &ConversationKey, turn_id: TurnId) {
        if let Some(transcript) = &self.transcript {
            self.listing = Some(hub.list(key, turn_id, transcript.subscribe()));
        }
        self.started = true;
        self.tell(|transcript| transcript.started = Some((key.clone(), turn_id)));
    }

    /// The next piece of the text came.
    pub(crate) fn delta(&self, text: &str) {
        if text.is_empty() {
            return;
        }
        self.tell(|transcript| transcript.push(text));
    }

    /// The turn came to its end. An answer that no model was asked for now is told in one piece, all of it at once.
    pub(crate) fn ended(self, outcome: Result<Answered, ChatError>) {
        let is_started = self.started;
        self.tell(|transcript| {
            transcript.end = Some(match outcome {
                Ok(answered) => {
                    if !is_started {
                        transcript.started = Some((answered.answer.key.clone(), answered.answer.turn));
                        transcript.push(&answered.answer.response);
                    }
                    End::Done(Arc::new(answered))
                }
                Err(error) => End::Failed(Arc::new(error)),
            });
        });
    }

    fn tell(&self, event: impl FnOnce(&mut Transcript)) {
        if let Some(transcript) = &self.transcript {
            transcript.send_modify(event);
        }
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.tell(|transcript| {
            transcript
                .end
                .get_or_insert_with(|| End::Failed(Arc::new(ChatError::Stopped)));
        });
    }
}
