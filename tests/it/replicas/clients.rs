//! Clients that do this and that with some sessions, through whichever replica comes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fastrand::Rng;
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::committed::Message;
use super::journal::{Call, Journal, Told};
use crate::server::{DEADLINE, messages_path};

const CLIENTS: usize = 6;

/// Few enough that clients meet in them; so many that a replica has no other cause than the change feed to look at most of them again.
const SESSIONS: usize = 24;

/// What a client waits before it goes on after a refusal, as a polite one does.
const PAUSE: Duration = Duration::from_millis(20);

/// Clients at work, until they are stopped.
pub(crate) struct Clients {
    working: JoinSet<()>,
    over: Arc<AtomicBool>,
}

/// The sessions that they use.
pub(crate) fn sessions() -> impl Iterator<Item = String> {
    (0..SESSIONS).map(|number| format!("s{number}"))
}

impl Clients {
    /// Sets clients to work on replicas with these addresses.
    pub(crate) fn start(replicas: &[String], journal: &Arc<Journal>, dice: &mut Rng) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let mut working = JoinSet::new();
        for number in 0..CLIENTS {
            let caller = Caller {
                number,
                replicas: replicas.to_vec(),
                client: Client::new(),
                journal: Arc::clone(journal),
                dice: dice.fork(),
                turns: 0,
            };
            working.spawn(caller.run(Arc::clone(&over)));
        }
        Self { working, over }
    }

    /// Lets each end what it is at, and waits for that.
    pub(crate) async fn stop(self) {
        self.over.store(true, Ordering::Relaxed);
        self.working.join_all().await;
    }
}

struct Caller {
    number: usize,
    replicas: Vec<String>,
    client: Client,
    journal: Arc<Journal>,
    dice: Rng,
    turns: usize,
}

impl Caller {
    async fn run(mut self, over: Arc<AtomicBool>) {
        while !over.load(Ordering::Relaxed) {
            let replica = self.dice.usize(..self.replicas.len());
            let session = format!("s{}", self.dice.usize(..SESSIONS));
            let began = self.journal.now();
            let told = match self.dice.u8(..100) {
                0..65 => self.read(replica, &session, 0).await,
                65..70 => {
                    let newest = self.journal.newest(&session);
                    self.read(replica, &session, newest).await
                }
                70..88 => self.append(replica, &session).await,
                88..95 => self.chat(replica, &session).await,
                95..98 => self.end(replica, &session).await,
                _ => self.erase(replica, &session).await,
            };
            let was_refused = matches!(told, Told::NotCommitted { .. } | Told::Unknown | Told::Other);
            let ended = self.journal.now();
            self.journal.add(Call {
                replica,
                session,
                began,
                ended,
                told,
            });
            if was_refused {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    async fn send(
        &self,
        replica: usize,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> (StatusCode, Value) {
        let url = format!("{}{path}", self.replicas[replica]);
        let request = self.client.request(method, url).timeout(DEADLINE);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        answer(request.send().await.unwrap()).await
    }

    async fn read(&self, replica: usize, session: &str, min_version: u64) -> Told {
        let mut path = messages_path(session);
        if min_version > 0 {
            path += &format!("&min_version={min_version}");
        }
        let (status, body) = self.send(replica, Method::GET, &path, None).await;
        if status != StatusCode::OK {
            refusal(status, &body, &["store_unavailable", "not_fresh_enough"]);
            return Told::Other;
        }
        Told::History {
            version: body["version"].as_u64().unwrap(),
            messages: body["messages"].as_array().unwrap().iter().map(message).collect(),
            source: body["source"].as_str().unwrap().to_owned(),
            degraded: body["degraded"] == true,
            min_version,
        }
    }

    async fn append(&mut self, replica: usize, session: &str) -> Told {
        let query = self.query();
        let body = json!({"messages": [{"role": "user", "content": query}, {"role": "assistant", "content": "yes"}]});
        let path = messages_path(session);
        let answered = self.send(replica, Method::POST, &path, Some(&body)).await;
        written(answered, StatusCode::CREATED, query)
    }

    async fn chat(&mut self, replica: usize, session: &str) -> Told {
        let query = self.query();
        let body = json!({"department": "d", "user": "u", "chatsession_id": session, "chatquery": query});
        let answered = self
            .send(replica, Method::POST, "/chatbot/v1/chat", Some(&body))
            .await;
        written(answered, StatusCode::OK, query)
    }

    async fn end(&self, replica: usize, session: &str) -> Told {
        let path = format!("/chatbot/v1/sessions/{session}/end?department=d&user=u");
        let (status, body) = self.send(replica, Method::POST, &path, None).await;
        if !status.is_success() {
            refusal(status, &body, &["store_unavailable"]);
        }
        Told::Other
    }

    async fn erase(&self, replica: usize, session: &str) -> Told {
        let path = format!("/chatbot/v1/sessions/{session}?department=d&user=u");
        let (status, body) = self.send(replica, Method::DELETE, &path, None).await;
        if status == StatusCode::NO_CONTENT {
            return Told::Erased;
        }
        refusal(status, &body, &["store_unavailable"]);
        Told::Other
    }

    fn query(&mut self) -> String {
        self.turns += 1;
        format!("client {}, turn {}", self.number, self.turns)
    }
}

/// What became of a turn.
fn written((status, body): (StatusCode, Value), right: StatusCode, query: String) -> Told {
    if status == right {
        let version = body["version"].as_u64().unwrap();
        return Told::Committed { version, query };
    }
    let refused = [
        "store_unavailable",
        "commit_failed",
        "overloaded",
        "session_erased",
    ];
    refusal(status, &body, &refused);
    if body["outcome"] == "unknown" {
        Told::Unknown
    } else {
        Told::NotCommitted { query }
    }
}

fn refusal(status: StatusCode, body: &Value, allowed: &[&str]) {
    let code = body["code"].as_str().unwrap();
    assert!(allowed.contains(&code), "{status}: {body}");
}

async fn answer(response: Response) -> (StatusCode, Value) {
    let (status, text) = (response.status(), response.text().await.unwrap());
    let body = if text.is_empty() {
        Value::Null
    } else {
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    };
    (status, body)
}

pub(crate) fn message(message: &Value) -> Message {
    let text = |field: &str| message[field].as_str().unwrap().to_owned();
    (message["id"].as_u64().unwrap(), text("role"), text("content"))
}
