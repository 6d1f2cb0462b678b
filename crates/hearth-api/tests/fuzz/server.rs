//! The server under test: the whole of it in this process, so that no panic goes unseen.

use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::{Mutex, Once, OnceLock, PoisonError};
use std::thread::JoinHandle;

use hearth_api::commands::keys::{self, NewKey};
use hearth_api::key_store::open_keys;
use hearth_api::listener::listen;
use hearth_api::open_store::open_store;
use hearth_api::settings::{Settings, Sources, load};
use hearth_api::startup::serve;
use hearth_api::telemetry::{self, Logging};
use hearth_domain::ports::SystemClock;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use crate::client::Client;

/// The panics of servers, all in this process together.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

thread_local! {
    /// Whether this is the thread of a test, which panics where a property is broken.
    static IS_TEST: Cell<bool> = const { Cell::new(false) };
}

/// A running server with a store of its own; stopped when it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    _folder: TempDir,
}

impl Server {
    /// A server that lets everybody in.
    pub(crate) fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(&folder, "open");
        Self::start(folder, settings)
    }

    /// A server that asks for keys, and a key of department `d` for everything.
    pub(crate) fn with_keys(key: NewKey) -> (Self, String) {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(&folder, "keys");
        let mut out = Vec::new();
        Runtime::new().unwrap().block_on(async {
            let store = open_keys(&settings).await.unwrap();
            keys::create(&store, &SystemClock::default(), key, &mut out)
                .await
                .unwrap();
        });
        let key = String::from_utf8(out).unwrap().trim().to_owned();
        (Self::start(folder, settings), key)
    }

    fn start(folder: TempDir, settings: Settings) -> Self {
        watch_panics();
        let listener = listen(&settings).unwrap();
        let address = listener.address().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            Runtime::new().unwrap().block_on(async {
                let store = open_store(&settings).await.unwrap();
                let stop = async {
                    // A sender that is gone says to stop, too.
                    let _told = stopped.await;
                };
                serve(&settings, store, listener, logging(&settings), stop)
                    .await
                    .unwrap();
            });
        });
        Self {
            address,
            stop: Some(stop),
            thread: Some(thread),
            _folder: folder,
        }
    }

    /// A client with a connection of its own.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(
            std::thread::panicking() || matches!(ended, Some(Ok(()))),
            "the server did not stop in order"
        );
    }
}

/// What panicked in servers so far.
pub(crate) fn panics() -> Vec<String> {
    PANICS.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn settings(folder: &TempDir, mode: &str) -> Settings {
    let store = folder.path().join("hearth.db");
    let sources = Sources {
        dir: Some(folder.path().to_owned()),
        overrides: vec![
            format!("store.url=sqlite:{}", store.display()),
            format!("auth.mode={mode}"),
            "server.port=0".to_owned(),
            "server.workers=1".to_owned(),
            "server.drain_delay_seconds=0".to_owned(),
            "log.level=error".to_owned(),
        ],
        ..Sources::default()
    };
    load(&sources).unwrap().settings
}

/// One log for all servers: it is the process's.
fn logging(settings: &Settings) -> &'static Logging {
    static LOGGING: OnceLock<Logging> = OnceLock::new();
    LOGGING.get_or_init(|| telemetry::init(&settings.log).unwrap())
}

fn watch_panics() {
    static WATCHING: Once = Once::new();
    IS_TEST.set(true);
    WATCHING.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !IS_TEST.get() {
                let mut panics = PANICS.lock().unwrap_or_else(PoisonError::into_inner);
                panics.push(panic.to_string());
            }
            before(panic);
        }));
    });
}
