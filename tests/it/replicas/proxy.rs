//! A server in front of PostgreSQL for the change feed's connection, in whose way one can stand.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

/// What comes from the server, in pieces, is held back no further than this many of them.
const PIECES_MAX: usize = 1_024;

/// A proxy for connections that listen.
pub(crate) struct FeedProxy {
    url: String,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    server: String,
    way: watch::Sender<Way>,
    accepted: AtomicUsize,
}

/// How connections are treated. A connection that was told to end, or to stand still, does so whatever comes later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Way {
    /// Raised to close the connections that are there.
    cuts: u64,
    /// Raised to let the connections that are there stand still, open for ever.
    stalls: u64,
    /// Whether new connections are closed at once.
    refuses: bool,
    /// How much later than it came that which the server says arrives.
    delay: Duration,
}

impl FeedProxy {
    /// A proxy in front of the server of a database; `url` is the database's.
    pub(crate) async fn in_front_of(url: &str) -> Self {
        let (_, server) = url.split_once('@').unwrap();
        let server = server.split_once('/').unwrap().0.to_owned();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = url.replace(&server, &listener.local_addr().unwrap().to_string());
        let shared = Arc::new(Shared {
            server,
            way: watch::Sender::new(Way {
                cuts: 0,
                stalls: 0,
                refuses: false,
                delay: Duration::ZERO,
            }),
            accepted: AtomicUsize::new(0),
        });
        let of_task = Arc::clone(&shared);
        let accepting = Handle::current().spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                of_task.accepted.fetch_add(1, Ordering::SeqCst);
                let way = of_task.way.subscribe();
                connections.spawn(carry(client, of_task.server.clone(), way));
            }
        });
        Self {
            url,
            shared,
            accepting,
        }
    }

    /// The database's URL through the proxy.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Closes the connections that are there.
    pub(crate) fn cut(&self) {
        self.shared.way.send_modify(|way| way.cuts += 1);
    }

    /// Lets the connections that are there stand still: open, and carrying nothing any more.
    pub(crate) fn stall(&self) {
        self.shared.way.send_modify(|way| way.stalls += 1);
    }

    /// Whether connections that come from now on are closed at once.
    pub(crate) fn refuse(&self, refuses: bool) {
        self.shared.way.send_modify(|way| way.refuses = refuses);
    }

    /// Brings what the server says so much later than it came.
    pub(crate) fn delay(&self, delay: Duration) {
        self.shared.way.send_modify(|way| way.delay = delay);
    }

    /// Connections that came until now.
    pub(crate) fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for FeedProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Carries one connection until an end hangs up, or somebody stands in its way.
async fn carry(client: TcpStream, server: String, mut way: watch::Receiver<Way>) {
    let began = *way.borrow_and_update();
    if began.refuses {
        return;
    }
    let Ok(server) = TcpStream::connect(&server).await else {
        return;
    };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let delay = way.clone();
    let carrying = async {
        tokio::select! {
            () = pass(from_client, to_server) => {}
            () = pass_later(from_server, to_client, delay) => {}
        }
    };
    let mut carrying = std::pin::pin!(carrying);
    loop {
        tokio::select! {
            () = &mut carrying => return,
            changed = way.changed() => {
                let now = *way.borrow_and_update();
                if changed.is_err() || now.cuts > began.cuts {
                    return;
                }
                if now.stalls > began.stalls {
                    // Both ends stay open for as long as the proxy is there.
                    return std::future::pending().await;
                }
            }
        }
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    // However it ends, the connection ends with it.
    drop(tokio::io::copy(&mut from, &mut to).await);
}

/// Each piece is brought when its time has come, and never before the one before it.
async fn pass_later(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, way: watch::Receiver<Way>) {
    let (sender, mut pieces) = mpsc::channel::<(Instant, Vec<u8>)>(PIECES_MAX);
    let reading = async {
        loop {
            let mut piece = Vec::with_capacity(1 << 14);
            if !from.read_buf(&mut piece).await.is_ok_and(|bytes| bytes > 0) {
                return;
            }
            let due = Instant::now() + way.borrow().delay;
            if sender.send((due, piece)).await.is_err() {
                return;
            }
        }
    };
    let writing = async {
        while let Some((due, piece)) = pieces.recv().await {
            tokio::time::sleep_until(due).await;
            if to.write_all(&piece).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = reading => {}
        () = writing => {}
    }
}
