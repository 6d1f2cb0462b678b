//! Requests as spans.

use crate::collector::Collector;
use crate::protobuf::exported;
use crate::server::Server;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";
const MESSAGES: &str = "/chatbot/v1/sessions/session-5a1c/messages?department=d&user=user-5a1c";

/// OTLP's number of a server's spans.
const SERVER: u64 = 2;

/// A `traceparent` with these flags.
fn traceparent(flags: &str) -> String {
    format!("traceparent: 00-{TRACE}-{SPAN}-{flags}\r\n")
}

#[test]
fn a_request_is_a_span_in_its_callers_trace() {
    let collector = Collector::start();
    let server = Server::start(&collector.endpoint(), &[]);
    assert_eq!(server.get(MESSAGES, &traceparent("01")).status, 200);
    server.stop();
    assert_eq!(collector.spans().len(), 1, "what is left is sent at the stop");
    let span = collector.span("GET /chatbot/v1/sessions/{id}/messages");
    assert_eq!((span.trace.as_str(), span.parent.as_str()), (TRACE, SPAN));
    assert_eq!((span.kind, span.status), (SERVER, 0));
    assert!(span.start > 0 && span.end > span.start, "{span:?}");
    let attributes: Vec<_> = span
        .attributes
        .iter()
        .map(|(key, value)| (&**key, &**value))
        .collect();
    let expected = [
        ("http.request.method", "GET"),
        ("http.response.status_code", "200"),
        ("http.route", "/chatbot/v1/sessions/{id}/messages"),
    ];
    assert_eq!(attributes, expected);
    let (resource, _) = exported(&collector.bodies()[0]);
    assert_eq!(resource["service.name"], "hearth");
    assert_eq!(resource["service.version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn a_history_in_memory_is_one_span_as_any_other() {
    let collector = Collector::start();
    let server = Server::start(&collector.endpoint(), &[]);
    // The first one loads it, the second one finds it, and the others are looked at before they are left to the application.
    for (query, status) in [("", 200), ("", 200), ("&limit=5", 200), ("&unknown=1", 400)] {
        let path = format!("{MESSAGES}{query}");
        assert_eq!(server.get(&path, &traceparent("01")).status, status);
    }
    let (log, _) = server.stop();
    let spans = collector.spans();
    assert_eq!(spans.len(), 4, "{spans:#?}");
    for span in spans {
        assert_eq!(span.name, "GET /chatbot/v1/sessions/{id}/messages");
        assert_eq!((span.trace.as_str(), span.parent.as_str()), (TRACE, SPAN));
        assert_eq!(span.attributes.len(), 3, "{span:?}");
        assert!(span.end > span.start, "{span:?}");
    }
    assert_eq!(
        log.lines().filter(|line| line.contains(TRACE)).count(),
        4,
        "{log}"
    );
}

#[test]
fn a_request_without_a_trace_begins_one_and_its_line_names_it() {
    let collector = Collector::start();
    let variables = [("OTEL_SERVICE_NAME", "chat-of-ours")];
    let server = Server::start(&collector.endpoint(), &variables);
    assert_eq!(server.get("/path-5a1c", "").status, 404);
    let (log, _) = server.stop();
    let span = collector.span("GET");
    assert_eq!((span.trace.len(), span.parent.as_str()), (32, ""));
    assert_ne!(span.trace, "0".repeat(32));
    assert_eq!(span.attributes["http.response.status_code"], "404");
    assert!(!span.attributes.contains_key("http.route"), "{span:?}");
    assert_eq!(span.status, 0, "a refusal is no error of the server's");
    let line = log.lines().find(|line| line.contains("unmatched")).unwrap();
    assert!(line.contains(&format!("trace_id={}", span.trace)), "{line}");
    let (resource, _) = exported(&collector.bodies()[0]);
    assert_eq!(resource["service.name"], "chat-of-ours");
}

#[test]
fn what_is_not_sampled_is_not_exported() {
    let collector = Collector::start();
    let never = [
        ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0"),
    ];
    let server = Server::start(&collector.endpoint(), &never);
    assert_eq!(server.get("/chatbot/health", "").status, 200);
    assert_eq!(server.get("/chatbot/health", &traceparent("00")).status, 200);
    assert_eq!(
        server.get("/chatbot/health/ready", &traceparent("01")).status,
        200
    );
    let (log, _) = server.stop();
    let names: Vec<_> = collector.spans().into_iter().map(|span| span.name).collect();
    assert_eq!(names, ["GET /chatbot/health/ready"]);
    let of_caller = log.lines().filter(|line| line.contains(TRACE)).count();
    assert_eq!(
        of_caller, 2,
        "the caller's trace is in the lines all the same: {log}"
    );
}

#[test]
fn nothing_of_a_caller_is_exported() {
    let collector = Collector::start();
    let server = Server::start(&collector.endpoint(), &[]);
    let headers = "Authorization: Bearer hearth_0123456789abcdef_key-5a1c\r\nX-Request-Id: request-5a1c\r\n\
                   Idempotency-Key: repeat-5a1c\r\nUser-Agent: agent-5a1c\r\n";
    let chat = r#"{"department": "department-5a1c", "user": "user-5a1c", "chatquery": "content-5a1c",
                   "chatsession_id": "session-5a1c"}"#;
    let streamed = chat.replace('}', r#", "stream": true}"#);
    let wrong = chat.replace("department\"", "unknown-5a1c\"");
    let turn = r#"{"messages": [{"role": "user", "content": "content-5a1c"}]}"#;
    assert_eq!(server.post("/chatbot/v1/chat", headers, chat).status, 200);
    assert_eq!(server.post("/chatbot/v1/chat", "", &streamed).status, 200);
    assert_eq!(server.post("/chatbot/v1/chat", "", &wrong).status, 400);
    assert_eq!(server.post(MESSAGES, "", turn).status, 201);
    assert_eq!(server.get(MESSAGES, headers).status, 200);
    assert_eq!(server.get("/path-5a1c", headers).status, 404);
    let turn = "/chatbot/v1/turns/5a1c/events?department=d&user=user-5a1c";
    assert_eq!(server.get(turn, headers).status, 422);
    server.stop();
    let spans = collector.spans();
    assert_eq!(
        spans.iter().filter(|span| span.kind == SERVER).count(),
        7,
        "{spans:#?}"
    );
    for body in collector.bodies() {
        let text = String::from_utf8_lossy(&body).into_owned();
        assert!(!text.contains("5a1c"), "{text}");
    }
}
