//! Headers: those that the server reads, with any value that HTTP permits.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

use crate::client::Request;
use crate::runs::fuzz;
use crate::server::Server;
use crate::verdict::{is_sane, send};

const MESSAGES: &str = "/chatbot/v1/sessions/s/messages?department=d&user=u";

/// A value: field content as RFC 9110, section 5.5, permits it.
pub(crate) fn value() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![8 => 0x21_u8..=0x7e, 1 => 0x80_u8..=0xff, 1 => Just(b' '), 1 => Just(b'\t')];
    prop_oneof![
        4 => vec(byte, 0..40),
        1 => "[!-~]{255,256}".prop_map(String::into_bytes),
        2 => "[A-Za-z0-9._:-]{1,130}".prop_map(String::into_bytes),
        1 => prop::sample::select(vec![
            "*", "W/\"\"", "\"a\", W/\"b\", *", "text/event-stream", "text/event-stream;q=0", "*/*", ",,,", "\"",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "application/json; charset=utf-16",
            "gzip;q=1, zstd;q=0.5, *;q=0", "br;q=x", "18446744073709551616", "-1", "bytes=0-0", "http://[", "null",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ]
}

fn header() -> impl Strategy<Value = (&'static str, Vec<u8>)> {
    let name = prop::sample::select(vec![
        "Idempotency-Key",
        "X-Request-Id",
        "If-None-Match",
        "If-Match",
        "If-Modified-Since",
        "Authorization",
        "traceparent",
        "tracestate",
        "Accept",
        "Accept-Encoding",
        "Accept-Language",
        "Last-Event-ID",
        "Content-Type",
        "Content-Encoding",
        "Range",
        "Origin",
        "Access-Control-Request-Method",
        "Access-Control-Request-Headers",
        "Cookie",
        "Forwarded",
        "X-Forwarded-For",
        "X-HTTP-Method-Override",
        "User-Agent",
        "Referer",
        "TE",
        "Trailer",
        "Via",
    ]);
    (name, value())
}

#[test]
fn any_header_is_taken_or_refused() {
    let server = Server::open();
    let client = server.client();
    let chat = json!({"department": "d", "user": "u", "chatquery": "q", "chatsession_id": "s"}).to_string();
    let turn = json!({"messages": [{"role": "user", "content": "a"}]}).to_string();
    let call = prop::sample::select(vec![
        ("GET", MESSAGES, None),
        ("HEAD", MESSAGES, None),
        ("GET", "/chatbot/health/detailed", None),
        ("GET", "/chatbot/docs/", None),
        ("OPTIONS", MESSAGES, None),
        ("POST", MESSAGES, Some(turn)),
        ("POST", "/chatbot/v1/chat", Some(chat)),
    ]);
    fuzz(
        &(call, vec(header(), 0..6)),
        |((method, target, body), headers)| {
            let mut request = Request::new(method, target);
            request.body = body.map(String::into_bytes);
            request.headers = headers;
            if request.body.is_some() && !request.headers.iter().any(|(name, _)| *name == "Content-Type") {
                request = request.header("Content-Type", "application/json");
            }
            send(&client, &request)?;
            Ok(())
        },
    );
}

#[test]
fn a_sane_request_id_is_the_one_of_the_answer() {
    let server = Server::open();
    let client = server.client();
    fuzz(&value(), |id| {
        let request = Request::new("GET", "/chatbot/health").header("X-Request-Id", id.clone());
        let answer = send(&client, &request)?;
        // White space around a value is no part of it.
        let text = String::from_utf8_lossy(&id);
        let text = text.trim_matches([' ', '\t']);
        let echoed = answer.header("x-request-id") == Some(text);
        prop_assert_eq!(echoed, is_sane(text), "{}", text);
        Ok(())
    });
}

#[test]
fn a_history_that_the_caller_has_is_not_sent_again() {
    let server = Server::open();
    let client = server.client();
    let turn = json!({"messages": [{"role": "user", "content": "a"}]}).to_string();
    let tag = prop_oneof![2 => Just(None), 3 => "[!#-+--~]{0,34}".prop_map(Some)];
    let tags = vec((tag, any::<bool>()), 1..4);
    client.send(&Request::post(MESSAGES, turn.into_bytes())).unwrap();
    let etag = client.send(&Request::new("GET", MESSAGES)).unwrap();
    let etag = etag.header("etag").unwrap().to_owned();
    fuzz(&tags, |tags| {
        let known = tags.iter().any(|(other, _)| other.is_none());
        let tags = tags.into_iter().map(|(other, is_weak)| {
            let tag = other.map_or_else(|| etag.clone(), |other| format!("\"{other}\""));
            if is_weak { format!("W/{tag}") } else { tag }
        });
        let value = tags.collect::<Vec<_>>().join(", ");
        let request = Request::new("GET", MESSAGES).header("If-None-Match", value.clone());
        let answer = send(&client, &request)?;
        prop_assert_eq!(answer.status, if known { 304 } else { 200 }, "{}", value);
        prop_assert_eq!(answer.header("etag"), Some(etag.as_str()));
        Ok(())
    });
}
