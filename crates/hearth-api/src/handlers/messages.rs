//! `GET /chatbot/v1/sessions/{id}/messages`: the history from memory, and older pages from the store.

use actix_web::http::header::{CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse};
use hearth_domain::limits::{PAGE_MESSAGES_DEFAULT, PAGE_MESSAGES_MAX};
use hearth_domain::ports::{HistoryStore, PageFrom};
use hearth_domain::{History, MessageId, Version};

use crate::dto::messages::{history_body, page_body};
use crate::error::{Code, Problem};
use crate::extract::Conversation;
use crate::state::State;

/// Reads a session's history, or with `before` or `limit` a page of its messages.
///
/// # Errors
///
/// A problem.
pub async fn read(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let state = State::of(&request)?;
    let conversation = Conversation::of(&request, &["min_version", "before", "limit"])?;
    let before = conversation.query.number::<i64>("before")?.map(MessageId);
    let limit = conversation.query.limit(PAGE_MESSAGES_MAX)?;
    if before.is_some() || limit.is_some() {
        let from = before.map_or(PageFrom::Newest, PageFrom::Before);
        return page(state, &conversation, from, limit.unwrap_or(PAGE_MESSAGES_DEFAULT)).await;
    }
    let least = conversation.query.number::<u64>("min_version")?.unwrap_or(0);
    let least =
        Version::new(least).map_err(|invalid| Problem::field(Code::InvalidField, "min_version", invalid))?;
    let reading = state.cache.history_since(&conversation.key, least).await?;
    let etag = etag(reading.history());
    if matches(&request, &etag) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, etag)).finish());
    }
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json")))
        .insert_header((ETAG, etag))
        .body(history_body(&conversation.key, reading)))
}

async fn page(
    state: &State,
    conversation: &Conversation<'_>,
    from: PageFrom,
    limit: u16,
) -> Result<HttpResponse, Problem> {
    if conversation.query.get("min_version").is_some() {
        let rule = "goes with a history, not with a page: the store is always asked for one";
        return Err(Problem::field(Code::InvalidField, "min_version", rule));
    }
    let page = state.store().page(&conversation.key, from, limit).await?;
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json")))
        .body(page_body(&conversation.key, &page)))
}

/// A strong validator of the messages: RFC 9110, section 8.8.3.
fn etag(history: &History) -> HeaderValue {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    let mut text = String::with_capacity(34);
    text.push('"');
    for byte in history.etag() {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 0xf));
    }
    text.push('"');
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

/// Whether the caller has these messages already: RFC 9110, section 13.1.2, by weak comparison.
fn matches(request: &HttpRequest, etag: &HeaderValue) -> bool {
    let known = request
        .headers()
        .get_all(IF_NONE_MATCH)
        .filter_map(|value| value.to_str().ok());
    let etag = etag.to_str().unwrap_or_default();
    known
        .flat_map(|value| value.split(','))
        .map(|tag| tag.trim().trim_start_matches("W/"))
        .any(|tag| tag == "*" || tag == etag)
}
