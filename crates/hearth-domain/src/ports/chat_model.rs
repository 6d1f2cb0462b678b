//! The model: what answers.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::history::History;

/// Answers a query, given the history before it.
///
/// The future runs on the storage runtime in a task of its own; dropping it gives the answer up.
pub trait ChatModel: Send + Sync + 'static {
    /// The model's name, as clients and metadata see it.
    fn name(&self) -> &str;

    /// Answers.
    ///
    /// # Errors
    ///
    /// [`ModelError`]; nothing was answered then.
    fn answer(&self, prompt: Prompt)
    -> Pin<Box<dyn Future<Output = Result<Answer, ModelError>> + Send + '_>>;
}

/// What a model is asked.
#[derive(Debug, Clone)]
pub struct Prompt {
    /// What was said before.
    pub history: History,
    /// What is asked now.
    pub query: Arc<str>,
}

/// What a model said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The response; never empty.
    pub text: String,
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

/// A model gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// It failed, or could not be reached.
    #[error("the model failed")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
    /// It did not answer in time.
    #[error("the model did not answer in time")]
    TimedOut,
}
