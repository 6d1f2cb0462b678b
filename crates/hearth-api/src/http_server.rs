//! The HTTP server over a listener: its protocols, their limits, and a watch on each connection.
//!
//! Put together as `actix_web::HttpServer` does it, which has no place for the watch, nor for what stands between a connection and its protocol.

use std::fmt;
use std::future::ready;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpServiceBuilder, Protocol, Request, Response};
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt as _, apply_fn_factory, fn_service,
    map_config,
};
use actix_tls::accept::rustls_0_23::{Acceptor, TlsStream};
use actix_tls::accept::{TlsError, max_concurrent_tls_connect};
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{AppConfig, Server};
use rustls::ServerConfig;
use tokio::net::TcpStream;

use crate::bare_refusal::Explained;
use crate::connection::{introduce, watch};
use crate::listener::Listener;
use crate::settings::Settings;
use crate::startup::ServeError;
use crate::worker::Worker;

/// How long a connection that is being closed waits for its peer.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes that are gathered from a body's pieces before they are sent: the head, messages and tail of most histories go in one call of the
/// system. A connection keeps a buffer of up to this size once it had use for it, as it would in any case.
const WRITE_BUFFER_BYTES: usize = 128 << 10;

/// HTTP/2, as a handshake names it.
const HTTP_2: &[u8] = b"h2";

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

/// Makes a server that answers at `listener` with `workers` threads, each of them what `worker` makes, and of what `application` makes for
/// it; it works once it is awaited, and takes no notice of signals.
///
/// # Errors
///
/// [`ServeError::Tls`], [`ServeError::Serve`].
pub fn http_server<F, I, S, B>(
    settings: &Settings,
    listener: Listener,
    workers: usize,
    worker: impl Fn() -> Rc<Worker> + Clone + Send + 'static,
    application: F,
) -> Result<Server, ServeError>
where
    F: Fn(Rc<Worker>) -> I + Clone + Send + 'static,
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
    let application = move |worker: &Rc<Worker>| {
        let application = application(Rc::clone(worker)).into_factory();
        let application =
            application.map_err(|error| Response::<BoxBody>::from(error.into().error_response()));
        // Nothing of Hearth asks a request for the address that it came to.
        map_config(application, |()| AppConfig::default())
    };
    let server = match &listener.certificates {
        Some(certificates) => {
            let config = certificates.server_config()?;
            // Handshakes at once on a worker: whoever connects and says nothing must not keep others from theirs.
            max_concurrent_tls_connect(settings.limits.connections.div_ceil(workers));
            server.listen("https", listener.socket, move || {
                let worker = worker();
                let protocols = protocols(patience, stopping.clone()).finish(application(&worker));
                let accepted = encrypted(config.clone(), patience, worker);
                watched(accepted.and_then(protocols.map_err(TlsError::Service)), patience)
            })?
        }
        None => server.listen("http", listener.socket, move || {
            let worker = worker();
            let protocols = protocols(patience, stopping.clone()).finish(application(&worker));
            watched(plain(worker).and_then(protocols), patience)
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
        .on_connect_ext(|_, extensions| introduce(extensions))
}

/// A connection that may be served, with its protocol and its peer.
type Accepted<T> = (Explained<T>, Protocol, Option<SocketAddr>);

/// Takes connections as they are.
fn plain(
    worker: Rc<Worker>,
) -> impl ServiceFactory<
    TcpStream,
    Config = (),
    Response = Accepted<TcpStream>,
    Error = DispatchError,
    InitError = (),
> {
    fn_service(move |stream: TcpStream| {
        let peer = prepare(&stream);
        let stream = Explained::new(stream, Rc::clone(&worker));
        ready(Ok((stream, Protocol::Http1, peer)))
    })
}

/// Takes connections once their client has shaken hands.
fn encrypted(
    mut config: ServerConfig,
    patience: Patience,
    worker: Rc<Worker>,
) -> impl ServiceFactory<
    TcpStream,
    Config = (),
    Response = Accepted<TlsStream<TcpStream>>,
    Error = TlsError<std::io::Error, DispatchError>,
    InitError = (),
> {
    config.alpn_protocols = vec![HTTP_2.to_vec(), b"http/1.1".to_vec()];
    let mut acceptor = Acceptor::new(config);
    acceptor.set_handshake_timeout(patience.head);
    acceptor
        .map_init_err(drop)
        .map_err(TlsError::into_service_error)
        .map(move |stream: TlsStream<TcpStream>| {
            let (socket, session) = stream.get_ref();
            let protocol = match session.alpn_protocol() {
                Some(HTTP_2) => Protocol::Http2,
                Some(_) | None => Protocol::Http1,
            };
            let peer = prepare(socket);
            (Explained::new(stream, Rc::clone(&worker)), protocol, peer)
        })
}

/// Sets a connection up, and brings its peer.
fn prepare(socket: &TcpStream) -> Option<SocketAddr> {
    // A piece of a stream would else wait for the client to acknowledge the one before, which takes it 40 ms. A connection that is gone
    // already is found out soon enough.
    let _gone = socket.set_nodelay(true);
    socket.peer_addr().ok()
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
