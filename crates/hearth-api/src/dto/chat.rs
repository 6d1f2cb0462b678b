//! `POST /chatbot/v1/chat`.

use chrono::{DateTime, Utc};
use hearth_chat::{ChatAnswer, ChatRequest};
use hearth_domain::ports::Usage;
use hearth_domain::{NewMessage, Role, TurnId, Version};
use serde::Serialize;

use super::turn::wire_time;
use crate::error::Problem;
use crate::extract::{JsonObject, boolean, content, id, version};

/// Reads a chat request.
///
/// # Errors
///
/// A problem that names every wrong field.
pub fn chat_request(body: JsonObject) -> Result<ChatRequest, Problem> {
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
    if fields.optional("stream", boolean) == Some(true) {
        fields.refuse("stream", "must be false: this version answers whole");
    }
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
        });
    fields.finish(request)
}

/// A chat's answer.
#[derive(Debug, Serialize)]
pub struct ChatResponse<'a> {
    response: &'a str,
    chatsession_id: &'a str,
    department: &'a str,
    user: &'a str,
    turn_id: TurnId,
    version: Option<Version>,
    model: &'a str,
    history: HistoryUse,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
    #[serde(serialize_with = "wire_time")]
    created_at: DateTime<Utc>,
}

/// What the model was given of the history.
#[derive(Debug, Serialize)]
struct HistoryUse {
    enabled: bool,
    source: &'static str,
    responses: u16,
    truncated: bool,
}

impl<'a> From<&'a ChatAnswer> for ChatResponse<'a> {
    fn from(answer: &'a ChatAnswer) -> Self {
        Self {
            response: &answer.response,
            chatsession_id: answer.key.session.as_str(),
            department: answer.key.department.as_str(),
            user: answer.key.user.as_str(),
            turn_id: answer.turn,
            version: answer.version,
            model: &answer.model,
            history: HistoryUse {
                enabled: answer.history.is_some(),
                source: answer
                    .history
                    .map_or("disabled", |history| history.source.as_str()),
                responses: answer.history.map_or(0, |history| history.responses),
                truncated: answer.history.is_some_and(|history| history.truncated),
            },
            usage: answer.usage,
            created_at: answer.created_at,
        }
    }
}
