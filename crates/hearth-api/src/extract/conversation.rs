//! Which conversation a request is about: the session in its path, the department and user in its query.

use std::str::FromStr;

use actix_web::http::Uri;
use hearth_domain::{ConversationKey, Invalid, SessionId, UserId};
use percent_encoding::percent_decode_str;

use super::query::Query;
use crate::error::{Code, Problem};

/// The conversation that a request is about, and the rest of its query.
#[derive(Debug)]
pub struct Conversation<'a> {
    /// The conversation.
    pub key: ConversationKey,
    /// The query.
    pub query: Query<'a>,
}

impl<'a> Conversation<'a> {
    /// Reads the conversation that a URI names; its query may have `department`, `user` and the `others`.
    ///
    /// # Errors
    ///
    /// As [`Query::of`] and [`Query::who`]; [`Code::InvalidField`] for the session id.
    pub fn of(uri: &'a Uri, others: &[&'static str]) -> Result<Self, Problem> {
        let query = Query::with(uri.query().unwrap_or_default(), &["department", "user"], others)?;
        let (department, user) = query.who()?;
        let session: SessionId = named(uri, "chatsession_id")?;
        Ok(Self {
            key: ConversationKey::new(department, user, session),
            query,
        })
    }

    /// Reads the user whom a path names.
    ///
    /// # Errors
    ///
    /// [`Code::InvalidField`].
    pub fn user(uri: &Uri) -> Result<UserId, Problem> {
        named(uri, "user")
    }
}

/// The place of what a path names: `/chatbot/v1/sessions/{id}/…`, `/chatbot/v1/users/{user}`.
const NAMED_SEGMENT: usize = 4;

/// What a path names, percent-decoded by the letter: the router's own decoding replaces what is not UTF-8, so that different ids would
/// become one.
fn named<T: FromStr<Err = Invalid>>(uri: &Uri, field: &str) -> Result<T, Problem> {
    let refuse = |rule: &dyn std::fmt::Display| Problem::field(Code::InvalidField, field, rule);
    let raw = uri.path().split('/').nth(NAMED_SEGMENT).unwrap_or_default();
    let text = percent_decode_str(raw)
        .decode_utf8()
        .map_err(|_| refuse(&"must be percent-encoded UTF-8"))?;
    text.parse().map_err(|invalid: Invalid| refuse(&invalid))
}
