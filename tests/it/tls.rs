//! HTTPS: the certificate that is configured, the one that takes its place, and those that are refused.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use hearth_testkit::poll::until;
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::backend::Backend;
use crate::server::{DEADLINE, Server, hearth, output};

/// A certificate for `localhost` in `folder`, as the server is to find it.
pub(crate) fn write_certificate(folder: &Path) -> CertificateDer<'static> {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("certificate.pem"), cert.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), signing_key.serialize_pem()).unwrap();
    cert.der().clone()
}

pub(crate) fn settings(folder: &Path) -> [(&'static str, String); 2] {
    let path = |name| folder.join(name).display().to_string();
    [
        ("HEARTH__SERVER__TLS_CERTIFICATE", path("certificate.pem")),
        ("HEARTH__SERVER__TLS_KEY", path("key.pem")),
    ]
}

/// Somebody who believes this certificate alone, and speaks these protocols.
pub(crate) fn believing(believed: &CertificateDer<'static>, protocols: &[&[u8]]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(believed.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Arc::new(config)
}

/// A connection of somebody who believes this certificate alone, once both sides have shaken hands.
fn connect(
    authority: &str,
    believed: &CertificateDer<'static>,
    protocols: &[&[u8]],
) -> std::io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let config = believing(believed, protocols);
    let name = ServerName::try_from("localhost").unwrap();
    let mut connection = ClientConnection::new(config, name).unwrap();
    let mut socket = TcpStream::connect(authority)?;
    socket.set_read_timeout(Some(DEADLINE))?;
    while connection.is_handshaking() {
        connection.complete_io(&mut socket)?;
    }
    Ok(StreamOwned::new(connection, socket))
}

/// One request over HTTP/1.1, and its whole answer.
fn get(authority: &str, believed: &CertificateDer<'static>) -> std::io::Result<String> {
    let request = b"GET /chatbot/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let (answer, ended) = say(authority, believed, request)?;
    ended.map(|_bytes| answer)
}

/// What the server says to these bytes, and how it ends the connection.
fn say(
    authority: &str,
    believed: &CertificateDer<'static>,
    bytes: &[u8],
) -> std::io::Result<(String, std::io::Result<usize>)> {
    let mut stream = connect(authority, believed, &[b"http/1.1"])?;
    stream.write_all(bytes)?;
    let mut answer = Vec::new();
    let ended = stream.read_to_end(&mut answer);
    Ok((String::from_utf8_lossy(&answer).into_owned(), ended))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_certificate_is_shown_and_replaced_without_a_restart() {
    let backend = Backend::sqlite().await;
    let folder = tempfile::tempdir().unwrap();
    let first = write_certificate(folder.path());
    let settings = settings(folder.path());
    let settings = settings.each_ref().map(|(name, path)| (*name, path.as_str()));
    let server = Server::start_with(&backend.url(), &settings).await;
    let authority = server.authority().to_owned();
    let answer = get(&authority, &first).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // Who is refused sees the connection end without a farewell.
    let (answer, _ended) = say(&authority, &first, b"GARBAGE\r\n\r\n").unwrap();
    assert!(answer.contains("\"code\":\"malformed_request\""), "{answer}");
    let stream = connect(&authority, &first, &[b"h2", b"http/1.1"]).unwrap();
    assert_eq!(
        stream.conn.alpn_protocol(),
        Some(&b"h2"[..]),
        "HTTP/2 where the client speaks it"
    );

    // A key that is none is not taken over.
    std::fs::write(folder.path().join("key.pem"), "nothing").unwrap();
    server.signal("HUP");
    until(DEADLINE, async || server.log().contains("server.tls_key")).await;
    assert!(get(&authority, &first).is_ok());

    let second = write_certificate(folder.path());
    server.signal("HUP");
    until(DEADLINE, async || get(&authority, &second).is_ok()).await;
    assert!(get(&authority, &first).is_err());
}

#[test]
fn what_cannot_be_shown_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let start = |expected: &[&str], code: i32, certificate: &str, key: &str| {
        let mut command = hearth(folder.path(), "sqlite:hearth.db");
        let path = |name: &str| match name {
            "" => String::new(),
            name => folder.path().join(name).display().to_string(),
        };
        command.env("HEARTH__SERVER__TLS_CERTIFICATE", path(certificate));
        command.env("HEARTH__SERVER__TLS_KEY", path(key));
        let (actual, _, text) = output(&mut command);
        assert_eq!(actual, Some(code), "{text}");
        for part in expected {
            assert!(text.contains(part), "{part} is not in: {text}");
        }
        assert!(!text.contains("PRIVATE KEY"), "{text}");
    };
    write_certificate(folder.path());
    let other = KeyPair::generate().unwrap().serialize_pem();
    std::fs::write(folder.path().join("other.pem"), other).unwrap();
    std::fs::write(folder.path().join("empty.pem"), "").unwrap();
    start(
        &["server.tls_certificate", "server.tls_key"],
        2,
        "certificate.pem",
        "",
    );
    start(&["server.tls_certificate", "server.tls_key"], 2, "", "key.pem");
    start(&["server.tls_certificate", "none.pem"], 1, "none.pem", "key.pem");
    start(
        &["server.tls_certificate", "empty.pem"],
        1,
        "empty.pem",
        "key.pem",
    );
    start(
        &["server.tls_key", "certificate.pem"],
        1,
        "certificate.pem",
        "certificate.pem",
    );
    start(
        &["server.tls_key", "other.pem"],
        1,
        "certificate.pem",
        "other.pem",
    );
}
