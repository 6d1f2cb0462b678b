//! `POST /chatbot/v1/chat`.

use actix_web::http::header::{ACCEPT, HeaderMap};
use actix_web::{HttpRequest, HttpResponse, web};
use hearth_chat::{ChatRequest, Idempotency, Timings};

use crate::dto::chat::{Asked, ChatResponse, chat_hash, chat_request};
use crate::error::Problem;
use crate::extract::{JsonObject, idempotency_key};
use crate::spans;
use crate::state::State;
use crate::streaming::{Opening, StreamStart, event_stream};

/// Answers a query from its history, and keeps the turn.
///
/// # Errors
///
/// A problem; nothing was kept then, unless its outcome is `unknown`.
pub async fn chat(
    state: web::Data<State>,
    request: HttpRequest,
    body: JsonObject,
) -> Result<HttpResponse, Problem> {
    let key = idempotency_key(request.headers())?;
    let Asked {
        request: asked,
        stream,
    } = chat_request(body)?;
    let idempotency = key.map(|key| Idempotency {
        key,
        body: chat_hash(&asked),
    });
    let asked = ChatRequest {
        idempotency,
        observer: spans::observer(&state, &request),
        ..asked
    };
    if stream || accepts_events(request.headers()) {
        let opening = Opening::of(state.chat.stream(asked)).await?;
        return Ok(event_stream(&state, &request, StreamStart::opened(opening)));
    }
    let answered = state.chat.answer(asked).await?;
    let mut response = HttpResponse::Ok();
    response.insert_header(("Server-Timing", server_timing(&answered.answer.timings)));
    if answered.replayed {
        response.insert_header(("Idempotent-Replayed", "true"));
    }
    Ok(response.json(ChatResponse::from(&answered.answer)))
}

/// Whether the caller names event streams among what it takes; `*/*` names none.
fn accepts_events(headers: &HeaderMap) -> bool {
    let ranges = headers
        .get_all(&ACCEPT)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    ranges.into_iter().any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let named = parts
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case("text/event-stream"));
        named && !parts.any(is_refusal)
    })
}

/// A weight of zero: RFC 9110, section 12.4.2.
fn is_refusal(parameter: &str) -> bool {
    let weight = parameter.split_once('=');
    weight.is_some_and(|(name, weight)| {
        name.trim().eq_ignore_ascii_case("q") && weight.trim().parse() == Ok(0.0)
    })
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

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn who_names_event_streams_gets_one() {
        let accepts = |value| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(value));
            accepts_events(&headers)
        };
        assert!(!accepts_events(&HeaderMap::new()));
        for (value, accepted) in [
            ("text/event-stream", true),
            ("Text/Event-Stream; charset=utf-8", true),
            ("application/json, text/event-stream;q=0.5", true),
            ("text/event-stream; q=0", false),
            ("text/event-stream;q=0.000", false),
            ("*/*", false),
            ("text/*", false),
            ("application/json", false),
        ] {
            assert_eq!(accepts(value), accepted, "{value}");
        }
    }
}
