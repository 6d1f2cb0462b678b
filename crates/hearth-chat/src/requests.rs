//! Requests with a key: claimed before any work, noted with what they came to, and answered again from there.
//!
//! The store decides; what is kept here spares it questions. [`running`] lets repeats wait for the first attempt on this replica, and
//! [`held`] keeps what was produced and could not be noted, for the repeat to note it.

mod attempt;
mod forgetting;
mod held;
mod running;

use std::sync::Arc;

use hearth_domain::ports::PastAnswer;
use hearth_domain::{Append, BodyHash, ClaimOwner, Completion, RequestKey};
use serde_json::Value;

pub(crate) use attempt::{Attempt, Begun, Keyed, refused};
pub(crate) use forgetting::forget_for_ever;
pub(crate) use held::HeldAnswers;
pub(crate) use running::Running;

/// A request as this replica tells them apart: one that says something else is the store's to refuse.
pub(crate) type Identity = (RequestKey, BodyHash);

/// What a request came to, shared by all who ask for it.
pub(crate) type Past = Arc<PastAnswer>;

/// What was produced for a request and is to be noted in the store.
#[derive(Debug, Clone)]
pub(crate) enum Note {
    /// A turn, whose commit completes the request.
    Turn(Box<Append>),
    /// An answer that leaves no turn behind.
    Answer(Value),
}

impl Note {
    /// The note of a turn whose commit completes the request with `answer`.
    pub(crate) fn turn(append: Append, request: &RequestKey, owner: ClaimOwner, answer: Value) -> Self {
        Self::Turn(Box::new(Append {
            completes: Some(Completion {
                request: request.clone(),
                owner,
                answer,
            }),
            ..append
        }))
    }

    /// What the answer says beside what a commit brings.
    fn into_answer(self) -> Value {
        match self {
            Self::Turn(append) => append
                .completes
                .map_or(Value::Null, |completion| completion.answer),
            Self::Answer(answer) => answer,
        }
    }

    /// Bytes that it holds, about: what was said, twice where it is also the answer.
    fn bytes(&self) -> usize {
        let said = |append: &Append| -> usize {
            let messages = append.turn.messages().iter();
            messages.map(|message| message.content().len()).sum()
        };
        let answer = |value: &Value| {
            let response = value.get("response").and_then(Value::as_str);
            response.map_or(0, str::len)
        };
        size_of::<Self>()
            + size_of::<Append>()
            + match self {
                Self::Turn(append) => {
                    said(append) + append.completes.as_ref().map_or(0, |done| answer(&done.answer))
                }
                Self::Answer(value) => answer(value),
            }
    }
}
