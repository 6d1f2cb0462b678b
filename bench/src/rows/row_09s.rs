//! The first piece of a streamed chat, against the first token of the upstream called directly.

use anyhow::{Context, Result};
use serde_json::json;

use super::row_09;
use crate::bench::Bench;
use crate::canned::{Answer, Canned};
use crate::dataset::Dataset;
use crate::in_process;
use crate::lone_client::LoneClient;
use crate::measure::{Figure, Goal, Group, float, percentile};
use crate::rounds::alternate;
use crate::stopwatch::Stopwatch;

const SESSIONS: u64 = 1_000;

/// Deltas of an answer.
const DELTAS: usize = 20;

/// Requests of which a percentile is taken, at least.
const REQUESTS_MIN: usize = 20;

pub(crate) fn measure(bench: &mut Bench) -> Result<Vec<Figure>> {
    let dataset = bench.synthetic(SESSIONS).named("chatted");
    let url = bench.database()?.with(&dataset)?;
    let runtime = in_process::runtime()?;
    let upstream = Canned::start(&Answer {
        method: "POST".to_owned(),
        headers: vec![("content-type".to_owned(), "text/event-stream".to_owned())],
        bodies: vec![events()],
    })?;
    let server = row_09::start(&runtime, &url, &upstream)?;
    runtime.block_on(server.api.warm_up(&dataset))?;
    let mut chats = LoneClient::connect(&server.address)?;
    let mut direct = LoneClient::connect(&upstream.address)?;
    let mut request = row_09::request(&dataset)?;
    if let Some(request) = request.as_object_mut() {
        request.insert("stream".to_owned(), true.into());
    }
    let request = request.to_string();
    let mut sessions = dataset.shuffled(1).into_iter().cycle();
    let pairs = alternate(
        bench.arguments.rounds,
        || {
            median_milliseconds(bench, || {
                let session = sessions.next().context("there is no session")?;
                let body = chat(&dataset, session)?;
                let timed = chats.post("/chatbot/v1/chat", &body, "event: delta")?;
                anyhow::ensure!(
                    timed.text.contains("event: done"),
                    "the stream did not end well: {}",
                    timed.text
                );
                Ok(timed.nanoseconds)
            })
        },
        || {
            median_milliseconds(bench, || {
                Ok(direct
                    .post("/v1/chat/completions", &request, "data: ")?
                    .nanoseconds)
            })
        },
    )?;
    Ok(vec![Figure {
        row: "9s",
        group: Group::Chats,
        figure: "the first delta of a streamed chat comes later by, p50".to_owned(),
        against: "the first token of the upstream".to_owned(),
        goal: Goal::AtMost(1.0),
        outcome: pairs.difference("ms"),
        ours: Some(pairs.ours("ms")),
        theirs: Some(pairs.theirs("ms")),
        notes: Vec::new(),
    }])
}

fn chat(dataset: &Dataset, session: u64) -> Result<String> {
    let key = dataset.key(session);
    let [query, _] = dataset.exchange()?;
    Ok(json!({
        "department": key.department.as_str(),
        "user": key.user.as_str(),
        "chatsession_id": key.session.as_str(),
        "chatquery": query,
        "stream": true,
    })
    .to_string())
}

fn events() -> String {
    let chunk = |delta: serde_json::Value, finish: Option<&str>| {
        let chunk = json!({
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_767_225_600, "model": "bench",
            "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }],
        });
        format!("data: {chunk}\n\n")
    };
    let mut events = chunk(json!({ "role": "assistant", "content": "" }), None);
    for _ in 0..DELTAS {
        events += &chunk(json!({ "content": "ten bytes." }), None);
    }
    events + &chunk(json!({}), Some("stop")) + "data: [DONE]\n\n"
}

/// One request after the other, until the time of a round is over.
fn median_milliseconds(bench: &Bench, mut request: impl FnMut() -> Result<u64>) -> Result<f64> {
    let watch = Stopwatch::start();
    let mut times = Vec::new();
    while times.len() < REQUESTS_MIN || watch.elapsed() < bench.arguments.duration() {
        times.push(request()?);
    }
    Ok(float(percentile(&mut times, 50)) / 1e6)
}
