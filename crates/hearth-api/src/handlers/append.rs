//! `POST /chatbot/v1/sessions/{id}/messages`.

use actix_web::{HttpRequest, HttpResponse, web};
use hearth_domain::Append;

use crate::dto::turn::{AppendResponse, append_request};
use crate::error::Problem;
use crate::extract::{Conversation, JsonObject};
use crate::state::State;

/// Appends a turn without a model; it is committed when this answers.
///
/// # Errors
///
/// A problem; nothing was committed then, unless its outcome is `unknown`.
pub async fn append(
    state: web::Data<State>,
    request: HttpRequest,
    body: JsonObject,
) -> Result<HttpResponse, Problem> {
    let Conversation { key, .. } = Conversation::of(&request, &[])?;
    let append = append_request(body)?;
    let turn = append.turn.id();
    let append = Append {
        key: key.clone(),
        turn: append.turn,
        if_version: append.if_version,
        read_version: None,
        completes: None,
    };
    let committed = state.cache.append(append).await?;
    Ok(HttpResponse::Created().json(AppendResponse::new(&key, turn, &committed)))
}
