//! `POST /chatbot/v1/chat`.

use actix_web::{HttpResponse, web};
use hearth_chat::Timings;

use crate::dto::chat::{ChatResponse, chat_request};
use crate::error::Problem;
use crate::extract::JsonObject;
use crate::state::State;

/// Answers a query from its history, and keeps the turn.
///
/// # Errors
///
/// A problem; nothing was kept then, unless its outcome is `unknown`.
pub async fn chat(state: web::Data<State>, body: JsonObject) -> Result<HttpResponse, Problem> {
    let request = chat_request(body)?;
    let answer = state.chat.answer(request).await?;
    Ok(HttpResponse::Ok()
        .insert_header(("Server-Timing", server_timing(&answer.timings)))
        .json(ChatResponse::from(&answer)))
}

fn server_timing(timings: &Timings) -> String {
    let milliseconds = |time: std::time::Duration| time.as_secs_f64() * 1e3;
    format!(
        "history;dur={:.3}, model;dur={:.3}, commit;dur={:.3}",
        milliseconds(timings.history),
        milliseconds(timings.model),
        milliseconds(timings.commit),
    )
}
