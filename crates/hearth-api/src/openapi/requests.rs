//! The bodies that calls take, as schemas. They are read by hand in [`crate::dto`], so that every wrong field is named at once; a test of
//! the running server compares the fields.

#![expect(
    dead_code,
    reason = "these types are never made: they describe what is read by hand"
)]

use serde::Deserialize;
use utoipa::ToSchema;

/// A question.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChatRequest {
    /// The tenant.
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
    )]
    department: String,
    /// Who talks.
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
    )]
    user: String,
    /// What is asked: 1 to 32,768 bytes, without U+0000.
    #[schema(min_length = 1, max_length = 32_768, pattern = "^[^\\u0000]*$")]
    chatquery: String,
    /// False: earlier turns are neither read nor is this one kept.
    #[schema(default = true)]
    historyenabled: Option<bool>,
    /// The conversation; without one a new one is made.
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
    )]
    chatsession_id: Option<String>,
    /// Whether the answer comes piece by piece.
    #[schema(default = false)]
    stream: Option<bool>,
    /// Answer only from a history at least this new; needs `historyenabled`.
    #[schema(minimum = 0, maximum = 9_223_372_036_854_775_807_i64)]
    min_version: Option<i64>,
    /// Commit only onto exactly this version; needs `historyenabled`.
    #[schema(minimum = 0, maximum = 9_223_372_036_854_775_807_i64)]
    if_version: Option<i64>,
}

/// A turn that no model answers.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AppendRequest {
    /// The turn's messages, in order.
    #[schema(min_items = 1, max_items = 16)]
    messages: Vec<NewMessage>,
    /// Commit only onto exactly this version.
    #[schema(minimum = 0, maximum = 9_223_372_036_854_775_807_i64)]
    if_version: Option<i64>,
}

/// A message to append.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewMessage {
    /// Who says it.
    role: Role,
    /// What is said: 1 to 32,768 bytes, without U+0000.
    #[schema(min_length = 1, max_length = 32_768, pattern = "^[^\\u0000]*$")]
    content: String,
}

/// Who says something.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Role {
    User,
    Assistant,
    System,
    Tool,
}

/// Which sessions are to be loaded: either those that are named, or the most recently active ones.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WarmUpManyRequest {
    /// These.
    #[schema(max_items = 1_000)]
    sessions: Option<Vec<SessionKey>>,
    /// So many of the most recently active ones.
    #[schema(minimum = 1, maximum = 1_000)]
    recent: Option<u16>,
}

/// What names a conversation.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionKey {
    /// The tenant.
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
    )]
    department: String,
    /// Who talks.
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
    )]
    user: String,
    /// The conversation.
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
    )]
    chatsession_id: String,
}
