//! Sessions of equal id in different departments or of different users never meet.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::backend::{Backend, both_stores};
use crate::server::Server;

both_stores!(equal_ids_never_meet, ids_that_look_alike_when_joined_never_meet);

async fn equal_ids_never_meet(backend: Backend) {
    let server = Server::start(&backend.url()).await;
    let who = [("sales", "ann"), ("sales", "bob"), ("support", "ann")];
    for (department, user) in who {
        let body = json!({
            "department": department, "user": user, "chatsession_id": "1",
            "chatquery": format!("{department} {user}"),
        });
        let answer = server.post("/chatbot/v1/chat", &body, StatusCode::OK).await;
        assert_eq!(
            answer["history"]["responses"], 0,
            "nobody else's turns are seen: {answer}"
        );
    }
    let path = |department: &str, user: &str| {
        format!("/chatbot/v1/sessions/1/messages?department={department}&user={user}")
    };
    for (department, user) in who {
        let history = server.get(&path(department, user)).await;
        assert_eq!(history["messages"].as_array().unwrap().len(), 2);
        assert_eq!(history["messages"][0]["content"], format!("{department} {user}"));
    }
    let erase = server.request(Method::DELETE, "/chatbot/v1/sessions/1?department=sales&user=ann");
    assert_eq!(erase.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(server.get(&path("sales", "bob")).await["responses"], 1);
    assert_eq!(server.get(&path("support", "ann")).await["responses"], 1);
}

async fn ids_that_look_alike_when_joined_never_meet(backend: Backend) {
    let server = Server::start(&backend.url()).await;
    let body = json!({"department": "a/b", "user": "c", "chatsession_id": "d/e", "chatquery": "Hello"});
    server.post("/chatbot/v1/chat", &body, StatusCode::OK).await;
    let other = server
        .get("/chatbot/v1/sessions/e/messages?department=a&user=b%2Fc%2Fd")
        .await;
    assert_eq!(other["source"], "new");
    let same = server
        .get("/chatbot/v1/sessions/d%2Fe/messages?department=a%2Fb&user=c")
        .await;
    assert_eq!(
        same["responses"], 1,
        "a percent-encoded slash belongs to the id: {same}"
    );
    let doubly = server
        .get("/chatbot/v1/sessions/d%252Fe/messages?department=a%2Fb&user=c")
        .await;
    assert_eq!(doubly["chatsession_id"], "d%2Fe");
    assert_eq!(doubly["source"], "new");
}
