//! What a model server answers.

use serde_json::{Value, json};

use crate::faulty_store::Gate;
use crate::faulty_store::gate::Doorway;

/// An answer as the steps of giving it.
#[derive(Debug, Clone)]
pub struct Reply {
    pub(super) kind: Kind,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// This text, streamed or not, as the request asks.
    Saying(String),
    /// Exactly these steps.
    Steps(Steps),
}

#[derive(Debug, Clone)]
pub(super) struct Steps {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) steps: Vec<Step>,
    /// Whether each byte of the body is sent on its own.
    pub(super) splits: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Bytes of the body.
    Send(Vec<u8>),
    /// Goes on once the gate lets it.
    Wait(Doorway),
    /// Closes the connection in the middle of the response; before its head where nothing was sent.
    Close,
    /// Keeps the connection open and never says anything more.
    Hang,
}

impl Reply {
    /// A whole answer with usage, streamed word by word or not, as the request asks.
    #[must_use]
    pub fn saying(text: &str) -> Self {
        Self {
            kind: Kind::Saying(text.to_owned()),
        }
    }

    /// The beginning of a stream, to which pieces are added.
    #[must_use]
    pub fn stream() -> Self {
        Self::of(200, "text/event-stream")
    }

    /// A status with an error's body as OpenAI has it.
    #[must_use]
    pub fn status(status: u16, code: &str) -> Self {
        let error = json!({"error": {"message": "the server's own words", "type": "error", "code": code}});
        Self::of(status, "application/json").bytes(error.to_string().as_bytes())
    }

    /// A body that is sent as it is.
    #[must_use]
    pub fn json(body: &Value) -> Self {
        Self::of(200, "application/json").bytes(body.to_string().as_bytes())
    }

    /// The beginning of a response of any kind.
    #[must_use]
    pub fn of(status: u16, content_type: &str) -> Self {
        Self {
            kind: Kind::Steps(Steps {
                status,
                headers: vec![("content-type".to_owned(), content_type.to_owned())],
                steps: Vec::new(),
                splits: false,
            }),
        }
    }

    /// Closes the connection without an answer.
    #[must_use]
    pub fn closed() -> Self {
        Self::stream().close()
    }

    /// Never answers.
    #[must_use]
    pub fn silence() -> Self {
        Self::stream().hang()
    }

    /// The same with a header more.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        self.with(|steps| steps.headers.push((name.to_owned(), value.to_owned())))
    }

    /// An event with a piece of the text.
    #[must_use]
    pub fn text(self, text: &str) -> Self {
        self.event(&json!({"choices": [{"index": 0, "delta": {"content": text}}]}))
    }

    /// The event that says why the model stopped.
    #[must_use]
    pub fn finish(self, reason: &str) -> Self {
        self.event(&json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}))
    }

    /// The event that says what the answer took, which has no choice.
    #[must_use]
    pub fn usage(self, prompt_tokens: u64, completion_tokens: u64) -> Self {
        let usage = json!({"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens});
        self.event(&json!({"choices": [], "usage": usage}))
    }

    /// The end that OpenAI sends.
    #[must_use]
    pub fn done(self) -> Self {
        self.bytes(b"data: [DONE]\n\n")
    }

    /// An event with any data.
    #[must_use]
    pub fn event(self, data: &Value) -> Self {
        self.bytes(format!("data: {data}\n\n").as_bytes())
    }

    /// Bytes of the body as they are, sent at once.
    #[must_use]
    pub fn bytes(self, bytes: &[u8]) -> Self {
        self.step(Step::Send(bytes.to_vec()))
    }

    /// Waits here until the gate lets it go on.
    #[must_use]
    pub fn wait(self, gate: &Gate) -> Self {
        self.step(Step::Wait(gate.doorway()))
    }

    /// Closes the connection here.
    #[must_use]
    pub fn close(self) -> Self {
        self.step(Step::Close)
    }

    /// Says nothing more from here on.
    #[must_use]
    pub fn hang(self) -> Self {
        self.step(Step::Hang)
    }

    /// The same with each byte of the body sent on its own.
    #[must_use]
    pub fn split(self) -> Self {
        self.with(|steps| steps.splits = true)
    }

    fn step(self, step: Step) -> Self {
        self.with(|steps| steps.steps.push(step))
    }

    fn with(mut self, change: impl FnOnce(&mut Steps)) -> Self {
        match &mut self.kind {
            Kind::Steps(steps) => change(steps),
            Kind::Saying(_) => panic!("a reply that only says something takes no steps"),
        }
        self
    }

    /// The steps for a request that asks for a stream or not.
    pub(super) fn steps(self, stream: bool) -> Steps {
        let text = match self.kind {
            Kind::Steps(steps) => return steps,
            Kind::Saying(text) => text,
        };
        let words = u64::try_from(text.split_whitespace().count()).unwrap();
        let reply = if stream {
            let pieces = text.split_inclusive(' ').fold(Self::stream(), Self::text);
            pieces.finish("stop").usage(7, words).done()
        } else {
            Self::json(&json!({
                "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "test",
                "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 7, "completion_tokens": words},
            }))
        };
        reply.steps(stream)
    }
}
