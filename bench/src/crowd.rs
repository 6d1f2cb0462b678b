//! Clients that take a server's connections and give it next to nothing to do: some are idle after a request, some send one byte of a request
//! now and then. Whoever is cut comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hearth_testkit::poll::until;
use tokio::io;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// Between two bytes of a request that trickles.
const BETWEEN_BYTES: Duration = Duration::from_millis(100);

/// Before whoever could not connect tries again.
const PAUSE: Duration = Duration::from_millis(100);

/// How long all of them may take to be there.
const GATHER_MAX: Duration = Duration::from_mins(1);

const REQUEST: &[u8] = b"GET /chatbot/health HTTP/1.1\r\nHost: bench\r\nX-Padding: ";

/// The clients; they leave when this is dropped.
pub(crate) struct Crowd {
    _clients: JoinSet<()>,
}

/// What a client does with its connection.
#[derive(Debug, Clone, Copy)]
enum Manner {
    Idle,
    Trickling,
}

impl Crowd {
    /// Lets so many idle and so many trickling clients connect to `host:port`, and waits until all are there.
    pub(crate) fn gather(runtime: &Runtime, host: &str, idle: usize, trickling: usize) -> Self {
        let there = Arc::new(AtomicUsize::new(0));
        let mut clients = JoinSet::new();
        for client in 0..idle + trickling {
            let manner = if client < idle {
                Manner::Idle
            } else {
                Manner::Trickling
            };
            let stay = stay(host.to_owned(), manner, Arc::clone(&there));
            clients.spawn_on(stay, runtime.handle());
        }
        runtime.block_on(until(GATHER_MAX, async || {
            there.load(Ordering::Relaxed) == idle + trickling
        }));
        Self { _clients: clients }
    }
}

/// Comes back for ever; counts once.
async fn stay(host: String, manner: Manner, there: Arc<AtomicUsize>) {
    let mut counted = false;
    loop {
        let Ok(connection) = TcpStream::connect(&host).await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        if !counted {
            there.fetch_add(1, Ordering::Relaxed);
            counted = true;
        }
        // Being cut is what it is for.
        let _cut = match manner {
            Manner::Idle => rest(&connection).await,
            Manner::Trickling => trickle(&connection).await,
        };
    }
}

/// Sends a request, and stays after its answer until the server closes the connection.
async fn rest(connection: &TcpStream) -> io::Result<()> {
    connection.writable().await?;
    connection.try_write(REQUEST)?;
    connection.writable().await?;
    connection.try_write(b"x\r\n\r\n")?;
    let mut buffer = [0; 1_024];
    loop {
        connection.readable().await?;
        match connection.try_read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// Sends the head of a request that never ends.
async fn trickle(connection: &TcpStream) -> io::Result<()> {
    let bytes = REQUEST.iter().chain(std::iter::repeat(&b'x'));
    for byte in bytes {
        connection.writable().await?;
        connection.try_write(std::slice::from_ref(byte))?;
        tokio::time::sleep(BETWEEN_BYTES).await;
    }
    Ok(())
}
