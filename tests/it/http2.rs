//! HTTP/2, which is spoken over TLS: what one connection may have at once, and how long it may leave it unread.

use std::collections::BTreeMap;

use bytes::Bytes;
use h2::client::{Builder, ResponseFuture, SendRequest};
use http::{Request, StatusCode};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::backend::Backend;
use crate::server::{DEADLINE, Server};
use crate::tls;

/// A server, and a connection to it.
struct Connected {
    _folder: tempfile::TempDir,
    _backend: Backend,
    _server: Server,
    requests: SendRequest<Bytes>,
    /// Ends with the connection.
    connection: JoinHandle<Result<(), h2::Error>>,
}

/// Connects to a server with these settings, as a client that takes so many bytes of a response before it reads any.
async fn connected(settings: &[(&str, &str)], window: u32) -> Connected {
    let backend = Backend::sqlite().await;
    let folder = tempfile::tempdir().unwrap();
    let certificate = tls::write_certificate(folder.path());
    let paths = tls::settings(folder.path());
    let mut all: Vec<(&str, &str)> = paths
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    all.extend(settings);
    let server = Server::start_with(&backend.url(), &all).await;
    let socket = TcpStream::connect(server.authority()).await.unwrap();
    let connector = TlsConnector::from(tls::believing(&certificate, &[b"h2"]));
    let name = ServerName::try_from("localhost").unwrap();
    let stream = connector.connect(name, socket).await.unwrap();
    let mut builder = Builder::new();
    // Of one response; of all together there is room for all.
    builder
        .initial_window_size(window)
        .initial_connection_window_size(16 << 20);
    let (requests, connection) = builder.handshake(stream).await.unwrap();
    Connected {
        _folder: folder,
        _backend: backend,
        _server: server,
        requests,
        connection: tokio::spawn(connection),
    }
}

async fn get(requests: &SendRequest<Bytes>, path: &str) -> ResponseFuture {
    let request = Request::get(format!("https://localhost{path}")).body(()).unwrap();
    let mut ready = requests.clone().ready().await.unwrap();
    ready.send_request(request, true).unwrap().0
}

/// The status of a response whose body came whole.
async fn whole(response: ResponseFuture) -> StatusCode {
    let response = response.await.unwrap();
    let status = response.status();
    let mut body = response.into_body();
    while let Some(piece) = body.data().await {
        body.flow_control()
            .release_capacity(piece.unwrap().len())
            .unwrap();
    }
    status
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_many_requests_of_a_connection_is_answered() {
    let client = connected(&[], 1 << 16).await;
    let mut asked = Vec::new();
    for _ in 0..1_500 {
        asked.push(
            get(
                &client.requests,
                "/chatbot/v1/sessions/1/messages?department=d&user=u",
            )
            .await,
        );
    }
    let mut statuses = BTreeMap::<u16, usize>::new();
    for response in asked {
        let status = timeout(DEADLINE, whole(response)).await.unwrap();
        *statuses.entry(status.as_u16()).or_default() += 1;
    }
    assert!(
        statuses.get(&200).is_some_and(|answered| *answered >= 512),
        "{statuses:?}"
    );
    let told: Vec<_> = statuses.keys().collect();
    assert!(
        told.iter().all(|status| [200, 429].contains(*status)),
        "{statuses:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reads_nothing_of_its_responses_is_cut() {
    let limits = [
        ("HEARTH__LIMITS__IDLE_SECONDS", "3"),
        ("HEARTH__LIMITS__HEAD_SECONDS", "2"),
    ];
    let client = connected(&limits, 0).await;
    let mut unread = Vec::new();
    for _ in 0..50 {
        let response = get(
            &client.requests,
            "/chatbot/v1/sessions/1/messages?department=d&user=u",
        )
        .await;
        let response = response.await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        unread.push(response);
    }
    // Pings are no requests either: the connection answers them by itself.
    let ended = timeout(DEADLINE, client.connection).await;
    assert!(ended.is_ok(), "it was kept");
}
