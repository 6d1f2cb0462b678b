//! Streamed answers, as servers send them.

use hearth_domain::Status;
use hearth_domain::limits::CONTENT_BYTES_MAX;
use hearth_domain::ports::Usage;
use hearth_testkit::model_server::Reply;
use serde_json::json;

use crate::setup::scene;

#[tokio::test(flavor = "multi_thread")]
async fn pieces_are_heard_as_they_come() {
    let scene = scene().await;
    let (first, second) = (scene.server.gate(), scene.server.gate());
    let stream = Reply::stream().text("Hello").wait(&first).text(" there");
    scene
        .server
        .next(stream.wait(&second).finish("stop").usage(3, 2).done());
    let (asking, heard) = scene.asking(true);
    heard.until("Hello").await;
    first.open();
    heard.until("Hello there").await;
    assert!(!asking.is_finished());
    assert_eq!(scene.model_status().running, 1);
    second.open();
    let answer = asking.await.unwrap().unwrap();
    assert_eq!(
        (answer.text.as_str(), answer.status),
        ("Hello there", Status::Complete)
    );
    let usage = Usage {
        prompt_tokens: 3,
        completion_tokens: 2,
    };
    assert_eq!(answer.usage, Some(usage));
    assert_eq!(scene.model_status().running, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_servers_way_of_streaming_is_understood() {
    let role = json!({"choices": [{"delta": {"role": "assistant", "content": null}}]});
    let filter = json!({"choices": [], "prompt_filter_results": [{"prompt_index": 0}]});
    let stream = Reply::stream;
    for (name, reply, status) in [
        (
            "OpenAI",
            stream()
                .event(&role)
                .text("ü a")
                .finish("stop")
                .usage(1, 1)
                .done(),
            Status::Complete,
        ),
        (
            "Azure",
            stream().event(&filter).text("ü a").finish("stop").done(),
            Status::Complete,
        ),
        ("no end", stream().text("ü a").finish("stop"), Status::Complete),
        (
            "blank end",
            stream().text("ü a").bytes(b"data:[DONE]\n\n"),
            Status::Complete,
        ),
        (
            "no blank line",
            stream().text("ü a").finish("stop").bytes(b"data: [DONE]"),
            Status::Complete,
        ),
        (
            "limit",
            stream().text("ü a").finish("length").done(),
            Status::Complete,
        ),
        (
            "filtered",
            stream().text("ü a").finish("content_filter").done(),
            Status::Incomplete,
        ),
        ("just ends", stream().text("ü a"), Status::Incomplete),
        (
            "breaks after the end",
            stream().text("ü a").finish("stop").close(),
            Status::Complete,
        ),
        (
            "open after the end",
            stream().text("ü a").finish("stop").done().hang(),
            Status::Complete,
        ),
        (
            "error after the end",
            stream().text("ü a").finish("stop").event(&json!({"error": "x"})),
            Status::Complete,
        ),
        (
            "comments",
            stream()
                .bytes(b": ping\r\n\r\n")
                .text("ü a")
                .bytes(b":\n\n")
                .done(),
            Status::Complete,
        ),
        (
            "carriage returns",
            stream()
                .bytes(
                    "event: x\r\rdata: {\"choices\":\rdata: [{\"delta\":{\"content\":\"ü a\"}}]}\r\r"
                        .as_bytes(),
                )
                .done(),
            Status::Complete,
        ),
        (
            "not streamed",
            Reply::json(&json!({"choices": [{"message": {"content": "ü a"}}]})),
            Status::Complete,
        ),
        (
            "another type",
            Reply::of(200, "application/x-ndjson").text("ü a").done(),
            Status::Complete,
        ),
    ] {
        let scene = scene().await;
        scene.server.next(reply.clone());
        let (answer, heard) = scene.ask(true).await;
        let answer = answer.unwrap();
        assert_eq!(
            (answer.text.as_str(), heard.as_str(), answer.status),
            ("ü a", "ü a", status),
            "{name}"
        );

        scene.server.next(reply.split());
        let (split, _) = scene.ask(true).await;
        assert_eq!(split.unwrap(), answer, "{name}, byte by byte");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_too_long_is_cut_and_the_model_stopped() {
    let scene = scene().await;
    let piece = "a".repeat(20_000);
    scene
        .server
        .next(Reply::stream().text(&piece).text(&piece).hang());
    let (answer, heard) = scene.ask(true).await;
    let answer = answer.unwrap();
    assert_eq!(
        (answer.text.len(), answer.status),
        (CONTENT_BYTES_MAX, Status::Incomplete)
    );
    assert_eq!(heard, answer.text);
    scene.server.connected(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refuses_to_tell_the_usage_is_not_asked_for_it() {
    let scene = scene().await;
    let refusal = json!({"error": {"message": "Unknown field: stream_options"}});
    let refusal = Reply::of(400, "application/json").bytes(refusal.to_string().as_bytes());
    scene.server.next(refusal);
    assert!(scene.ask(true).await.0.is_ok());
    assert!(scene.ask(true).await.0.is_ok());
    let asked: Vec<bool> = scene
        .server
        .requests()
        .iter()
        .map(|request| request.body.get("stream_options").is_some())
        .collect();
    assert_eq!(asked, [true, false, false]);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_used_again_after_a_stream() {
    let scene = scene().await;
    for _ in 0..50 {
        assert!(scene.ask(true).await.0.is_ok());
    }
    // A request that follows at once may find the end of the last stream still unread.
    let made = scene.server.connections_made();
    assert!(made < 25, "{made} connections for 50 requests");
}
