//! Streams of any kind: whatever a server sends, there is an answer or an error, and it is the same however the bytes are split.

use std::time::Duration;

use hearth_domain::limits::CONTENT_BYTES_MAX;
use hearth_domain::ports::{Answer, Clock, ModelError, SystemClock};
use hearth_testkit::model_server::Reply;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::setup::{scene, told};

/// Minutes that the test goes on for, beyond its first run.
const MINUTES: &str = "HEARTH_FUZZ_MINUTES";

/// Cases of a run where `PROPTEST_CASES` does not say.
const CASES: u32 = 64;

/// What the server may say, and no log may.
const SAID: &str = "between you and me";

/// JSON that has something of an event's shape, or nothing.
fn json_value() -> impl Strategy<Value = Value> {
    let names = [
        "choices",
        "delta",
        "message",
        "content",
        "finish_reason",
        "usage",
        "error",
        "index",
        "object",
        "text",
        "code",
        "refusal",
        "prompt_tokens",
        "completion_tokens",
    ];
    let name = prop::sample::select(names.to_vec()).prop_map(str::to_owned);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        prop::sample::select(vec!["stop", "length", "content_filter", "error", "u\u{0}", SAID])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 24, 4, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            vec((name.clone(), inner), 0..4).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// A piece of a stream.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let event = |data: &Value| format!("data: {data}\n\n").into_bytes();
    let said = prop_oneof![4 => ".{0,12}", 1 => Just("\u{0}".to_owned()), 1 => Just("ü".repeat(9_000)), 1 => Just(SAID.to_owned())];
    let known = vec![
        "data: [DONE]\n\n",
        "data:[done]",
        ": ping\n\n",
        "event: error\n",
        "\r\n\r\n",
        "data: {\"choices\":[",
        "\n",
        "data\n\n",
        "\u{feff}",
    ];
    prop_oneof![
        6 => said.prop_map(move |text| event(&json!({"choices": [{"delta": {"content": text}}]}))),
        2 => prop::sample::select(vec!["stop", "length", "content_filter", ""])
            .prop_map(move |reason| event(&json!({"choices": [{"delta": {}, "finish_reason": reason}]}))),
        2 => json_value().prop_map(move |value| event(&value)),
        2 => json_value().prop_map(move |value| event(&json!({"choices": [{"delta": value}]}))),
        2 => prop::sample::select(known).prop_map(|text| text.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..40),
    ]
}

type Outcome = (Result<Answer, ModelError>, String);

async fn ask(pieces: &[Vec<u8>], is_split: bool) -> Outcome {
    let scene = scene().await;
    let stream = pieces
        .iter()
        .fold(Reply::stream(), |stream, piece| stream.bytes(piece));
    scene
        .server
        .usually(if is_split { stream.split() } else { stream });
    scene.ask(true).await
}

fn check((outcome, heard): &Outcome) -> Result<(), TestCaseError> {
    prop_assert!(heard.len() <= CONTENT_BYTES_MAX && !heard.contains('\0'));
    match outcome {
        Ok(answer) => {
            prop_assert_eq!(&answer.text, heard);
            prop_assert!(!heard.is_empty());
        }
        // What was heard before is the caller's to keep; the log is told none of it.
        Err(error) => prop_assert!(!told(error).contains(SAID), "{}", told(error)),
    }
    Ok(())
}

#[test]
fn whatever_a_server_streams_is_an_answer_or_an_error() {
    let clock = SystemClock::default();
    let length = std::env::var(MINUTES).map_or(Duration::ZERO, |minutes| {
        Duration::from_secs(minutes.parse::<u64>().unwrap() * 60)
    });
    let end = clock.now() + length;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    loop {
        let defaults = Config::default();
        let is_named = std::env::var_os("PROPTEST_CASES").is_some();
        let config = Config {
            cases: if is_named { defaults.cases } else { CASES },
            failure_persistence: None,
            ..defaults
        };
        let tried = TestRunner::new(config).run(&vec(piece(), 0..10), |pieces| {
            let whole = runtime.block_on(ask(&pieces, false));
            check(&whole)?;
            // What is sent byte by byte takes as many packets: a long one would only cost time.
            if pieces.iter().map(Vec::len).sum::<usize>() < 2_000 {
                let split = runtime.block_on(ask(&pieces, true));
                check(&split)?;
                prop_assert_eq!(split.1, whole.1);
                prop_assert_eq!(split.0.ok(), whole.0.ok());
            }
            Ok(())
        });
        if let Err(failure) = tried {
            panic!("{failure}");
        }
        if clock.now() >= end {
            return;
        }
    }
}
