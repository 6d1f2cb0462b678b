//! A proxy in front of PostgreSQL that loses connections at the worst moment: between a statement and its answer.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

/// What happens to the connection that sends a certain word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The server answers, and nobody hears it.
    AfterAnswer,
    /// The client is cut off at once; the server goes on, its connection open.
    WhileCommitting,
    /// The client is cut off, and what it sent arrives when [`Proxy::deliver`] says so.
    BeforeDelivery,
    /// As after the answer, and no connection gets through any more.
    ForGood,
    /// Nothing goes either way any more, and nobody hangs up.
    Silence,
}

/// A proxy that cuts one connection, as it is told to. Dropping it lets nobody in any more.
#[derive(Debug)]
pub struct Proxy {
    url: String,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    server: String,
    plan: Mutex<Option<(String, Cut)>>,
    deliver: Notify,
    delivered: Mutex<Option<oneshot::Sender<Vec<u8>>>>,
    refuses: Mutex<bool>,
}

/// The server's last word after a statement: it is ready for the next one.
const READY: &[u8] = b"Z\0\0\0\x05I";

impl Proxy {
    /// A proxy to the database of a URL of the form `postgres://user@host:port/database`. Runs on the caller's runtime.
    pub async fn in_front_of(database_url: &str) -> Self {
        let (_, server) = database_url.split_once('@').unwrap();
        let (server, _) = server.split_once('/').unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let here = listener.local_addr().unwrap().to_string();
        let url = format!("{}?sslmode=disable", database_url.replace(server, &here));
        let shared = Arc::new(Shared {
            server: server.to_owned(),
            plan: Mutex::default(),
            deliver: Notify::new(),
            delivered: Mutex::default(),
            refuses: Mutex::new(false),
        });
        let of_task = Arc::clone(&shared);
        let accepting = Handle::current().spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if !*of_task.refuses.lock().unwrap() {
                    Handle::current().spawn(carry(client, Arc::clone(&of_task)));
                }
            }
        });
        Self {
            url,
            shared,
            accepting,
        }
    }

    /// The database's URL through the proxy.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Cuts the first connection that sends a word.
    pub fn cut(&self, word: &str, how: Cut) {
        *self.shared.plan.lock().unwrap() = Some((word.to_owned(), how));
    }

    /// Whether the connection is still to be cut.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.shared.plan.lock().unwrap().is_some()
    }

    /// Delivers what [`Cut::BeforeDelivery`] held back, and brings the server's answer.
    pub async fn deliver(&self) -> String {
        let (reply, answer) = oneshot::channel();
        *self.shared.delivered.lock().unwrap() = Some(reply);
        self.shared.deliver.notify_one();
        String::from_utf8_lossy(&answer.await.unwrap()).into_owned()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Shared {
    fn plan_for(&self, sent: &[u8]) -> Option<Cut> {
        let mut plan = self.plan.lock().unwrap();
        let (word, _) = plan.as_ref()?;
        let is_there = sent.windows(word.len()).any(|part| part == word.as_bytes());
        if is_there {
            plan.take().map(|(_, cut)| cut)
        } else {
            None
        }
    }
}

/// Carries one connection until an end hangs up, or the plan says so.
async fn carry(mut client: TcpStream, shared: Arc<Shared>) {
    let mut server = TcpStream::connect(&shared.server).await.unwrap();
    let (mut up, mut down) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let sent = up.get(..read.unwrap_or(0)).unwrap_or_default();
                if sent.is_empty() {
                    return;
                }
                if let Some(cut) = shared.plan_for(sent) {
                    return lose(cut, client, server, sent, &shared).await;
                }
                if server.write_all(sent).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut down) => {
                let answer = down.get(..read.unwrap_or(0)).unwrap_or_default();
                if answer.is_empty() || client.write_all(answer).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn lose(cut: Cut, client: TcpStream, mut server: TcpStream, sent: &[u8], shared: &Shared) {
    match cut {
        Cut::AfterAnswer => {
            server.write_all(sent).await.unwrap();
            until_ready(&mut server).await;
            drop(client);
        }
        Cut::ForGood => {
            *shared.refuses.lock().unwrap() = true;
            server.write_all(sent).await.unwrap();
            until_ready(&mut server).await;
            drop(client);
        }
        Cut::Silence => {
            let _open = (client, server);
            std::future::pending::<()>().await;
        }
        Cut::WhileCommitting => {
            server.write_all(sent).await.unwrap();
            drop(client);
            until_ready(&mut server).await;
        }
        Cut::BeforeDelivery => {
            drop(client);
            shared.deliver.notified().await;
            server.write_all(sent).await.unwrap();
            let answer = until_ready(&mut server).await;
            let reply = shared.delivered.lock().unwrap().take().unwrap();
            drop(reply.send(answer));
        }
    }
}

async fn until_ready(server: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    while !answer.ends_with(READY) {
        if server.read_buf(&mut answer).await.unwrap() == 0 {
            break;
        }
    }
    answer
}
