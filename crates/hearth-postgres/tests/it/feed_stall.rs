//! A server in front of PostgreSQL whose connections stay open and carry nothing any more, as when a machine in between is gone.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use hearth_testkit::postgres::TestDatabase;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A proxy whose connections can be stalled for good.
pub(crate) struct StallingProxy {
    url: String,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    /// Raised with each stall: connections from before it are stalled.
    stalls: watch::Sender<u64>,
    stalls_newcomers: AtomicBool,
    connections: AtomicUsize,
}

impl StallingProxy {
    pub(crate) async fn in_front_of(database: &TestDatabase) -> Self {
        let url = database.url();
        let (_, server) = url.split_once('@').unwrap();
        let server = server.split_once('/').unwrap().0.to_owned();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let here = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared {
            stalls: watch::Sender::new(0),
            stalls_newcomers: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
        });
        let (url, of_task) = (url.replace(&server, &here), Arc::clone(&shared));
        let accepting = Handle::current().spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                of_task.connections.fetch_add(1, Ordering::SeqCst);
                Handle::current().spawn(carry(client, server.clone(), Arc::clone(&of_task)));
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

    /// Stalls the connections that are there.
    pub(crate) fn stall(&self) {
        self.shared.stalls.send_modify(|stalls| *stalls += 1);
    }

    /// Whether connections that come from now on are stalled from the beginning.
    pub(crate) fn stall_newcomers(&self, stalls: bool) {
        self.shared.stalls_newcomers.store(stalls, Ordering::SeqCst);
    }

    /// How many came so far.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for StallingProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Carries one connection until an end hangs up, or it is stalled: then both ends stay open until the test ends.
async fn carry(mut client: TcpStream, server: String, shared: Arc<Shared>) {
    if shared.stalls_newcomers.load(Ordering::SeqCst) {
        return std::future::pending().await;
    }
    let mut stalls = shared.stalls.subscribe();
    stalls.mark_unchanged();
    let mut server = TcpStream::connect(&server).await.unwrap();
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        _ = stalls.changed() => std::future::pending().await,
    }
}
