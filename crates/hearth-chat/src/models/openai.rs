//! A model behind an OpenAI-compatible server: OpenAI, Azure OpenAI, Ollama, vLLM, LiteLLM, llama.cpp and whoever else takes
//! `POST …/chat/completions`.
//!
//! # What is asked
//!
//! The system prompt and the window's own system messages as one leading system message; then the conversation, in which users and
//! assistant alternate; then the query. Servers refuse system messages in the middle and tool results without their calls, so a stored
//! tool result is given as part of what the user said, introduced by `Tool result:`, and neighbours of one side are joined by an empty
//! line.
//!
//! # What is taken for an answer
//!
//! A stream is whole once it gave a finish reason or `[DONE]`; the end of the connection after that is no failure. `length`, that is
//! the model's own limit of tokens, is a whole answer as far as the model goes: [`Status::Complete`]. An answer that a content filter
//! broke off, one that ends without saying so, and one that was cut at
//! [`CONTENT_BYTES_MAX`](hearth_domain::limits::CONTENT_BYTES_MAX) bytes are [`Status::Incomplete`].
//! U+0000, which no store takes, is left out.
//!
//! [`Status::Complete`]: hearth_domain::Status::Complete
//! [`Status::Incomplete`]: hearth_domain::Status::Incomplete

mod base_url;
mod chunk;
mod client;
mod collector;
mod config;
mod error;
mod events;
mod exchange;
mod messages;
mod request;
mod retry;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use hearth_domain::Department;
use hearth_domain::ports::{Answer, ChatModel, Clock, Deltas, ModelError, ModelStatus, Prompt};
use tokio::runtime::Handle;

pub use base_url::{BaseUrl, BaseUrlError};
pub use config::{DepartmentModel, OpenAiConfig, OpenAiConfigError, RESERVED_PARAMETERS};
pub use error::UpstreamError;

use self::exchange::Upstream;
use self::request::Requests;
use super::admission::Admission;
use super::breaker::{Attempt, Breaker};

/// A model behind an OpenAI-compatible server.
///
/// At most so many requests run at once as the configuration says, and so many more wait. After a number of failures in a row the server
/// is left alone for a while, see [`ChatModel::status`].
pub struct OpenAiModel {
    requests: Requests,
    upstream: Upstream,
    admission: Admission,
    breaker: Breaker,
}

impl OpenAiModel {
    /// A model that is not asked before the first turn. Connections live on `runtime`, which must be a multi-thread runtime with time and
    /// IO, and so must the answers' futures.
    ///
    /// # Errors
    ///
    /// [`OpenAiConfigError`] where the configuration makes no request.
    pub fn new(
        config: OpenAiConfig,
        clock: Arc<dyn Clock>,
        runtime: Handle,
    ) -> Result<Self, OpenAiConfigError> {
        Ok(Self {
            requests: Requests::new(&config)?,
            admission: Admission::new(config.concurrent_max, config.queue_max),
            breaker: Breaker::new(config.breaker_failures, config.breaker_pause, Arc::clone(&clock)),
            upstream: Upstream::new(&config, clock, runtime)?,
        })
    }

    async fn ask(&self, prompt: Prompt, deltas: &mut dyn Deltas) -> Result<Answer, ModelError> {
        // Nobody queues for a server that is left alone.
        self.breaker.check()?;
        let _place = self.admission.enter().await?;
        let attempt = self.breaker.enter()?;
        let mut deltas = Heard {
            deltas,
            attempt: &attempt,
        };
        let outcome = self.upstream.ask(&self.requests, &prompt, &mut deltas).await;
        match &outcome {
            Err(error) if error.is_outage() => attempt.failed(),
            Ok(_) | Err(_) => attempt.succeeded(),
        }
        outcome.map_err(ModelError::from)
    }
}

impl ChatModel for OpenAiModel {
    fn name(&self, department: &Department) -> &str {
        self.requests.model(department)
    }

    fn answer<'a>(
        &'a self,
        prompt: Prompt,
        deltas: &'a mut dyn Deltas,
    ) -> Pin<Box<dyn Future<Output = Result<Answer, ModelError>> + Send + 'a>> {
        Box::pin(self.ask(prompt, deltas))
    }

    fn status(&self) -> ModelStatus {
        ModelStatus {
            availability: self.breaker.availability(),
            running: self.admission.running(),
            waiting: self.admission.waiting(),
        }
    }
}

/// Tells the breaker that the server is there as soon as it says something: whoever gives up after that was not kept waiting in vain.
struct Heard<'a> {
    deltas: &'a mut dyn Deltas,
    attempt: &'a Attempt<'a>,
}

impl Deltas for Heard<'_> {
    fn delta(&mut self, text: &str) {
        self.attempt.heard();
        self.deltas.delta(text);
    }
}
