//! Bytes that are no HTTP, or almost.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::client::Request;
use crate::runs::fuzz;
use crate::server::Server;
use crate::verdict::{nothing_panicked, send};

/// A piece of a request that is well or badly formed.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "GET /chatbot/health HTTP/1.1\r\n",
        "POST /chatbot/v1/chat HTTP/1.1\r\n",
        "POST /chatbot/v1/chat HTTP/1.0\r\n",
        "GET * HTTP/1.1\r\n",
        "CONNECT a:1 HTTP/1.1\r\n",
        "GET http://a/chatbot/health HTTP/1.1\r\n",
        "GET /\u{fc} HTTP/9.9\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "Host: h\r\n",
        "Content-Type: application/json\r\n",
        "Content-Length: 2\r\n",
        "Content-Length: +2\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n",
        "Expect: 100-continue\r\n",
        "X-Request-Id: \0\r\n",
        " folded\r\n",
        ": nameless\r\n",
        "\r\n",
        "\n",
        "{}",
        "2\r\n{}\r\n",
        "ffffffffffffffff\r\n",
        "0\r\n\r\n",
    ]);
    prop_oneof![8 => known.prop_map(|text| text.as_bytes().to_vec()), 1 => vec(any::<u8>(), 0..100)]
}

#[test]
fn any_bytes_leave_the_server_as_it_was() {
    let server = Server::open();
    let client = server.client();
    fuzz(&vec(piece(), 0..12), |pieces| {
        let bytes = pieces.concat();
        let answers = client.send_bytes(&bytes);
        nothing_panicked()?;
        let answers = answers.map_err(|error| TestCaseError::fail(error.to_string()))?;
        let text = String::from_utf8_lossy(&answers);
        prop_assert!(text.is_empty() || text.starts_with("HTTP/1."), "{}", text);
        prop_assert!(
            !text.contains("HTTP/1.1 5") && !text.contains("HTTP/1.0 5"),
            "{}",
            text
        );
        let alive = send(&client, &Request::new("GET", "/chatbot/health"))?;
        prop_assert_eq!(alive.status, 200);
        Ok(())
    });
}
