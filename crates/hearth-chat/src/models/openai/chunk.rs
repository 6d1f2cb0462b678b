//! What a server sends, read tolerantly: only what Hearth needs, and little of that is required.

use hearth_domain::ports::Usage;
use serde::Deserialize;
use serde_json::Value;

use super::error::{Reason, UpstreamError};

/// One event of a stream, or a whole answer.
#[derive(Debug, PartialEq)]
pub(super) struct Chunk {
    /// The text that it adds.
    pub(super) text: Option<String>,
    /// Why the model stopped, once it has.
    pub(super) finish: Option<Finish>,
    /// What the answer took, where it says so.
    pub(super) usage: Option<Usage>,
}

/// Why a model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finish {
    /// It was done, or reached its own limit.
    Done,
    /// A filter broke it off.
    Filtered,
}

#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    error: Option<Value>,
    #[serde(default)]
    object: Option<Value>,
    #[serde(default)]
    choices: Option<Vec<Choice>>,
    #[serde(default)]
    usage: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    index: Option<u64>,
    #[serde(default)]
    delta: Option<Said>,
    #[serde(default)]
    message: Option<Said>,
    #[serde(default)]
    finish_reason: Option<Value>,
}

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    content: Option<Value>,
    #[serde(default)]
    refusal: Option<Value>,
}

/// Reads the JSON of an event or of a whole answer.
///
/// # Errors
///
/// [`UpstreamError::Reported`] where it is an error, which servers also send in the middle of a stream; [`UpstreamError::Malformed`] where
/// it is not JSON of this kind.
pub(super) fn read(json: &[u8]) -> Result<Chunk, UpstreamError> {
    let wire: Wire = serde_json::from_slice(json).map_err(|_| UpstreamError::Malformed("unreadable JSON"))?;
    let is_error = wire.error.as_ref().is_some_and(is_something)
        || wire.object.as_ref().and_then(Value::as_str) == Some("error");
    if is_error {
        let body: Value = serde_json::from_slice(json).unwrap_or_default();
        return Err(UpstreamError::Reported {
            reason: Reason::find(&body),
        });
    }
    // Azure's first event and the event of the usage have no choice at all.
    let mut choices = wire.choices.unwrap_or_default().into_iter();
    let choice = choices.find(|choice| choice.index.unwrap_or(0) == 0);
    let (said, finish) = choice.map_or((None, None), |choice| {
        (choice.delta.or(choice.message), choice.finish_reason)
    });
    Ok(Chunk {
        text: said.and_then(text),
        finish: finish.as_ref().and_then(finish_of),
        usage: wire.usage.as_ref().and_then(usage),
    })
}

/// Whether an `error` member says anything: some servers send `null` or an empty one beside a good answer.
fn is_something(error: &Value) -> bool {
    match error {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::Bool(true) | Value::Number(_) | Value::Array(_) => true,
    }
}

fn text(said: Said) -> Option<String> {
    let content = said.content.and_then(content);
    // A refusal is what the model says in place of an answer.
    content.or_else(|| said.refusal.and_then(content_text))
}

/// A text, or the texts of a list of parts.
fn content(value: Value) -> Option<String> {
    let Value::Array(parts) = value else {
        return content_text(value);
    };
    let texts = parts
        .iter()
        .filter_map(|part| part.get("text").and_then(Value::as_str));
    let text: String = texts.collect();
    (!text.is_empty()).then_some(text)
}

fn content_text(value: Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text),
        Value::String(_)
        | Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::Array(_)
        | Value::Object(_) => None,
    }
}

/// An empty reason is none yet: some servers send it with every event.
fn finish_of(reason: &Value) -> Option<Finish> {
    match reason.as_str() {
        None | Some("") => None,
        Some("content_filter") => Some(Finish::Filtered),
        Some(_) => Some(Finish::Done),
    }
}

fn usage(usage: &Value) -> Option<Usage> {
    let tokens = |name: &str| usage.get(name).and_then(Value::as_u64);
    Some(Usage {
        prompt_tokens: tokens("prompt_tokens")?,
        completion_tokens: tokens("completion_tokens").unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, text: Option<&str>, finish: Option<Finish>) {
        let chunk = read(json.as_bytes()).unwrap();
        assert_eq!((chunk.text.as_deref(), chunk.finish), (text, finish), "{json}");
    }

    #[test]
    fn little_is_required() {
        check(r#"{"choices":[{"delta":{"content":"a"}}]}"#, Some("a"), None);
        check(
            r#"{"id":7,"object":"x","choices":[{"index":0,"delta":{"role":"assistant","content":"a"},"finish_reason":null}]}"#,
            Some("a"),
            None,
        );
        check(r#"{"choices":[]}"#, None, None);
        check("{}", None, None);
        check(r#"{"choices":null,"error":null}"#, None, None);
        check(
            r#"{"choices":[{"delta":{"content":null}}],"error":{}}"#,
            None,
            None,
        );
        check(
            r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#,
            None,
            Some(Finish::Done),
        );
        check(
            r#"{"choices":[{"finish_reason":"length"}]}"#,
            None,
            Some(Finish::Done),
        );
        check(r#"{"choices":[{"finish_reason":""}]}"#, None, None);
        check(
            r#"{"choices":[{"finish_reason":"content_filter"}]}"#,
            None,
            Some(Finish::Filtered),
        );
        check(r#"{"choices":[{"index":1,"delta":{"content":"b"}}]}"#, None, None);
        check(
            r#"{"choices":[{"message":{"content":"a","refusal":null},"finish_reason":"stop"}]}"#,
            Some("a"),
            Some(Finish::Done),
        );
        check(
            r#"{"choices":[{"message":{"content":null,"refusal":"No."}}]}"#,
            Some("No."),
            None,
        );
        check(
            r#"{"choices":[{"delta":{"content":[{"type":"text","text":"a"},{"type":"x"},{"text":"b"}]}}]}"#,
            Some("ab"),
            None,
        );
        check(
            r#"{"choices":[{"delta":{"reasoning_content":"hm","tool_calls":[]}}]}"#,
            None,
            None,
        );
    }

    #[test]
    fn errors_are_seen_before_anything_else() {
        for json in [
            r#"{"error":{"message":"boom","code":"server_error"}}"#,
            r#"{"error":"boom","choices":[{"delta":{"content":"a"}}]}"#,
            r#"{"object":"error","message":"boom"}"#,
        ] {
            let outcome = read(json.as_bytes());
            assert!(matches!(outcome, Err(UpstreamError::Reported { .. })), "{json}");
        }
        for json in [
            "",
            "nonsense",
            "1",
            "\"a\"",
            r#"{"choices":[{"delta":{"content":"a"#,
        ] {
            let outcome = read(json.as_bytes());
            assert!(matches!(outcome, Err(UpstreamError::Malformed(_))), "{json}");
        }
    }

    #[test]
    fn usage_is_what_the_server_says() {
        let of = |json: &str| read(json.as_bytes()).unwrap().usage;
        let expected = Usage {
            prompt_tokens: 3,
            completion_tokens: 5,
        };
        assert_eq!(
            of(r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":5}}"#),
            Some(expected)
        );
        assert_eq!(of(r#"{"usage":null}"#), None);
        assert_eq!(of(r#"{"usage":{"total_tokens":3}}"#), None);
    }
}
