//! An OpenAI-compatible server that does what a test says: streams piece by piece behind gates, splits its bytes anywhere, fails before and
//! in the middle, hangs, closes, sends garbage.
//!
//! ```
//! use hearth_testkit::model_server::{ModelServer, Reply};
//!
//! # let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
//! # runtime.block_on(async {
//! let server = ModelServer::start().await;
//! let gate = server.gate();
//! server.next(Reply::stream().text("Hello").wait(&gate).text(" there").finish("stop").done());
//! // … ask at `server.base_url()` and see "Hello" arrive …
//! gate.open();
//! assert!(server.requests().is_empty());
//! # });
//! ```

mod connection;
mod reply;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::faulty_store::Gate;
pub use reply::Reply;

/// A server on a free port of this machine. Dropping it closes every connection.
#[derive(Debug)]
pub struct ModelServer {
    address: SocketAddr,
    script: Arc<Script>,
    _serving: JoinSet<()>,
}

/// One request that the server got.
#[derive(Debug, Clone)]
pub struct Request {
    /// Method and target, such as `POST /v1/chat/completions`.
    pub line: String,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body; null where it is not JSON.
    pub body: Value,
}

impl Request {
    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let of_name = |(header, _): &&(String, String)| header == name;
        self.headers.iter().find(of_name).map(|(_, value)| value.as_str())
    }
}

/// What the server is to do, and what it was asked.
#[derive(Debug)]
struct Script {
    plan: Mutex<Plan>,
    /// Requests so far.
    calls: watch::Sender<usize>,
    /// Connections that are open.
    connections: watch::Sender<usize>,
    connections_made: AtomicUsize,
}

#[derive(Debug)]
struct Plan {
    next: VecDeque<Reply>,
    usual: Reply,
    requests: Vec<Request>,
}

impl ModelServer {
    /// Starts a server that answers "Hello", in the way it is asked, until it is told otherwise. Runs on the caller's runtime.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(Script {
            plan: Mutex::new(Plan {
                next: VecDeque::new(),
                usual: Reply::saying("Hello"),
                requests: Vec::new(),
            }),
            calls: watch::Sender::new(0),
            connections: watch::Sender::new(0),
            connections_made: AtomicUsize::new(0),
        });
        let mut serving = JoinSet::new();
        serving.spawn(accept(listener, Arc::clone(&script)));
        Self {
            address,
            script,
            _serving: serving,
        }
    }

    /// What a client is configured with: `http://127.0.0.1:PORT/v1`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The next request that nothing else is planned for gets this reply. Several are given in the order in which they were planned.
    pub fn next(&self, reply: Reply) {
        self.script.plan().next.push_back(reply);
    }

    /// Every request that nothing is planned for gets this reply.
    pub fn usually(&self, reply: Reply) {
        self.script.plan().usual = reply;
    }

    /// A closed gate for [`Reply::wait`].
    #[must_use]
    pub fn gate(&self) -> Gate {
        Gate::closed()
    }

    /// Requests so far, whatever became of them.
    #[must_use]
    pub fn calls(&self) -> usize {
        *self.script.calls.borrow()
    }

    /// Waits until there were so many requests.
    pub async fn called(&self, count: usize) {
        let mut calls = self.script.calls.subscribe();
        // The sender lives as long as this server does.
        calls.wait_for(|calls| *calls >= count).await.unwrap();
    }

    /// Connections that are open now.
    #[must_use]
    pub fn connections(&self) -> usize {
        *self.script.connections.borrow()
    }

    /// Connections that were ever opened.
    #[must_use]
    pub fn connections_made(&self) -> usize {
        self.script.connections_made.load(Ordering::SeqCst)
    }

    /// Waits until so many connections are open.
    pub async fn connected(&self, count: usize) {
        let mut connections = self.script.connections.subscribe();
        // The sender lives as long as this server does.
        connections.wait_for(|open| *open == count).await.unwrap();
    }

    /// The requests so far, in the order in which they came.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.script.plan().requests.clone()
    }
}

impl Script {
    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a request, and says what it is answered.
    fn reply(&self, request: Request) -> Reply {
        let mut plan = self.plan();
        plan.requests.push(request);
        let reply = plan.next.pop_front().unwrap_or_else(|| plan.usual.clone());
        drop(plan);
        self.calls.send_modify(|calls| *calls += 1);
        reply
    }
}

/// Counts a connection as long as it is open.
struct Open<'a>(&'a watch::Sender<usize>);

impl<'a> Open<'a> {
    fn new(connections: &'a watch::Sender<usize>) -> Self {
        connections.send_modify(|open| *open += 1);
        Self(connections)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}

async fn accept(listener: TcpListener, script: Arc<Script>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { return };
                script.connections_made.fetch_add(1, Ordering::SeqCst);
                let script = Arc::clone(&script);
                connections.spawn(async move {
                    let _open = Open::new(&script.connections);
                    // A client that goes away is part of the tests.
                    drop(connection::serve(stream, &script).await);
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}
