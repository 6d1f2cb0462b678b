//! Clients that leave.

use hearth_testkit::poll::until;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::backend::{Backend, both_stores};
use crate::server::{DEADLINE, Server};

both_stores!(a_client_that_leaves_does_not_stop_its_turn);

async fn a_client_that_leaves_does_not_stop_its_turn(backend: Backend) {
    let server = Server::start(&backend.url()).await;
    for session in 0..50 {
        let body =
            format!(r#"{{"department":"d","user":"u","chatsession_id":"{session}","chatquery":"Hello"}}"#);
        let mut stream = TcpStream::connect(server.authority()).await.unwrap();
        let request = format!(
            "POST /chatbot/v1/chat HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        drop(stream);
    }
    // Whatever was accepted is kept whole: no session ends up with half a turn.
    until(DEADLINE, async || {
        let list = server
            .get("/chatbot/v1/sessions?department=d&user=u&limit=200")
            .await;
        let sessions = list["sessions"].as_array().unwrap();
        let performance = server.get("/chatbot/v1/performance").await;
        let begun = performance["reads"]["new"].as_u64().unwrap();
        begun > 0 && u64::try_from(sessions.len()) == Ok(begun)
    })
    .await;
    let list = server
        .get("/chatbot/v1/sessions?department=d&user=u&limit=200")
        .await;
    for session in list["sessions"].as_array().unwrap() {
        let history = server.history(session["chatsession_id"].as_str().unwrap()).await;
        assert_eq!(history["messages"].as_array().unwrap().len(), 2, "{history}");
    }
}
