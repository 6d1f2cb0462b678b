//! Clients at work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::Client;
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

impl Write {
    /// Sends the request, and takes down what is told.
    async fn send(&mut self, client: &Client, base: &str) {
        let (outcome, response) = outcome(self.request(client, base).send().await).await;
        if let (Some(response), Some((_, content))) = (response, self.messages.last_mut()) {
            *content = Some(response);
        }
        self.outcome = outcome;
    }

    async fn send_until_committed(&mut self, client: &Client, base: &str) {
        loop {
            self.send(client, base).await;
            if matches!(self.outcome, Outcome::Committed { .. }) {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Repeats each request with a key that is not known to be committed, until it is.
pub(crate) async fn repeat(server: &Server, ledger: &Arc<Ledger>) {
    let is_open = |write: &&Write| write.key.is_some() && !matches!(write.outcome, Outcome::Committed { .. });
    let open: Vec<Write> = ledger.writes().iter().filter(is_open).cloned().collect();
    let client = Client::new();
    let mut repeats = JoinSet::new();
    for mut write in open {
        let (client, ledger) = (client.clone(), Arc::clone(ledger));
        let base = format!("http://{}", server.authority());
        repeats.spawn(async move {
            let committed = tokio::time::timeout(DEADLINE, write.send_until_committed(&client, &base)).await;
            assert!(committed.is_ok(), "not committed within {DEADLINE:?}: {write:?}");
            write.ended = ledger.moment();
            ledger.renote(write);
        });
    }
    repeats.join_all().await;
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
                Step::Write(write) => {
                    turns += 1;
                    self.write(write).await
                }
                Step::Read { session } => self.read(session).await,
            };
            if !is_welcome {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Asks for a turn; whether it is there now.
    async fn write(&self, mut write: Write) -> bool {
        write.began = self.ledger.moment();
        write.send(&self.client, &self.base).await;
        write.ended = self.ledger.moment();
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
            source: history["source"].as_str().unwrap().to_owned(),
            is_degraded: history["degraded"] == true,
            ids: messages
                .iter()
                .map(|message| message["id"].as_i64().unwrap())
                .collect(),
        });
        true
    }
}
