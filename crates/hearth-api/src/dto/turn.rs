//! `POST /chatbot/v1/sessions/{id}/messages`.

use chrono::{DateTime, Utc};
use hearth_domain::{
    BodyHash, Committed, ConversationKey, Invalid, MessageId, NewMessage, Turn, TurnId, Version, json, limits,
};
use serde::{Serialize, Serializer};
use serde_json::Value;
use utoipa::ToSchema;

use crate::error::{Code, Problem};
use crate::extract::{Fields, JsonObject, body_hash, content, role, version};

/// A turn to append, and the version that it is for.
#[derive(Debug)]
pub struct AppendRequest {
    /// The turn.
    pub turn: Turn,
    /// Commit only onto exactly this version.
    pub if_version: Option<Version>,
}

/// Reads a turn to append.
///
/// # Errors
///
/// A problem that names every wrong field.
pub fn append_request(body: JsonObject) -> Result<AppendRequest, Problem> {
    let mut fields = body.fields(&["messages", "if_version"])?;
    let if_version = fields.optional("if_version", version);
    let messages = match fields.take("messages") {
        Some(Value::Array(messages)) if messages.len() <= limits::TURN_MESSAGES_MAX => Some(messages),
        Some(Value::Array(_)) => {
            fields.refuse("messages", Invalid::TurnLength.to_string());
            None
        }
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
            fields.refuse("messages", "must be an array");
            None
        }
        None => {
            fields.refuse("messages", "is required");
            None
        }
    };
    let messages = fields.finish(messages)?;
    let messages: Result<Vec<NewMessage>, Problem> = messages
        .into_iter()
        .enumerate()
        .map(|(index, value)| message(index, value))
        .collect();
    let turn =
        Turn::new(messages?).map_err(|invalid| Problem::field(Code::InvalidField, "messages", invalid))?;
    Ok(AppendRequest { turn, if_version })
}

/// The hash of all that a request says, its session included.
#[must_use]
pub fn append_hash(key: &ConversationKey, request: &AppendRequest) -> BodyHash {
    let messages = request.turn.messages().iter();
    let messages: Vec<_> = messages
        .map(|message| (message.role().as_str(), message.content()))
        .collect();
    body_hash(&(
        key.department.as_str(),
        key.user.as_str(),
        key.session.as_str(),
        messages,
        request.if_version,
    ))
}

fn message(index: usize, value: Value) -> Result<NewMessage, Problem> {
    let Value::Object(members) = value else {
        return Err(Problem::field(
            Code::InvalidField,
            format!("messages[{index}]"),
            "must be an object",
        ));
    };
    let mut fields = Fields::new(members, format!("messages[{index}]."), &["role", "content"])?;
    let role = fields.required("role", role);
    let content = fields.required("content", content);
    let message = role
        .zip(content)
        .and_then(|(role, content)| match NewMessage::new(role, content) {
            Ok(message) => Some(message),
            Err(invalid) => {
                fields.refuse("content", invalid.to_string());
                None
            }
        });
    fields.finish(message)
}

/// A turn that was appended.
#[derive(Debug, Serialize, ToSchema)]
pub struct AppendResponse<'a> {
    chatsession_id: &'a str,
    department: &'a str,
    user: &'a str,
    #[schema(value_type = String, format = "uuid")]
    turn_id: TurnId,
    #[schema(value_type = u64)]
    version: Version,
    #[schema(value_type = Vec<i64>)]
    ids: Vec<MessageId>,
}

impl<'a> AppendResponse<'a> {
    /// What a caller is told of a committed turn.
    #[must_use]
    pub fn new(key: &'a ConversationKey, turn: TurnId, committed: &Committed) -> Self {
        Self {
            chatsession_id: key.session.as_str(),
            department: key.department.as_str(),
            user: key.user.as_str(),
            turn_id: turn,
            version: committed.version,
            ids: committed.messages.iter().map(|row| row.id).collect(),
        }
    }
}

/// Writes a time as histories do: RFC 3339 in UTC with microseconds.
///
/// # Errors
///
/// The serializer's own.
pub fn wire_time<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut text = Vec::new();
    json::write_time(&mut text, *time);
    serializer.serialize_str(std::str::from_utf8(&text).unwrap_or_default())
}

/// The same for a time that may be absent.
///
/// # Errors
///
/// The serializer's own.
pub fn wire_time_option<S: Serializer>(
    time: &Option<DateTime<Utc>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => wire_time(time, serializer),
        None => serializer.serialize_none(),
    }
}
