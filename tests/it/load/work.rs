//! What the clients of a test do, by the dice.

use fastrand::Rng;
use reqwest::{Client, RequestBuilder};
use serde_json::json;

use super::ledger::Write;
use crate::server::{DEADLINE, messages_path};

/// Messages of an append beside the question, at most.
const FURTHER_MESSAGES_MAX: usize = 5;

/// What the clients do.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    /// Clients at once.
    pub(crate) clients: usize,
    /// The sessions that they share.
    pub(crate) sessions: usize,
    /// Turns of each client; none where they go on until they are told to stop.
    pub(crate) turns_each: Option<usize>,
    /// What their markers begin with: another one for each load on the same ledger.
    pub(crate) name: String,
    /// Decides what each of them does.
    pub(crate) seed: u64,
}

/// What a client does next.
pub(super) enum Step {
    Write(Write),
    Read { session: String },
}

impl Work {
    /// The dice of one client.
    pub(super) fn dice(&self, client: usize) -> Rng {
        Rng::with_seed(self.seed.wrapping_add(u64::try_from(client).unwrap()))
    }

    /// One step; `turn` is how many turns the client has asked for until now.
    pub(super) fn step(&self, dice: &mut Rng, client: usize, turn: usize) -> Step {
        let session = format!("session-{}", dice.usize(..self.sessions));
        // The word between bars is found in no other turn: `1` is not taken for the beginning of `12`.
        let marker = format!("|{} {client} {turn}|", self.name);
        let mut write = match dice.usize(..10) {
            0..4 => chat(session, marker),
            4..8 => append(session, marker, dice.usize(1..=FURTHER_MESSAGES_MAX)),
            _ => return Step::Read { session },
        };
        write.key = dice.bool().then(|| write.marker.replace(' ', "-"));
        Step::Write(write)
    }
}

/// A chat that was not sent yet.
fn chat(session: String, marker: String) -> Write {
    let messages = vec![("user", Some(marker.clone())), ("assistant", None)];
    Write::planned(session, marker, messages)
}

/// A question and some further messages, not sent yet.
fn append(session: String, marker: String, further: usize) -> Write {
    let content = |place: usize| Some(format!("{marker} {place}"));
    let answers = (1..=further).map(|place| ("assistant", content(place)));
    let messages = std::iter::once(("user", content(0))).chain(answers).collect();
    Write::planned(session, marker, messages)
}

impl Write {
    /// The request for this turn, to a server at `base`.
    pub(super) fn request(&self, client: &Client, base: &str) -> RequestBuilder {
        let is_chat = self.messages.iter().any(|(_, content)| content.is_none());
        let request = if is_chat {
            let body = json!({
                "department": "d", "user": "u", "chatsession_id": self.session, "chatquery": self.marker,
            });
            client.post(format!("{base}/chatbot/v1/chat")).json(&body)
        } else {
            let messages = self.messages.iter();
            let messages: Vec<_> = messages
                .map(|(role, content)| json!({"role": role, "content": content}))
                .collect();
            let path = messages_path(&self.session);
            client
                .post(format!("{base}{path}"))
                .json(&json!({ "messages": messages }))
        };
        match &self.key {
            Some(key) => request.header("Idempotency-Key", key),
            None => request,
        }
        .timeout(DEADLINE)
    }
}
