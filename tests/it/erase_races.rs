//! Erasing a session that is being written to: what was there before never comes back, by no chat, load or append under way.

use std::sync::Arc;

use hearth_testkit::model_server::{ModelServer, Reply};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::backend::{Backend, both_stores};
use crate::load::{Erasure, Ledger, Load, Work, judge_erased, rows, seed};
use crate::model_upstream;
use crate::server::{Server, json};

const ERASURES: usize = 40;

both_stores!(
    a_chat_that_read_what_is_erased_is_refused,
    erasures_under_load_leave_nothing_of_before,
);

async fn a_chat_that_read_what_is_erased_is_refused(backend: Backend) {
    let model = ModelServer::start().await;
    let server = model_upstream::start(&backend.url(), &model, &[]).await;
    server.chat("1", "secret").await;
    let gate = model.gate();
    let said = json!({"choices": [{"message": {"role": "assistant", "content": "secret"}, "finish_reason": "stop"}]});
    let answer = Reply::of(200, "application/json").wait(&gate);
    model.next(answer.bytes(said.to_string().as_bytes()));
    let body = json!({"department": "d", "user": "u", "chatsession_id": "1", "chatquery": "And now?"});
    let chat = async {
        let request = server.request(Method::POST, "/chatbot/v1/chat").json(&body);
        json(request.send().await.unwrap(), StatusCode::CONFLICT).await
    };
    let erase = async {
        gate.arrived(1).await;
        let erased = server.request(Method::DELETE, &path("1")).send().await.unwrap();
        assert_eq!(erased.status(), StatusCode::NO_CONTENT);
        gate.open();
    };
    let (refused, ()) = tokio::join!(chat, erase);
    assert_eq!(refused["code"], "session_erased");
    assert_eq!(rows(&server, "1").await, []);
    assert_eq!(server.history("1").await["messages"], json!([]));
    assert_eq!(server.chat("1", "Hello").await["history"]["responses"], 0);
}

fn path(session: &str) -> String {
    format!("/chatbot/v1/sessions/{session}?department=d&user=u")
}

async fn erasures_under_load_leave_nothing_of_before(backend: Backend) {
    let server = Server::start(&backend.url()).await;
    let ledger = Arc::new(Ledger::new());
    let work = Work {
        clients: 12,
        sessions: 3,
        turns_each: None,
        name: "erased".to_owned(),
        seed: seed(),
    };
    let load = Load::start(&server, &ledger, &work);
    let mut erasures = Vec::new();
    for number in 0..ERASURES {
        ledger.more(4).await;
        let session = format!("session-{}", number % work.sessions);
        let began = ledger.moment();
        let erased = server
            .request(Method::DELETE, &path(&session))
            .send()
            .await
            .unwrap();
        assert_eq!(erased.status(), StatusCode::NO_CONTENT);
        let ended = ledger.moment();
        erasures.push(Erasure {
            session,
            began,
            ended,
        });
    }
    ledger.more(20).await;
    load.stop().await;
    judge_erased(&server, &ledger, &erasures).await;
}
