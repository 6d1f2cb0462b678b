//! `POST /chatbot/v1/chat`.

use chrono::{DateTime, Utc};
use hearth_chat::{ChatAnswer, ChatRequest};
use hearth_domain::ports::{KeptTurn, Usage};
use hearth_domain::{BodyHash, NewMessage, Role, SessionId, Status, TurnId, Version};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::turn::wire_time;
use crate::error::Problem;
use crate::extract::{JsonObject, body_hash, boolean, content, id, version};

/// A chat request, and how it is to be answered.
#[derive(Debug)]
pub struct Asked {
    /// The request; whether it has a key is not in its body.
    pub request: ChatRequest,
    /// Whether the answer is wanted piece by piece.
    pub stream: bool,
}

/// Reads a chat request.
///
/// # Errors
///
/// A problem that names every wrong field.
pub fn chat_request(body: JsonObject) -> Result<Asked, Problem> {
    let mut fields = body.fields(&[
        "department",
        "user",
        "chatquery",
        "historyenabled",
        "chatsession_id",
        "stream",
        "min_version",
        "if_version",
    ])?;
    let department = fields.required("department", id);
    let user = fields.required("user", id);
    let query = fields.required("chatquery", |value| {
        NewMessage::new(Role::User, content(value)?).map_err(|invalid| invalid.to_string())
    });
    let history = fields.optional("historyenabled", boolean).unwrap_or(true);
    let session = fields.optional("chatsession_id", id);
    let stream = fields.optional("stream", boolean).unwrap_or(false);
    let min_version = fields.optional("min_version", version);
    let if_version = fields.optional("if_version", version);
    for (name, given) in [("min_version", min_version), ("if_version", if_version)] {
        if given.is_some() && !history {
            fields.refuse(
                name,
                "needs historyenabled: without a history there is no version",
            );
        }
    }
    let request = department
        .zip(user)
        .zip(query)
        .map(|((department, user), query)| ChatRequest {
            department,
            user,
            session,
            query,
            history,
            min_version,
            if_version,
            idempotency: None,
            observer: None,
        });
    let request = fields.finish(request)?;
    Ok(Asked { request, stream })
}

/// The hash of all that a request says; how it is to be answered is no part of it.
#[must_use]
pub fn chat_hash(request: &ChatRequest) -> BodyHash {
    let ChatRequest {
        department,
        user,
        session,
        query,
        history,
        min_version,
        if_version,
        idempotency: _,
        observer: _,
    } = request;
    body_hash(&(
        department.as_str(),
        user.as_str(),
        session.as_ref().map(SessionId::as_str),
        query.content(),
        history,
        min_version,
        if_version,
    ))
}

/// A chat's answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChatResponse<'a> {
    response: &'a str,
    chatsession_id: &'a str,
    department: &'a str,
    user: &'a str,
    #[schema(value_type = String, format = "uuid")]
    turn_id: TurnId,
    /// The session's version with this turn. Null where history was off, and where a stream is resumed after its replica forgot it.
    #[schema(value_type = Option<u64>, required = true)]
    version: Option<Version>,
    model: &'a str,
    /// There where the model broke off, and the response is what came.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ResponseStatus>, nullable = false)]
    status: Option<&'static str>,
    history: HistoryUse,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<TokenUsage>, nullable = false)]
    usage: Option<Usage>,
    #[serde(serialize_with = "wire_time")]
    #[schema(value_type = String, format = "date-time")]
    created_at: DateTime<Utc>,
}

/// Whether a response is all that was meant to be said.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "the word of the contract; the domain's type says it")]
enum ResponseStatus {
    Incomplete,
}

/// Where the history came from.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "the words of the contract; the domain's types say them")]
enum HistorySource {
    Memory,
    Store,
    New,
    Disabled,
}

/// The tokens that a turn took, as the model counted them.
#[derive(Debug, ToSchema)]
#[expect(
    dead_code,
    reason = "the wire form of the domain's Usage, for the contract alone"
)]
struct TokenUsage {
    prompt_tokens: u64,
    completion_tokens: u64,
}

/// What the model was given of the history. Where a stream is resumed after its replica forgot it, nobody knows but that there was one.
#[derive(Debug, Serialize, ToSchema)]
struct HistoryUse {
    enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<HistorySource>, nullable = false)]
    source: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    responses: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    truncated: Option<bool>,
}

impl<'a> From<&'a ChatAnswer> for ChatResponse<'a> {
    fn from(answer: &'a ChatAnswer) -> Self {
        let history = answer.history;
        Self {
            response: &answer.response,
            chatsession_id: answer.key.session.as_str(),
            department: answer.key.department.as_str(),
            user: answer.key.user.as_str(),
            turn_id: answer.turn,
            version: answer.version,
            model: &answer.model,
            status: incomplete(answer.status),
            history: HistoryUse {
                enabled: history.is_some(),
                source: Some(history.map_or("disabled", |history| history.source.as_str())),
                responses: Some(history.map_or(0, |history| history.responses)),
                truncated: Some(history.is_some_and(|history| history.truncated)),
            },
            usage: answer.usage,
            created_at: answer.created_at,
        }
    }
}

impl<'a> ChatResponse<'a> {
    /// The answer as far as the store knows it.
    #[must_use]
    pub fn kept(turn_id: TurnId, kept: &'a KeptTurn) -> Self {
        let (key, response) = (&kept.key, &kept.response);
        let metadata = response.metadata.as_ref();
        let model = metadata.and_then(|metadata| metadata.get("model")?.as_str());
        let usage = metadata.and_then(|metadata| Usage::deserialize(metadata.get("usage")?).ok());
        Self {
            response: &response.content,
            chatsession_id: key.session.as_str(),
            department: key.department.as_str(),
            user: key.user.as_str(),
            turn_id,
            version: None,
            model: model.unwrap_or_default(),
            status: incomplete(response.status()),
            history: HistoryUse {
                enabled: true,
                source: None,
                responses: None,
                truncated: None,
            },
            usage,
            created_at: response.created_at,
        }
    }
}

fn incomplete(status: Status) -> Option<&'static str> {
    match status {
        Status::Complete => None,
        Status::Incomplete => Some(Status::INCOMPLETE),
    }
}
