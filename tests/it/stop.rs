//! Stops: what was accepted is finished.

use reqwest::Method;
use serde_json::json;

use crate::backend::{Backend, both_stores};
use crate::server::Server;

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
