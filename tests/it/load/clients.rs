//! Clients at work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::{Client, RequestBuilder};
use serde_json::Value;
use tokio::task::JoinSet;

use super::ledger::{Ledger, Outcome, Read, Write};
use super::reply::outcome;
use super::work::{Step, Work};
use crate::server::{DEADLINE, Server, messages_path};

/// What a client waits before it goes on after a refusal, as a polite one does.
const PAUSE: Duration = Duration::from_millis(20);

/// Clients at work, until they are stopped.
pub(crate) struct Load {
    clients: JoinSet<()>,
    over: Arc<AtomicBool>,
}

impl Load {
    /// Sets clients to work on a server; what they ask and are told goes to the ledger.
    pub(crate) fn start(server: &Server, ledger: &Arc<Ledger>, work: &Work) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let client = Client::new();
        let mut clients = JoinSet::new();
        for number in 0..work.clients {
            let caller = Caller {
                number,
                base: format!("http://{}", server.authority()),
                client: client.clone(),
                ledger: Arc::clone(ledger),
                work: work.clone(),
                over: Arc::clone(&over),
            };
            clients.spawn(caller.run());
        }
        Self { clients, over }
    }

    /// Lets each client end what it is at, and waits for that.
    pub(crate) async fn stop(self) {
        self.over.store(true, Ordering::Relaxed);
        self.ended().await;
    }

    /// Waits until each client has done all its turns.
    pub(crate) async fn ended(self) {
        self.clients.join_all().await;
    }
}

struct Caller {
    number: usize,
    base: String,
    client: Client,
    ledger: Arc<Ledger>,
    work: Work,
    over: Arc<AtomicBool>,
}

impl Caller {
    async fn run(self) {
        let mut dice = self.work.dice(self.number);
        let mut turns = 0;
        let turns_max = self.work.turns_each.unwrap_or(usize::MAX);
        while turns < turns_max && !self.over.load(Ordering::Relaxed) {
            let is_welcome = match self.work.step(&mut dice, self.number, turns) {
                Step::Chat(write) => {
                    turns += 1;
                    let request = self.post("/chatbot/v1/chat", &write.chat_body());
                    self.write(write, request).await
                }
                Step::Append(write) => {
                    turns += 1;
                    let request = self.post(&messages_path(&write.session), &write.append_body());
                    self.write(write, request).await
                }
                Step::Read { session } => self.read(session).await,
            };
            if !is_welcome {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        self.client
            .post(format!("{}{path}", self.base))
            .json(body)
            .timeout(DEADLINE)
    }

    /// Asks for a turn; whether it is there now.
    async fn write(&self, mut write: Write, request: RequestBuilder) -> bool {
        write.began = self.ledger.moment();
        let (outcome, response) = outcome(request.send().await).await;
        write.ended = self.ledger.moment();
        if let (Some(response), Some((_, content))) = (response, write.messages.last_mut()) {
            *content = Some(response);
        }
        write.outcome = outcome;
        let is_committed = matches!(write.outcome, Outcome::Committed { .. });
        self.ledger.note_write(write);
        is_committed
    }

    /// Reads a history; whether there was one.
    async fn read(&self, session: String) -> bool {
        let began = self.ledger.moment();
        let url = format!("{}{}", self.base, messages_path(&session));
        let Ok(response) = self.client.get(url).timeout(DEADLINE).send().await else {
            return false;
        };
        if !response.status().is_success() {
            return false;
        }
        let Ok(history) = response.json::<Value>().await else {
            return false;
        };
        let messages = history["messages"].as_array().unwrap();
        self.ledger.note_read(Read {
            session,
            began,
            version: history["version"].as_u64().unwrap(),
            ids: messages.iter().map(|message| message["id"].as_i64().unwrap()).collect(),
        });
        true
    }
}
