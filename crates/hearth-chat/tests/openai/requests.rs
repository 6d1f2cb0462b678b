//! What servers are sent.

use std::borrow::Cow;

use chrono::DateTime;
use hearth_chat::models::OpenAiModel;
use hearth_chat::models::openai::{BaseUrl, DepartmentModel, OpenAiConfigError};
use hearth_domain::ports::{ChatModel, Prompt};
use hearth_domain::{History, MessageId, MessageView, Role, Status, Version, WindowLimits};
use serde_json::{Map, Value, json};

use crate::setup::{Heard, department, prompt, scene, scene_with};

fn parameters(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_carries_key_model_parameters_and_conversation() {
    let scene = scene_with(|config| {
        config.api_key = Some("sk-1".into());
        config.parameters = parameters(json!({"temperature": 0.2, "max_completion_tokens": 500}));
    })
    .await;
    let view = |id, role, content| MessageView {
        id: MessageId(id),
        role,
        content: Cow::Borrowed(content),
        created_at: DateTime::UNIX_EPOCH,
        status: Status::Complete,
    };
    let rows = [
        view(1, Role::User, "left out"),
        view(2, Role::Assistant, "left out as well"),
        view(3, Role::User, "Who am I?"),
        view(4, Role::Assistant, "Line one\n\"two\""),
    ];
    let prompt = Prompt {
        system: Some("Be brief.".into()),
        history: History::from_rows(&rows, Version::ZERO, WindowLimits::default()).unwrap(),
        skipped: 2,
        ..prompt("And you?", true)
    };
    scene.model.answer(prompt, &mut Heard::new()).await.unwrap();
    let request = scene.server.requests().remove(0);
    assert_eq!(request.line, "POST /v1/chat/completions");
    assert_eq!(request.header("authorization"), Some("Bearer sk-1"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("api-key"), None);
    assert_eq!(
        request.body,
        json!({
            "model": "test", "temperature": 0.2, "max_completion_tokens": 500,
            "stream": true, "stream_options": {"include_usage": true},
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Who am I?"},
                {"role": "assistant", "content": "Line one\n\"two\""},
                {"role": "user", "content": "And you?"},
            ],
        })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_traced_turn_is_traced_on() {
    let scene = scene().await;
    let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    for traceparent in [None, Some(traceparent)] {
        let prompt = Prompt {
            traceparent: traceparent.map(str::to_owned),
            ..prompt("q", false)
        };
        scene.model.answer(prompt, &mut Heard::new()).await.unwrap();
    }
    let sent = scene.server.requests();
    assert_eq!(sent[0].header("traceparent"), None);
    assert_eq!(sent[1].header("traceparent"), Some(traceparent));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_none_is_sent() {
    let scene = scene().await;
    scene.ask(false).await.0.unwrap();
    assert_eq!(scene.server.requests().remove(0).header("authorization"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn azure_is_asked_in_its_own_way() {
    let scene = scene_with(|config| {
        let url = format!("{}/deployments/d?api-version=2024-10-21", config.base_url);
        config.base_url = BaseUrl::parse(&url).unwrap();
        config.api_key = Some("key-1".into());
    })
    .await;
    scene.ask(true).await.0.unwrap();
    let request = scene.server.requests().remove(0);
    assert_eq!(
        request.line,
        "POST /v1/deployments/d/chat/completions?api-version=2024-10-21"
    );
    assert_eq!(request.header("api-key"), Some("key-1"));
    assert_eq!(request.header("authorization"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_department_may_have_another_model_and_other_parameters() {
    let scene = scene_with(|config| {
        config.parameters = parameters(json!({"temperature": 0.2}));
        let law = DepartmentModel {
            model: Some("large".into()),
            parameters: None,
        };
        let art = DepartmentModel {
            model: None,
            parameters: Some(parameters(json!({"top_p": 0.5}))),
        };
        config.departments = [(department("law"), law), (department("art"), art)].into();
    })
    .await;
    for (name, expected) in [
        ("sales", json!(["test", 0.2, null])),
        ("law", json!(["large", 0.2, null])),
        ("art", json!(["test", null, 0.5])),
    ] {
        let prompt = Prompt {
            department: department(name),
            ..prompt("Hello?", false)
        };
        scene.model.answer(prompt, &mut Heard::new()).await.unwrap();
        let body = scene.server.requests().pop().unwrap().body;
        let sent = json!([body["model"], body["temperature"], body["top_p"]]);
        assert_eq!(sent, expected, "{name}");
        assert_eq!(
            scene.model.name(&department(name)),
            body["model"].as_str().unwrap()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_request_is_refused_beforehand() {
    let refused = |change: &dyn Fn(&mut hearth_chat::models::OpenAiConfig)| {
        let url = BaseUrl::parse("http://127.0.0.1:1/v1").unwrap();
        let mut config = hearth_chat::models::OpenAiConfig::new(url, "test");
        change(&mut config);
        let clock = std::sync::Arc::new(hearth_testkit::clock::ManualClock::default());
        OpenAiModel::new(config, clock, tokio::runtime::Handle::current()).err()
    };
    assert!(refused(&|_| {}).is_none());
    let key = refused(&|config| config.api_key = Some("a\nb".into()));
    assert!(matches!(key, Some(OpenAiConfigError::ApiKey)));
    let reserved = refused(&|config| config.parameters = parameters(json!({"stream": false})));
    assert!(matches!(reserved, Some(OpenAiConfigError::Reserved(name)) if name == "stream"));
}

#[tokio::test(flavor = "multi_thread")]
async fn encrypted_servers_need_no_global_cryptography() {
    let scene = scene_with(|config| {
        // Nobody speaks TLS there: it is the connection that fails, not the making of the client.
        let url = config.base_url.to_string().replace("http://", "https://");
        config.base_url = BaseUrl::parse(&url).unwrap();
    })
    .await;
    let error = scene.ask(true).await.0.unwrap_err();
    assert!(
        crate::setup::told(&error).contains("failed to connect"),
        "{error:?}"
    );
}
