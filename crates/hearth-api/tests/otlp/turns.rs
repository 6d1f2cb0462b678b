//! The steps of a turn as spans.

use hearth_testkit::model_server::{ModelServer, Reply};

use crate::collector::Collector;
use crate::protobuf::Span;
use crate::server::{Answer, Server};

const TRACEPARENT: &str = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n";

/// OTLP's numbers of a span's kind and status.
const INTERNAL: u64 = 1;
const CLIENT: u64 = 3;
const ERROR: u64 = 2;

fn server(collector: &Collector, model: &ModelServer) -> Server {
    let variables = [
        ("HEARTH__MODEL__KIND", "openai"),
        ("HEARTH__MODEL__BASE_URL", &model.base_url()),
        ("HEARTH__MODEL__MODEL", "m"),
    ];
    Server::start(&collector.endpoint(), &variables)
}

fn ask(server: &Server, more: &str) -> Answer {
    let chat =
        format!(r#"{{"department": "d", "user": "u", "chatquery": "q", "chatsession_id": "1"{more}}}"#);
    server.post("/chatbot/v1/chat", TRACEPARENT, &chat)
}

/// The spans of the only turn: its request's, and those of its steps in their order.
fn turn(collector: &Collector) -> (Span, Vec<Span>) {
    let request = collector.span("POST /chatbot/v1/chat");
    let mut steps = collector.spans();
    steps.retain(|span| span.id != request.id);
    steps.sort_by_key(|span| span.start);
    for step in &steps {
        assert_eq!((&step.trace, &step.parent), (&request.trace, &request.id));
        assert!(
            request.start <= step.start && step.end <= request.end,
            "{step:?} in {request:?}"
        );
        assert!(step.attributes.is_empty(), "{step:?}");
    }
    (request, steps)
}

fn described(steps: &[Span]) -> Vec<(&str, u64, u64)> {
    let described = steps
        .iter()
        .map(|step| (step.name.as_str(), step.kind, step.status));
    described.collect()
}

const WHOLE: [(&str, u64, u64); 3] = [
    ("history", INTERNAL, 0),
    ("model", CLIENT, 0),
    ("commit", INTERNAL, 0),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_has_a_span_for_each_step_and_the_model_is_told_of_its_own() {
    let (collector, model) = (Collector::start(), ModelServer::start().await);
    let server = server(&collector, &model);
    assert_eq!(ask(&server, "").status, 200);
    server.stop();
    let (request, steps) = turn(&collector);
    assert_eq!(described(&steps), WHOLE);
    let sent = model.requests().remove(0);
    let expected = format!("00-{}-{}-01", request.trace, steps[1].id);
    assert_eq!(sent.header("traceparent"), Some(expected.as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streams_span_ends_with_the_stream() {
    let (collector, model) = (Collector::start(), ModelServer::start().await);
    let server = server(&collector, &model);
    let answer = ask(&server, r#", "stream": true"#);
    assert!(answer.text.contains("event: done"), "{}", answer.text);
    server.stop();
    let (request, steps) = turn(&collector);
    assert_eq!(described(&steps), WHOLE);
    assert_eq!(request.attributes["http.response.status_code"], "200");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_an_error_of_its_step_and_of_the_request() {
    let (collector, model) = (Collector::start(), ModelServer::start().await);
    model.usually(Reply::status(400, "bad"));
    let server = server(&collector, &model);
    assert_eq!(ask(&server, "").status, 502);
    server.stop();
    let (request, steps) = turn(&collector);
    assert_eq!(
        described(&steps),
        [("history", INTERNAL, 0), ("model", CLIENT, ERROR)]
    );
    assert_eq!(request.status, ERROR);
    assert_eq!(request.attributes["error.type"], "502");
    assert_eq!(request.attributes["http.response.status_code"], "502");
}
