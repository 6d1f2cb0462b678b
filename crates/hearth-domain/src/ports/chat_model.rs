//! The model: what answers.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::history::History;
use crate::ids::Department;
use crate::message::{MessageView, Status};

/// Answers a query, given the history before it.
///
/// The future runs on the storage runtime in a task of its own; dropping it gives the answer up.
pub trait ChatModel: Send + Sync + 'static {
    /// The name of the model that answers a department, as clients and metadata see it.
    fn name(&self, department: &Department) -> &str;

    /// Answers. Where the prompt asks for a stream, `deltas` is given each piece of the text as it comes; else it may be given nothing.
    ///
    /// # Errors
    ///
    /// [`ModelError`]. What `deltas` was given until then is all that there will be; it is the caller's to keep.
    fn answer<'a>(
        &'a self,
        prompt: Prompt,
        deltas: &'a mut dyn Deltas,
    ) -> Pin<Box<dyn Future<Output = Result<Answer, ModelError>> + Send + 'a>>;

    /// Whether it takes requests, and how many it has; a model that cannot tell is available. Asks nobody.
    fn status(&self) -> ModelStatus {
        ModelStatus::default()
    }
}

/// How a model is, for health and figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ModelStatus {
    /// Whether it takes requests.
    pub availability: Availability,
    /// Requests that it answers now.
    pub running: usize,
    /// Requests that wait for their turn.
    pub waiting: usize,
}

/// Whether a model takes requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Availability {
    /// It does.
    #[default]
    Available,
    /// It failed too often and was left alone; one request tries whether it is back, and others are refused until that one is answered.
    Probing,
    /// It failed too often: requests are refused without asking it, for so long.
    Unavailable(Duration),
}

/// Takes a text piece by piece.
pub trait Deltas: Send {
    /// Takes the next piece; never waits.
    fn delta(&mut self, text: &str);
}

/// What a model is asked.
#[derive(Debug, Clone)]
pub struct Prompt {
    /// Who asks.
    pub department: Department,
    /// What the model is told before all else.
    pub system: Option<Arc<str>>,
    /// What was said before.
    pub history: History,
    /// How many of the history's oldest messages are left out.
    pub skipped: usize,
    /// What is asked now.
    pub query: Arc<str>,
    /// Whether the text is wanted piece by piece.
    pub stream: bool,
    /// What a server that the model asks is sent as `traceparent`, where the turn is traced: W3C Trace Context.
    pub traceparent: Option<String>,
}

impl Prompt {
    /// The messages between the system prompt and the query, oldest first.
    pub fn messages(&self) -> impl Iterator<Item = MessageView<'_>> {
        self.history.messages().skip(self.skipped)
    }
}

/// What a model said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The response; never empty.
    pub text: String,
    /// Whether it is all that was meant to be said.
    pub status: Status,
    /// The tokens that it took, where the model says so.
    pub usage: Option<Usage>,
}

/// The tokens that a turn took, as the model counted them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of what was asked.
    pub prompt_tokens: u64,
    /// Tokens of the response.
    pub completion_tokens: u64,
}

/// A model gave no answer, or broke off.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// It failed, or could not be reached.
    #[error("the model failed")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
    /// It did not answer in time.
    #[error("the model did not answer in time")]
    TimedOut,
    /// It takes no more requests now, or has failed too often to be asked: worth another try later.
    #[error("the model takes no requests now")]
    Unavailable {
        /// When another try is worth it.
        retry_after: Duration,
        /// What it said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// As many requests wait for the model as may; it was not asked.
    #[error("too many requests wait for the model")]
    Overloaded,
}
