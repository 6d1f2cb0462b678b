//! `POST /chatbot/v1/sessions/{id}/messages`.

use actix_web::{HttpRequest, HttpResponse, web};
use hearth_chat::{AppendRequest, Idempotency};

use crate::dto::turn::{AppendResponse, append_hash, append_request};
use crate::error::Problem;
use crate::extract::{Conversation, JsonObject, idempotency_key};
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
    let Conversation { key, .. } = Conversation::of(request.uri(), &[])?;
    let idempotency_key = idempotency_key(request.headers())?;
    let append = append_request(body)?;
    let idempotency = idempotency_key.map(|idempotency_key| Idempotency {
        key: idempotency_key,
        body: append_hash(&key, &append),
    });
    let request = AppendRequest {
        key: key.clone(),
        turn: append.turn,
        if_version: append.if_version,
        idempotency,
    };
    let appended = state.chat.append(request).await?;
    let mut response = HttpResponse::Created();
    if appended.replayed {
        response.insert_header(("Idempotent-Replayed", "true"));
    }
    Ok(response.json(AppendResponse::new(&key, appended.turn, &appended.committed)))
}
