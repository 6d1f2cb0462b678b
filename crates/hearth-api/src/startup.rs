//! The server's life: it is wired together, serves, and drains. Settings, store, listener and the signal to stop are parameters, so that
//! it can run more than once in a process.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use hearth_cache::{Cache, CacheConfig, Spawner, Strategy};
use hearth_chat::Chat;
use hearth_chat::models::BuiltinModel;
use hearth_domain::Invalid;
use hearth_domain::ports::{ChatModel, Clock, SystemClock};
use tokio::runtime::Handle;

use crate::in_flight::in_flight;
use crate::request_context::request_context;
use crate::routes::routes;
use crate::settings::{CacheStrategy, ModelKind, Settings};
use crate::state::{Phase, State};
use crate::store::Store;
use crate::warm_start::warm_start;

/// Why the server could not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken, or not this machine's.
    #[error("failed to listen on server.host {host}, server.port {port}")]
    Listen {
        /// The address.
        host: String,
        /// The port.
        port: u16,
        /// What the system says.
        source: io::Error,
    },
    /// The window's limits do not go together.
    #[error("cache.max_responses and cache.max_messages {0}")]
    Window(#[from] Invalid),
    /// The server broke off.
    #[error("failed to serve")]
    Serve(#[from] io::Error),
}

/// Takes the address that the settings name.
///
/// # Errors
///
/// [`ServeError::Listen`].
pub fn listen(settings: &Settings) -> Result<TcpListener, ServeError> {
    let (host, port) = (settings.server.host.as_str(), settings.server.port);
    TcpListener::bind((host, port)).map_err(|source| ServeError::Listen {
        host: host.to_owned(),
        port,
        source,
    })
}

/// Serves until `stop` completes, then drains: what was accepted is finished, for at most `server.drain_seconds`.
///
/// Must run on a multi-thread runtime, which becomes the storage runtime: connections, loads, commits and model calls live on it.
///
/// # Errors
///
/// [`ServeError`].
pub async fn serve(
    settings: &Settings,
    store: Store,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let spawner = Spawner::new(Handle::current());
    let state = web::Data::new(wire(settings, store, &spawner)?);
    let address = listener.local_addr()?;
    let shared = state.clone();
    let mut server = HttpServer::new(move || {
        // The last one wrapped is the first one called.
        App::new()
            .app_data(shared.clone())
            .wrap(from_fn(in_flight))
            .wrap(from_fn(request_context))
            .configure(routes)
    })
    .disable_signals()
    .shutdown_timeout(settings.server.drain.as_secs())
    .listen(listener)?;
    if settings.server.workers > 0 {
        server = server.workers(settings.server.workers);
    }
    let server = server.run();
    let handle = server.handle();
    let serving = spawner.runtime().spawn(server);
    announce(&state, address);
    spawner.spawn_forever(get_ready(state.clone(), settings.cache.warm_start));

    stop.await;
    drain(&state, &spawner, settings.server.drain, handle.stop(true)).await;
    serving.await.map_err(io::Error::other)??;
    Ok(())
}

/// Makes the cache, the chat and the model, and what handlers need of them.
fn wire(settings: &Settings, store: Store, spawner: &Spawner) -> Result<State, Invalid> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let config = cache_config(settings)?;
    let cache = Cache::new(Arc::new(store), config, Arc::clone(&clock), spawner.clone());
    let model: Arc<dyn ChatModel> = match settings.model.kind {
        ModelKind::Builtin => Arc::new(BuiltinModel),
    };
    let chat = Chat::new(
        cache.clone(),
        model,
        Arc::clone(&clock),
        spawner.clone(),
        settings.chat.turn_max,
    );
    Ok(State::new(
        cache,
        chat,
        clock,
        settings.server.body_bytes_max,
        settings.limits.in_flight,
    ))
}

fn cache_config(settings: &Settings) -> Result<CacheConfig, Invalid> {
    Ok(CacheConfig {
        strategy: match settings.cache.strategy {
            CacheStrategy::MemoryFirst => Strategy::MemoryFirst,
            CacheStrategy::PassThrough => Strategy::PassThrough,
        },
        window: settings.cache.window()?,
        budget_bytes: settings.cache.budget_bytes(),
        idle: settings.cache.idle,
        load_timeout: settings.store.timeout,
        load_queue_max: settings.limits.load_queue,
        // The store answers within its own deadline; a second more tells a store that hangs from one that is slow.
        append_timeout: settings.store.commit_timeout + Duration::from_secs(1),
        ..CacheConfig::default()
    })
}

/// Loads what is likely to be asked for first; whatever comes of it, the server is ready then.
async fn get_ready(state: web::Data<State>, sessions: u16) {
    if sessions > 0 {
        warm_start(&state, sessions).await;
    }
    state.advance(Phase::Serving);
}

fn announce(state: &State, address: SocketAddr) {
    let performance = state.cache.performance();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        store = state.store().kind(),
        budget_mb = performance.memory.budget_bytes >> 20,
        "serving on http://{address}"
    );
}

/// Stops taking requests, and waits for those that were taken and for the turns whose callers went away.
async fn drain(state: &State, spawner: &Spawner, limit: Duration, stopped: impl Future<Output = ()>) {
    state.advance(Phase::Draining);
    tracing::info!(
        seconds = limit.as_secs(),
        "stopping: what was accepted is finished first"
    );
    let began = state.clock.now();
    stopped.await;
    let left = limit.saturating_sub(state.clock.now().saturating_sub(began));
    if spawner.drain(left).await {
        tracing::info!("stopped");
    } else {
        tracing::warn!("stopped with turns unfinished: server.drain_seconds was not enough");
    }
}
