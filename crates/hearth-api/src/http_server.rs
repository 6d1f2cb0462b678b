//! The HTTP server over a listener: its protocols, their limits, and a watch on each connection.
//!
//! Put together as `actix_web::HttpServer` does it, which has no place for the watch.

use std::fmt;
use std::time::Duration;

use actix_http::{HttpServiceBuilder, Request, Response, TlsAcceptorConfig};
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt as _, apply_fn_factory, map_config,
};
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{AppConfig, Server};
use tokio::net::TcpStream;

use crate::connection::{introduce, watch};
use crate::listener::Listener;
use crate::settings::Settings;
use crate::startup::ServeError;

/// How long a connection that is being closed waits for its peer.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes that are gathered from a body's pieces before they are sent: the head, messages and tail of most histories go in one call of the
/// system. A connection keeps a buffer of up to this size once it had use for it, as it would in any case.
const WRITE_BUFFER_BYTES: usize = 128 << 10;

/// How long connections wait for their clients.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// For a handshake, and for the head of a request.
    head: Duration,
    /// For the first byte of a request.
    idle: Duration,
}

impl Patience {
    /// What a connection may take from one request to the next: its silence, and a head.
    const fn between_requests(self) -> Duration {
        self.idle.saturating_add(self.head)
    }
}

/// Makes a server that answers at `listener` with `workers` threads of what `application` makes; it works once it is awaited, and takes no
/// notice of signals.
///
/// # Errors
///
/// [`ServeError::Tls`], [`ServeError::Serve`].
pub fn http_server<F, I, S, B>(
    settings: &Settings,
    listener: Listener,
    workers: usize,
    application: F,
) -> Result<Server, ServeError>
where
    F: Fn() -> I + Clone + Send + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Service: 'static,
    S::Error: Into<actix_web::Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    let patience = Patience {
        head: settings.limits.head,
        idle: settings.limits.idle,
    };
    let server = Server::build()
        .disable_signals()
        .shutdown_timeout(settings.server.drain.as_secs())
        .workers(workers)
        .max_concurrent_connections(settings.limits.connections.div_ceil(workers));
    let stopping = server.graceful_shutdown_signal();
    let stopping = move || {
        let stopping = stopping.clone();
        async move { stopping.notified().await }
    };
    let application = move || {
        let application = application().into_factory();
        let application =
            application.map_err(|error| Response::<BoxBody>::from(error.into().error_response()));
        // Nothing of Hearth asks a request for the address that it came to.
        map_config(application, |()| AppConfig::default())
    };
    let server = match &listener.certificates {
        Some(certificates) => {
            let config = certificates.server_config()?;
            server.listen("https", listener.socket, move || {
                let handshake = TlsAcceptorConfig::default().handshake_timeout(patience.head);
                let protocols = protocols(patience, stopping.clone()).finish(application());
                watched(
                    protocols.rustls_0_23_with_config(config.clone(), handshake),
                    patience,
                )
            })?
        }
        None => server.listen("http", listener.socket, move || {
            let protocols = protocols(patience, stopping.clone()).finish(application());
            watched(protocols.tcp(), patience)
        })?,
    };
    Ok(server.run())
}

/// HTTP over connections of one kind, each of which closes once its request is done after `stopping` completed.
fn protocols<T, S, Stopping>(
    patience: Patience,
    stopping: impl Fn() -> Stopping + 'static,
) -> HttpServiceBuilder<T, S>
where
    S: ServiceFactory<Request, Config = ()>,
    S::Error: Into<Response<BoxBody>> + 'static,
    S::InitError: fmt::Debug,
    <S::Service as Service<Request>>::Future: 'static,
    Stopping: Future<Output = ()> + 'static,
{
    HttpServiceBuilder::default()
        .graceful_shutdown_signal(stopping)
        .keep_alive(patience.idle)
        .client_request_timeout(patience.head)
        .client_disconnect_timeout(DISCONNECT_TIMEOUT)
        .h1_write_buffer_size(WRITE_BUFFER_BYTES)
        // A piece of a stream would else wait for the client to acknowledge the one before, which takes it 40 ms.
        .tcp_nodelay(true)
        .on_connect_ext(|_, extensions| introduce(extensions))
}

/// Puts a watch on every connection.
fn watched<P>(
    protocols: P,
    patience: Patience,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = P::Error, InitError = ()>
where
    P: ServiceFactory<TcpStream, Config = (), Response = (), InitError = ()>,
{
    apply_fn_factory(protocols, move |stream, service: &P::Service| {
        watch(service.call(stream), patience.between_requests())
    })
}
