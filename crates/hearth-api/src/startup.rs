//! The server's life: it is wired together, serves, and drains. Settings, store, listener and the signal to stop are parameters, so that
//! it can run more than once in a process.

use std::io;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::middleware::{Condition, from_fn};
use actix_web::{App, web};
use hearth_cache::{Cache, CacheConfig, Spawner, Strategy};
use hearth_chat::models::openai::OpenAiConfigError;
use hearth_chat::{Chat, ChatConfig};
use hearth_domain::Invalid;
use hearth_domain::ports::{Clock, SystemClock};
use hearth_postgres::ConfigError;
use tokio::runtime::Handle;

use crate::auth::Guard;
use crate::coherence::Coherence;
use crate::cors::{cors, refused_question};
use crate::http_server::http_server;
use crate::listener::Listener;
use crate::metrics::{MeasuredModel, Metrics};
use crate::open_model::{open_model, prompt_config};
use crate::request_context::RequestContext;
use crate::routes::routes;
use crate::settings::{CacheStrategy, Concurrent, Settings, StoreUrl};
use crate::spans::{Spans, SpansError};
use crate::state::{Phase, State};
use crate::store::Store;
use crate::telemetry::Logging;
use crate::tls::TlsError;
use crate::warm_read::warm_reads_first;
use crate::warm_start::warm_start;
use crate::worker::Worker;

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
    /// The certificate cannot be shown.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The window's limits do not go together.
    #[error("cache.max_responses and cache.max_messages {0}")]
    Window(#[from] Invalid),
    /// The address of the change feed is not understood.
    #[error("failed to read coherence.url")]
    Coherence(#[from] ConfigError),
    /// The model's client cannot be made.
    #[error("failed to prepare the model that [model] names")]
    Model(#[from] OpenAiConfigError),
    /// Spans cannot be exported.
    #[error(transparent)]
    Spans(#[from] SpansError),
    /// The server broke off.
    #[error("failed to serve")]
    Serve(#[from] io::Error),
}

/// Serves until `stop` completes, then drains: the server is not ready any more but serves on for `server.drain_delay_seconds`, where
/// readiness was ever asked for; then what was accepted is finished, for at most `server.drain_seconds`.
///
/// Must run on a multi-thread runtime, which becomes the storage runtime: connections, loads, commits and model calls live on it.
///
/// # Errors
///
/// [`ServeError`].
pub async fn serve(
    settings: &Settings,
    store: Store,
    listener: Listener,
    logging: &Logging,
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let spawner = Spawner::new(Handle::current());
    let spans = Spans::start(&settings.log, spawner.runtime())?;
    let state = web::Data::new(wire(settings, store, logging, &spawner)?.with_spans(spans));
    let mut stop = pin!(stop);
    tokio::select! {
        () = state.coherence.caught_up() => {}
        () = &mut stop => return Ok(()),
    }
    let url = format!("{}://{}", listener.scheme(), listener.address()?);
    let origins = settings.server.cors_origins.clone();
    let workers = workers(settings);
    let shared = state.clone();
    let access = logging.access(Arc::clone(&state.clock));
    let worker = move || Rc::new(Worker::new(shared.clone(), access.clone()));
    let server = http_server(settings, listener, workers, worker, move |worker| {
        let called_by_pages = !origins.as_slice().is_empty();
        // The last one wrapped is the first one called.
        let application = App::new()
            .app_data(worker.state.clone())
            .wrap(cors(&origins))
            .wrap(Condition::new(called_by_pages, from_fn(refused_question)))
            .wrap(RequestContext(Rc::clone(&worker)))
            .configure(routes);
        // What pages are told goes into every response.
        warm_reads_first(worker, !called_by_pages, application)
    })?;
    let handle = server.handle();
    let serving = spawner.runtime().spawn(server);
    announce(&state, &settings.store.url, &url);
    spawner.spawn_forever(get_ready(state.clone(), settings.cache.warm_start));

    stop.await;
    leave_the_balance(&state, settings.server.drain_delay).await;
    drain(&state, &spawner, settings.server.drain, || handle.stop(true)).await;
    let served = serving.await;
    state.spans.stop().await;
    served.map_err(io::Error::other)??;
    Ok(())
}

/// Threads that answer requests.
fn workers(settings: &Settings) -> usize {
    match settings.server.workers {
        0 => std::thread::available_parallelism().map_or(2, NonZeroUsize::get),
        workers => workers,
    }
}

/// Makes the cache, the chat and the model, and what handlers need of them.
fn wire(
    settings: &Settings,
    store: Store,
    logging: &Logging,
    spawner: &Spawner,
) -> Result<State, ServeError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let config = cache_config(settings)?;
    let store = Arc::new(store);
    let guard = Guard::new(settings, &store, &clock, spawner);
    let cache = Cache::new(store, config, Arc::clone(&clock), spawner.clone());
    let coherence = Coherence::start(settings, &cache, &clock, spawner)?;
    let model = open_model(&settings.model, Arc::clone(&clock), spawner.runtime().clone())?;
    let metrics = Metrics::new(logging);
    let model = MeasuredModel::new(model, Arc::clone(&metrics.model), Arc::clone(&clock));
    let chat = Chat::new(
        cache.clone(),
        Arc::new(model),
        Arc::clone(&clock),
        spawner.clone(),
        chat_config(settings),
    );
    Ok(State::new(
        cache, coherence, chat, clock, guard, settings, metrics,
    ))
}

fn chat_config(settings: &Settings) -> ChatConfig {
    ChatConfig {
        turn_timeout: settings.chat.turn_max,
        concurrent: match settings.chat.concurrent {
            Concurrent::Queue => hearth_chat::Concurrent::Queue,
            Concurrent::Reject => hearth_chat::Concurrent::Reject,
        },
        queue_max: settings.chat.queue_max,
        // The cache waits a second longer for a commit than the store does; the rest is for a claim that was slow to be told.
        request_lease: settings.chat.turn_max + settings.store.commit_timeout + Duration::from_secs(15),
        prompt: prompt_config(settings),
        ..ChatConfig::default()
    }
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

fn announce(state: &State, store: &StoreUrl, url: &str) {
    let performance = state.cache.performance();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        %store,
        budget_mb = performance.memory.budget_bytes >> 20,
        "serving on {url}"
    );
}

/// Says that the server is not ready any more, and serves on until whoever sends traffic by that has seen it.
async fn leave_the_balance(state: &State, delay: Duration) {
    state.advance(Phase::Draining);
    if state.is_balanced() && !delay.is_zero() {
        tracing::info!(
            seconds = delay.as_secs(),
            "not ready any more: traffic may go elsewhere"
        );
        tokio::time::sleep(delay).await;
    }
}

/// Stops taking requests, and waits for those that were taken and for the turns whose callers went away.
async fn drain<F: Future<Output = ()>>(
    state: &State,
    spawner: &Spawner,
    limit: Duration,
    stop: impl FnOnce() -> F,
) {
    tracing::info!(
        seconds = limit.as_secs(),
        "stopping: what was accepted is finished first"
    );
    let began = state.clock.now();
    stop().await;
    let left = limit.saturating_sub(state.clock.now().saturating_sub(began));
    if spawner.drain(left).await {
        tracing::info!("stopped");
    } else {
        tracing::warn!("stopped with turns unfinished: server.drain_seconds was not enough");
    }
}
