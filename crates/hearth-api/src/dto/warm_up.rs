//! `POST …/warm-up`, of one session and of many.

use hearth_cache::{Reading, WarmUp};
use hearth_domain::limits::WARM_UP_SESSIONS_MAX;
use hearth_domain::{ConversationKey, Version};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::error::{Code, Problem};
use crate::extract::{Fields, JsonObject, id, integer_within};

/// One session that is loaded now.
#[derive(Debug, Serialize, ToSchema)]
pub struct WarmUpResponse<'a> {
    chatsession_id: &'a str,
    source: &'static str,
    responses: u16,
    #[schema(value_type = u64)]
    version: Version,
}

impl<'a> WarmUpResponse<'a> {
    /// What a caller is told of a loaded session.
    #[must_use]
    pub fn new(key: &'a ConversationKey, reading: &Reading) -> Self {
        Self {
            chatsession_id: key.session.as_str(),
            source: reading.source().as_str(),
            responses: reading.history().responses(),
            version: reading.history().version(),
        }
    }
}

/// Which sessions are to be loaded.
#[derive(Debug)]
pub enum WarmUpRequest {
    /// These.
    Sessions(Vec<ConversationKey>),
    /// So many of the most recently active ones.
    Recent(u16),
}

/// Reads which sessions are to be loaded.
///
/// # Errors
///
/// A problem that names every wrong field.
pub fn warm_up_request(body: JsonObject) -> Result<WarmUpRequest, Problem> {
    let mut fields = body.fields(&["sessions", "recent"])?;
    if fields.has("sessions") == fields.has("recent") {
        fields.refuse(
            "sessions",
            "is required where recent is not there, and refused where it is",
        );
        return fields.finish(None);
    }
    if fields.has("recent") {
        let recent = fields.required("recent", integer_within(WARM_UP_SESSIONS_MAX));
        return fields.finish(recent.map(WarmUpRequest::Recent));
    }
    let sessions = match fields.take("sessions") {
        Some(Value::Array(sessions)) if sessions.len() <= usize::from(WARM_UP_SESSIONS_MAX) => Some(sessions),
        _ => {
            fields.refuse(
                "sessions",
                format!("must be an array of at most {WARM_UP_SESSIONS_MAX} objects"),
            );
            None
        }
    };
    let sessions = fields.finish(sessions)?;
    let keys: Result<Vec<ConversationKey>, Problem> = sessions
        .into_iter()
        .enumerate()
        .map(|(index, value)| key(index, value))
        .collect();
    keys.map(WarmUpRequest::Sessions)
}

fn key(index: usize, value: Value) -> Result<ConversationKey, Problem> {
    let Value::Object(members) = value else {
        return Err(Problem::field(
            Code::InvalidField,
            format!("sessions[{index}]"),
            "must be an object",
        ));
    };
    let prefix = format!("sessions[{index}].");
    let mut fields = Fields::new(members, prefix, &["department", "user", "chatsession_id"])?;
    let department = fields.required("department", id);
    let user = fields.required("user", id);
    let session = fields.required("chatsession_id", id);
    let key = department.zip(user).zip(session);
    fields.finish(key.map(|((department, user), session)| ConversationKey::new(department, user, session)))
}

/// What a warm-up of many sessions found.
#[derive(Debug, Serialize, ToSchema)]
pub struct WarmUpManyResponse {
    found: usize,
    new: usize,
    failed: usize,
}

impl From<WarmUp> for WarmUpManyResponse {
    fn from(counts: WarmUp) -> Self {
        Self {
            found: counts.found,
            new: counts.new,
            failed: counts.failed,
        }
    }
}
