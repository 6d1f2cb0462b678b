//! All of the schemas: of answers, from the types that are written; of what is written by hand, from the types below.

#![expect(
    dead_code,
    reason = "some of these types are never made: they describe what is written by hand"
)]

use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::requests::{AppendRequest, ChatRequest, Role, WarmUpManyRequest};
use crate::dto::chat::ChatResponse;
use crate::dto::events::{Delta, TurnStarted};
use crate::dto::health::{Detailed, Live, Ready};
use crate::dto::performance::PerformanceResponse;
use crate::dto::sessions::SessionsResponse;
use crate::dto::turn::AppendResponse;
use crate::dto::warm_up::{WarmUpManyResponse, WarmUpResponse};

/// Every schema by its name.
pub(super) fn schemas() -> Map<String, Value> {
    let mut schemas = Map::new();
    add::<ChatRequest>(&mut schemas);
    add::<AppendRequest>(&mut schemas);
    add::<WarmUpManyRequest>(&mut schemas);
    add::<ChatResponse<'_>>(&mut schemas);
    add::<TurnStarted<'_>>(&mut schemas);
    add::<Delta<'_>>(&mut schemas);
    add::<AppendResponse<'_>>(&mut schemas);
    add::<WarmUpResponse<'_>>(&mut schemas);
    add::<WarmUpManyResponse>(&mut schemas);
    add::<SessionsResponse<'_>>(&mut schemas);
    add::<MessagesResponse>(&mut schemas);
    add::<UserErased>(&mut schemas);
    add::<Live>(&mut schemas);
    add::<Ready>(&mut schemas);
    add::<Detailed>(&mut schemas);
    add::<PerformanceResponse>(&mut schemas);
    add::<Problem>(&mut schemas);
    schemas
}

/// Adds a schema, and those that it refers to.
fn add<T: ToSchema>(schemas: &mut Map<String, Value>) {
    let mut named = Vec::new();
    T::schemas(&mut named);
    named.push((T::name().into_owned(), T::schema()));
    for (name, schema) in named {
        // Schemas hold nothing that could fail to serialize.
        let schema = serde_json::to_value(schema).unwrap_or_default();
        schemas.insert(name, schema);
    }
}

/// A history, or a page of a session's messages.
#[derive(ToSchema)]
struct MessagesResponse {
    chatsession_id: String,
    department: String,
    user: String,
    /// The session's version; a page has none.
    #[schema(nullable = false)]
    version: Option<u64>,
    /// Responses among the messages.
    responses: u64,
    /// Whether there are older messages.
    truncated: bool,
    source: Source,
    /// True where the history may be out of date: the store could not be asked.
    #[schema(nullable = false)]
    degraded: Option<bool>,
    /// Oldest first.
    messages: Vec<Message>,
    /// The cursor to what is older; null where there is nothing.
    #[schema(required = true)]
    before: Option<i64>,
}

/// Where a history came from.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum Source {
    Memory,
    Store,
    New,
}

/// A message.
#[derive(ToSchema)]
struct Message {
    id: i64,
    role: Role,
    content: String,
    #[schema(format = "date-time")]
    created_at: String,
    /// `incomplete` where the model broke off.
    #[schema(nullable = false)]
    status: Option<Status>,
}

/// Whether a response is all that was meant to be said.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum Status {
    Complete,
    Incomplete,
}

/// How many sessions of a user had messages, and have none now.
#[derive(ToSchema)]
struct UserErased {
    erased: u64,
}

/// A failure: RFC 9457.
#[derive(ToSchema)]
struct Problem {
    /// Always `about:blank`: the code tells more.
    r#type: String,
    /// A summary for people, the same for all failures of a code.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What programs match on.
    code: String,
    /// What to change.
    detail: String,
    /// What is wrong with which field, where fields are.
    #[schema(nullable = false)]
    errors: Option<Vec<FieldError>>,
    /// What became of a turn whose commit failed.
    #[schema(nullable = false)]
    outcome: Option<Outcome>,
    /// The request's id, by which the log has the cause.
    request_id: String,
}

/// What is wrong with a field.
#[derive(ToSchema)]
struct FieldError {
    /// The field, with its place in the body.
    field: String,
    /// The rule that it breaks.
    message: String,
}

/// What became of a turn.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum Outcome {
    NotCommitted,
    Unknown,
}
