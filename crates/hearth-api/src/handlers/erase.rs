//! `DELETE` of a session and of a user.

use actix_web::{HttpRequest, HttpResponse, web};
use hearth_domain::ConversationKey;
use serde_json::json;

use crate::error::Problem;
use crate::extract::{Conversation, Query};
use crate::state::State;

/// Erases a session, in the store and in memory.
///
/// # Errors
///
/// A problem; nothing is erased then, unless it says that it cannot tell.
pub async fn session(state: web::Data<State>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let Conversation { key, .. } = Conversation::of(request.uri(), &[])?;
    state.chat.stop_turns(|turn| *turn == key).await;
    // Before it, too: the erase goes on where the caller leaves, and this does not.
    state.chat.forget_streams(|stream| *stream == key);
    state.cache.erase(key.clone()).await?;
    state.chat.forget_streams(|stream| *stream == key);
    Ok(HttpResponse::NoContent().finish())
}

/// Erases all sessions of a user, and says how many had messages.
///
/// # Errors
///
/// As [`session`].
pub async fn user(state: web::Data<State>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let department = Query::of(request.query_string(), &["department"])?.department()?;
    let user = Conversation::user(request.uri())?;
    let is_theirs = |key: &ConversationKey| key.department == department && key.user == user;
    state.chat.stop_turns(is_theirs).await;
    state.chat.forget_streams(is_theirs);
    let erased = state.cache.erase_user(department.clone(), user.clone()).await?;
    state.chat.forget_streams(is_theirs);
    Ok(HttpResponse::Ok().json(json!({ "erased": erased })))
}
