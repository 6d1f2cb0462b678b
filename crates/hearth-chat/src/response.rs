//! The model's response: collected while it comes, so that what came is there when the model breaks off.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use hearth_domain::Status;
use hearth_domain::limits::CONTENT_BYTES_MAX;
use hearth_domain::ports::{Answer, ChatModel, Deltas, ModelError, Prompt, Usage};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::stream::Teller;

/// What a model said, fit to be kept: 1 to 32,768 bytes without U+0000, unless the model said nothing at all.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) text: String,
    pub(crate) status: Status,
    pub(crate) usage: Option<Usage>,
}

/// Asks a model until `deadline`, and tells what comes.
///
/// # Errors
///
/// The model's, where nothing came before it. What came is the response else, and is incomplete.
pub(crate) async fn respond(
    model: &dyn ChatModel,
    prompt: Prompt,
    deadline: Instant,
    teller: &mut Teller,
) -> Result<Response, ModelError> {
    let mut heard = Heard {
        text: String::new(),
        is_cut: false,
        enough: Arc::new(Notify::new()),
        teller,
    };
    let enough = Arc::clone(&heard.enough);
    let outcome = tokio::select! {
        biased;
        outcome = timeout_at(deadline, unwound(async { model.answer(prompt, &mut heard).await })) => {
            outcome.unwrap_or(Err(ModelError::TimedOut))
        }
        () = enough.notified() => Ok(Answer { text: String::new(), status: Status::Incomplete, usage: None }),
    };
    heard.conclude(outcome)
}

/// A model whose panic is a failure like another: the claims and places of its turn are given back as after any.
async fn unwound(answer: impl Future<Output = Result<Answer, ModelError>>) -> Result<Answer, ModelError> {
    AssertUnwindSafe(answer)
        .catch_unwind()
        .await
        .unwrap_or_else(|_panic| Err(ModelError::Failed("it panicked".into())))
}

/// What came until now.
struct Heard<'a> {
    text: String,
    /// Whether more came than a message may hold.
    is_cut: bool,
    /// Told when the model may stop: what else it says could not be kept.
    enough: Arc<Notify>,
    teller: &'a mut Teller,
}

impl Deltas for Heard<'_> {
    fn delta(&mut self, text: &str) {
        if self.is_cut {
            return;
        }
        if text.contains('\0') {
            self.keep(&text.replace('\0', ""));
        } else {
            self.keep(text);
        }
        if self.is_cut {
            self.enough.notify_one();
        }
    }
}

impl Heard<'_> {
    fn keep(&mut self, text: &str) {
        let room = CONTENT_BYTES_MAX - self.text.len();
        self.is_cut = text.len() > room;
        let kept = text.get(..text.floor_char_boundary(room)).unwrap_or_default();
        self.text.push_str(kept);
        self.teller.delta(kept);
    }

    fn conclude(mut self, outcome: Result<Answer, ModelError>) -> Result<Response, ModelError> {
        let answer = match outcome {
            Ok(answer) => answer,
            Err(error) if self.text.is_empty() => return Err(error),
            Err(error) => {
                let bytes = self.text.len();
                tracing::warn!(error = %chain(&error), bytes, "the model broke off; what came is kept as incomplete");
                return Ok(self.response(Status::Incomplete, None));
            }
        };
        // A model that was not asked for a stream gives the text here alone; one that was may give it again.
        let whole = answer.text.replace('\0', "");
        match whole.strip_prefix(self.text.as_str()) {
            Some(rest) if !self.is_cut => self.keep(rest),
            Some(_) | None => {}
        }
        Ok(self.response(answer.status, answer.usage))
    }

    fn response(self, status: Status, usage: Option<Usage>) -> Response {
        Response {
            text: self.text,
            status: if self.is_cut { Status::Incomplete } else { status },
            usage,
        }
    }
}

/// An error with its causes, for the log.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
