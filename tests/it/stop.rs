//! Stops: what was accepted is finished.

use hearth_testkit::model_server::{ModelServer, Reply};
use hearth_testkit::poll::until;
use reqwest::Method;
use serde_json::json;
use tokio::net::TcpListener;

use crate::backend::{Backend, both_stores};
use crate::event_stream::{EventStream, asking};
use crate::model_upstream;
use crate::server::{DEADLINE, Server, hearth};

both_stores!(a_signal_drains_and_ends_with_success);

async fn a_signal_drains_and_ends_with_success(backend: Backend) {
    for signal in ["TERM", "INT"] {
        let mut server = Server::start(&backend.url()).await;
        // Chats are under way while the signal comes: each is answered and kept, or was never accepted.
        let chats: Vec<_> = (0..20)
            .map(|index| {
                let body = json!({
                    "department": "d", "user": signal, "chatsession_id": format!("{index}"), "chatquery": "Hello",
                });
                tokio::spawn(server.request(Method::POST, "/chatbot/v1/chat").json(&body).send())
            })
            .collect();
        server.chat("first", "Hello").await;
        server.signal(signal);
        let status = server.ended().await;
        assert!(status.success(), "{status}: {}", server.log());
        let mut answered = 0;
        for chat in chats {
            answered += usize::from(
                chat.await
                    .unwrap()
                    .is_ok_and(|response| response.status().is_success()),
            );
        }
        let server = Server::start(&backend.url()).await;
        let list = server
            .get(&format!("/chatbot/v1/sessions?department=d&user={signal}"))
            .await;
        let kept = list["sessions"].as_array().unwrap().len();
        assert!(kept >= answered, "{answered} were acknowledged, {kept} were kept");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_ends_a_stop_that_still_waits() {
    let backend = Backend::sqlite().await;
    let model = ModelServer::start().await;
    let settings = [("HEARTH__SERVER__DRAIN_SECONDS", "600")];
    let mut server = model_upstream::start(&backend.url(), &model, &settings).await;
    let never = model.gate();
    model.next(Reply::stream().text("Hello").wait(&never).done());
    let mut stream = EventStream::open(asking(&server, "1", "Hi")).await;
    stream.expect("turn").await;
    stream.expect("delta").await;
    server.signal("TERM");
    until(DEADLINE, async || server.log().contains("is finished first")).await;
    server.signal("INT");
    assert!(server.ended().await.success());
    assert!(server.log().contains("stopped at once"), "{}", server.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_still_starting_stops_when_it_is_told_to() {
    // It takes connections, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let url = format!("postgres://someone@{}/none", silent.local_addr().unwrap());
    let mut starting = hearth(folder.path(), &url).spawn().unwrap();
    let _connection = silent.accept().await.unwrap();
    let sent = std::process::Command::new("kill")
        .arg(starting.id().to_string())
        .status();
    assert!(sent.unwrap().success());
    let mut ended = None;
    until(DEADLINE, async || {
        ended = starting.try_wait().unwrap();
        ended.is_some()
    })
    .await;
    assert!(ended.unwrap().success(), "{ended:?}");
}
