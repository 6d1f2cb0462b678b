//! One request to a model server and what comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hearth_domain::ports::{Answer, Clock, Deltas, Prompt};
use reqwest::header::{CONTENT_TYPE, HeaderName};
use reqwest::{Client, Response, StatusCode, Url};
use serde_json::Value;
use tokio::runtime::Handle;

use super::collector::Collector;
use super::config::{OpenAiConfig, OpenAiConfigError};
use super::error::{Reason, UpstreamError};
use super::events::Events;
use super::request::Requests;
use super::retry::{self, pause};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Bytes of an answer that is not streamed, at most: a text of any length that is kept, with all that servers say beside it.
const WHOLE_BYTES_MAX: usize = 4 << 20;

/// Bytes of an error that are read, for its reason.
const ERROR_BYTES_MAX: usize = 16 << 10;

/// How long the end of a stream is waited for once the text is whole: the figures of its usage come last.
const TAIL_MAX: Duration = Duration::from_secs(2);

/// How long the end of a response is read in the background, so that its connection can be used again.
const DRAIN_MAX: Duration = Duration::from_secs(1);

/// The server, and how it is asked.
pub(super) struct Upstream {
    client: Client,
    endpoint: Url,
    read_timeout: Duration,
    retry_pause: Duration,
    /// Set for good once the server refused to be asked for a stream's usage.
    refuses_usage: AtomicBool,
    clock: Arc<dyn Clock>,
    runtime: Handle,
}

impl Upstream {
    pub(super) fn new(
        config: &OpenAiConfig,
        clock: Arc<dyn Clock>,
        runtime: Handle,
    ) -> Result<Self, OpenAiConfigError> {
        Ok(Self {
            client: super::client::client(config)?,
            endpoint: config.base_url.endpoint(),
            read_timeout: config.read_timeout,
            retry_pause: config.retry_pause,
            refuses_usage: AtomicBool::new(false),
            clock,
            runtime,
        })
    }

    /// Asks, and reads the answer to its end.
    pub(super) async fn ask(
        &self,
        requests: &Requests,
        prompt: &Prompt,
        deltas: &mut dyn Deltas,
    ) -> Result<Answer, UpstreamError> {
        let mut response = self.open(requests, prompt).await?;
        let mut collector = Collector::default();
        if is_stream(&response, prompt.stream) {
            self.read_stream(&mut response, &mut collector, deltas).await?;
        } else {
            let body = self.read_whole(&mut response).await?;
            collector.take(&body, deltas)?;
            collector.ended();
        }
        // A model that was stopped in the middle of its answer goes on as long as somebody reads.
        if !collector.is_cut() {
            self.release(response);
        }
        collector.answer()
    }

    /// Sends the request, again where that is safe, until the server begins to answer.
    async fn open(&self, requests: &Requests, prompt: &Prompt) -> Result<Response, UpstreamError> {
        let mut with_usage = !self.refuses_usage.load(Ordering::Relaxed);
        let mut body = requests.body(prompt, with_usage);
        let mut retries = 0;
        loop {
            let error = match self.send(body.clone(), prompt).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            if error.names_stream_options && prompt.stream && with_usage {
                self.refuses_usage.store(true, Ordering::Relaxed);
                with_usage = false;
                body = requests.body(prompt, with_usage);
                continue;
            }
            let Some(pause) = pause(&error.error, retries, self.retry_pause) else {
                return Err(error.error);
            };
            tokio::time::sleep(pause).await;
            retries += 1;
        }
    }

    /// Sends the request once. Only a stream must begin within the read timeout: what is not streamed begins when it is whole.
    async fn send(&self, body: Bytes, prompt: &Prompt) -> Result<Response, Refused> {
        let mut request = self.client.post(self.endpoint.clone()).body(body);
        if let Some(traceparent) = &prompt.traceparent {
            request = request.header(TRACEPARENT, traceparent);
        }
        let request = request.send();
        let response = if prompt.stream {
            let response = tokio::time::timeout(self.read_timeout, request).await;
            response.map_err(|_| UpstreamError::TimedOut)?
        } else {
            request.await
        };
        let response = response.map_err(UpstreamError::of_client)?;
        if response.status().is_success() {
            Ok(response)
        } else {
            Err(self.refused(response).await)
        }
    }

    /// Reads why a request was refused.
    async fn refused(&self, mut response: Response) -> Refused {
        let status = response.status();
        let retry_after = retry::retry_after(response.headers(), self.clock.utc());
        // An error whose text cannot be read is an error all the same.
        let text = self
            .read(&mut response, ERROR_BYTES_MAX)
            .await
            .unwrap_or_default();
        let body: Value = serde_json::from_slice(&text).unwrap_or_default();
        self.release(response);
        let about_request = matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY);
        let says = |word: &[u8]| text.windows(word.len()).any(|part| part == word);
        Refused {
            names_stream_options: about_request && (says(b"stream_options") || says(b"include_usage")),
            error: UpstreamError::Status {
                status: status.as_u16(),
                reason: Reason::find(&body),
                retry_after,
            },
        }
    }

    async fn read_whole(&self, response: &mut Response) -> Result<Vec<u8>, UpstreamError> {
        let body = self.read(response, WHOLE_BYTES_MAX + 1).await?;
        if body.len() > WHOLE_BYTES_MAX {
            return Err(UpstreamError::Malformed("it is too large"));
        }
        Ok(body)
    }

    /// The first `bytes_max` bytes of a body.
    async fn read(&self, response: &mut Response, bytes_max: usize) -> Result<Vec<u8>, UpstreamError> {
        let mut body = Vec::new();
        while body.len() < bytes_max {
            let Some(bytes) = next(response, self.read_timeout).await? else {
                break;
            };
            let room = bytes_max - body.len();
            body.extend_from_slice(bytes.get(..room).unwrap_or(&bytes));
        }
        Ok(body)
    }

    /// Reads events until the answer is over. What goes wrong after the text is whole is not worth losing it for.
    async fn read_stream(
        &self,
        response: &mut Response,
        collector: &mut Collector,
        deltas: &mut dyn Deltas,
    ) -> Result<(), UpstreamError> {
        let outcome = self.read_events(response, collector, deltas).await;
        if collector.is_finished() { Ok(()) } else { outcome }
    }

    async fn read_events(
        &self,
        response: &mut Response,
        collector: &mut Collector,
        deltas: &mut dyn Deltas,
    ) -> Result<(), UpstreamError> {
        let too_large = |_| UpstreamError::Malformed("an event is too large");
        let mut events = Events::default();
        while !collector.is_over() {
            let limit = if collector.is_finished() {
                self.read_timeout.min(TAIL_MAX)
            } else {
                self.read_timeout
            };
            let Some(bytes) = next(response, limit).await? else {
                if let Some(data) = events.last().map_err(too_large)? {
                    collector.take(data, deltas)?;
                }
                break;
            };
            let mut input = &*bytes;
            while let Some(data) = events.next(&mut input).map_err(too_large)? {
                collector.take(data, deltas)?;
                if collector.is_over() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Reads what little is left of a response, without anybody waiting for it: a connection whose response was not read to its end is
    /// closed, and the next turn would have to open one.
    fn release(&self, mut response: Response) {
        let drain = async move { while let Ok(Some(_)) = response.chunk().await {} };
        drop(self.runtime.spawn(tokio::time::timeout(DRAIN_MAX, drain)));
    }
}

/// A request that was not answered.
struct Refused {
    error: UpstreamError,
    /// Whether the server complains that it was asked for a stream's usage.
    names_stream_options: bool,
}

impl From<UpstreamError> for Refused {
    fn from(error: UpstreamError) -> Self {
        Self {
            error,
            names_stream_options: false,
        }
    }
}

/// The next bytes of a body.
async fn next(response: &mut Response, limit: Duration) -> Result<Option<Bytes>, UpstreamError> {
    let chunk = tokio::time::timeout(limit, response.chunk()).await;
    chunk
        .map_err(|_| UpstreamError::TimedOut)?
        .map_err(UpstreamError::of_client)
}

/// Whether the server streams: what it says counts more than what it was asked.
fn is_stream(response: &Response, asked: bool) -> bool {
    let kind = response.headers().get(CONTENT_TYPE);
    match kind.and_then(|kind| kind.to_str().ok()) {
        Some(kind) if kind.starts_with("text/event-stream") => true,
        Some(kind) if kind.starts_with("application/json") => false,
        Some(_) | None => asked,
    }
}
