//! Starts that must not succeed, and what they say.

use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::backend::Backend;
use crate::server::{Server, hearth, output};

fn refused(command: &mut Command, code: i32, expected: &[&str]) {
    let (actual, _, text) = output(command);
    assert_eq!(actual, Some(code), "{text}");
    for part in expected {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

#[test]
fn an_unreachable_postgres_ends_the_start_within_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let began = Instant::now();
    let url = format!("postgres://someone:topsecret@{free}/none");
    let mut command = hearth(folder.path(), &url);
    let (code, _, text) = output(&mut command);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("store.url"), "{text}");
    assert!(
        text.to_lowercase().contains("refused"),
        "the reason is named: {text}"
    );
    assert!(!text.contains("topsecret"), "{text}");
    assert!(began.elapsed() < Duration::from_secs(60));
}

#[test]
fn wrong_settings_are_refused_with_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let start = || hearth(folder.path(), "sqlite:hearth.db");
    refused(
        start().env("HEARTH__SERVER__PORT", "x"),
        2,
        &["server.port", "HEARTH__SERVER__PORT"],
    );
    refused(
        start().env("HEARTH__SERVRE__PORT", "1"),
        2,
        &["HEARTH__SERVRE__PORT"],
    );
    refused(
        start().env("HEARTH__CACHE__BUDGET_MB", "0"),
        2,
        &["cache.budget_mb"],
    );
    refused(
        start().env("HEARTH__SERVER__HOST", "0.0.0.0"),
        2,
        &["auth.allow_open_network"],
    );
    refused(
        start().env("HEARTH__STORE__URL", "mysql://root:topsecret@h/d"),
        2,
        &["store.url", "postgres://"],
    );
    refused(start().args(["--set", "server.prot=1"]), 2, &["server.prot"]);
    refused(start().arg("frobnicate"), 2, &["frobnicate"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_and_a_taken_file_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    refused(
        hearth(folder.path(), "sqlite:hearth.db").env("HEARTH__SERVER__PORT", &port),
        1,
        &["server.port", &port],
    );
    let backend = Backend::sqlite().await;
    let _server = Server::start(&backend.url()).await;
    refused(&mut hearth(folder.path(), &backend.url()), 1, &["hearth.db"]);
    let link = folder.path().join("link.db");
    std::os::unix::fs::symlink(backend.url().trim_start_matches("sqlite:"), &link).unwrap();
    refused(
        &mut hearth(folder.path(), &format!("sqlite:{}", link.display())),
        1,
        &["hearth.db"],
    );
}

#[test]
fn settings_are_printed_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = hearth(folder.path(), "postgres://someone:topsecret@localhost/db");
    let (code, printed, text) = output(command.args(["config", "print"]));
    assert_eq!(code, Some(0), "{text}");
    assert!(printed.contains("budget_mb = 256"), "{printed}");
    assert!(printed.contains("HEARTH__STORE__URL"), "{printed}");
    assert!(!printed.contains("topsecret"), "{printed}");
}
