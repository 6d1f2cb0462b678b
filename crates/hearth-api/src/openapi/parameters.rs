//! What paths, queries and headers carry.

use hearth_domain::limits::{ID_CHARS_MAX, IDEMPOTENCY_KEY_CHARS_MAX};
use serde_json::{Value, json};

/// What the path names.
pub(super) fn path(name: &str, description: &str) -> Value {
    json!({ "name": name, "in": "path", "required": true, "description": description, "schema": id() })
}

/// The turn that the path names.
pub(super) fn turn_id() -> Value {
    json!({ "name": "turn_id", "in": "path", "required": true, "description": "The turn.",
            "schema": { "type": "string", "format": "uuid" } })
}

/// What makes a repeat safe.
pub(super) fn idempotency_key() -> Value {
    let schema = json!({
        "type": "string", "minLength": 1, "maxLength": IDEMPOTENCY_KEY_CHARS_MAX, "pattern": "^[!-~]+$",
    });
    json!({ "name": "Idempotency-Key", "in": "header", "required": false, "schema": schema,
            "description": "A repeat with the same key and the same body gets the first answer: no second turn, no second call of the model." })
}

/// The last event that the caller has.
pub(super) fn last_event_id() -> Value {
    json!({ "name": "Last-Event-ID", "in": "header", "required": false, "description": "The id of the last event that the caller has.",
            "schema": { "type": "string", "pattern": "^([0-9]{1,9}|end)$" } })
}

/// The department and the user whose session it is.
pub(super) fn who() -> [Value; 2] {
    [department(), query("user", true, "Who talks.", id())]
}

/// The department.
pub(super) fn department() -> Value {
    query("department", true, "The tenant.", id())
}

/// A query parameter.
pub(super) fn query(name: &str, required: bool, description: &str, schema: Value) -> Value {
    json!({ "name": name, "in": "query", "required": required, "description": description, "schema": schema })
}

/// A query parameter that says how many.
pub(super) fn limit(max: u16, default: Option<u16>) -> Value {
    let mut schema = integer(1, i64::from(max));
    if let (Some(schema), Some(default)) = (schema.as_object_mut(), default) {
        schema.insert("default".into(), default.into());
    }
    query("limit", false, "How many, at most.", schema)
}

/// A version.
pub(super) fn version(name: &str, description: &str) -> Value {
    query(name, false, description, integer(0, i64::MAX))
}

/// An integer within bounds.
pub(super) fn integer(min: i64, max: i64) -> Value {
    json!({ "type": "integer", "format": "int64", "minimum": min, "maximum": max })
}

/// A department, a user or a session id.
fn id() -> Value {
    json!({
        "type": "string", "minLength": 1, "maxLength": ID_CHARS_MAX,
        "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]+$",
    })
}

/// The headers of answers.
pub(super) fn headers() -> Value {
    let text = |description: &str| json!({ "description": description, "schema": { "type": "string" } });
    let number = |description: &str| json!({ "description": description, "schema": { "type": "integer", "minimum": 0 } });
    json!({
        "X-Request-Id": text("The request's id: the caller's own where it sent a sane one."),
        "ETag": text("A hash of the messages; weak where the body is compressed. Goes into If-None-Match."),
        "Idempotent-Replayed": text("`true` where an earlier request with the same key got this answer."),
        "Location": text("Where to look instead."),
        "Retry-After": number("Seconds after which another try is worth it."),
        "Server-Timing": text("Where the time went: history, model and commit, in milliseconds."),
        "WWW-Authenticate": text("How to name a key: Bearer."),
    })
}
