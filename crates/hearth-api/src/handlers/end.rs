//! `POST /chatbot/v1/sessions/{id}/end`.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::error::Problem;
use crate::extract::Conversation;
use crate::state::State;

/// Notes that a session is over: its memory is released, its rows are kept.
///
/// # Errors
///
/// A problem; the session goes on then.
pub async fn end(state: web::Data<State>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let Conversation { key, .. } = Conversation::of(request.uri(), &[])?;
    state.cache.end(key).await?;
    Ok(HttpResponse::NoContent().finish())
}
