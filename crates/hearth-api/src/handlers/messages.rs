//! `GET /chatbot/v1/sessions/{id}/messages`: the history from memory, and older pages from the store.

use actix_web::http::header::{CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH, VARY};
use actix_web::{HttpRequest, HttpResponse};
use hearth_cache::Reading;
use hearth_domain::limits::{PAGE_MESSAGES_DEFAULT, PAGE_MESSAGES_MAX};
use hearth_domain::ports::{HistoryStore, PageFrom};
use hearth_domain::{ConversationKey, History, MessageId, Version};

use crate::dto::messages::{history_body, page_body};
use crate::error::{Code, Problem};
use crate::extract::{Conversation, Query};
use crate::state::State;

/// The parameter of [`least_version`].
pub const MIN_VERSION: &str = "min_version";

/// Reads a session's history, or with `before` or `limit` a page of its messages.
///
/// # Errors
///
/// A problem.
pub async fn read(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let state = State::of(&request)?;
    let conversation = Conversation::of(request.uri(), &[MIN_VERSION, "before", "limit"])?;
    let before = conversation.query.number::<i64>("before")?.map(MessageId);
    let limit = conversation.query.limit(PAGE_MESSAGES_MAX)?;
    if before.is_some() || limit.is_some() {
        let from = before.map_or(PageFrom::Newest, PageFrom::Before);
        return page(state, &conversation, from, limit.unwrap_or(PAGE_MESSAGES_DEFAULT)).await;
    }
    let least = least_version(&conversation.query)?;
    let reading = state.cache.history_since(&conversation.key, least).await?;
    Ok(answer(request.headers(), &conversation.key, reading))
}

/// The version that a history must have at least.
///
/// # Errors
///
/// [`Code::MalformedQuery`], [`Code::InvalidField`].
pub fn least_version(query: &Query<'_>) -> Result<Version, Problem> {
    let least = query.number::<u64>(MIN_VERSION)?.unwrap_or(0);
    Version::new(least).map_err(|invalid| Problem::field(Code::InvalidField, MIN_VERSION, invalid))
}

/// A history as the answer to a request with these headers.
#[must_use]
pub fn answer(headers: &HeaderMap, key: &ConversationKey, reading: Reading) -> HttpResponse {
    let etag = etag(reading.history());
    if matches(headers, &etag) {
        return HttpResponse::NotModified()
            .insert_header((ETAG, etag))
            .insert_header((VARY, HeaderValue::from_static("accept-encoding")))
            .finish();
    }
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json")))
        .insert_header((ETAG, etag))
        .body(history_body(key, reading))
}

async fn page(
    state: &State,
    conversation: &Conversation<'_>,
    from: PageFrom,
    limit: u16,
) -> Result<HttpResponse, Problem> {
    if conversation.query.get(MIN_VERSION).is_some() {
        let rule = "goes with a history, not with a page: the store is always asked for one";
        return Err(Problem::field(Code::InvalidField, MIN_VERSION, rule));
    }
    let page = state.store().page(&conversation.key, from, limit).await?;
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json")))
        .body(page_body(&conversation.key, &page)))
}

/// A strong validator of the messages: RFC 9110, section 8.8.3.
fn etag(history: &History) -> HeaderValue {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0');
    let hash = history.etag();
    let mut text = [b'"'; 2 + 2 * 8];
    if let Some(digits) = text.get_mut(1..=2 * hash.len()) {
        for (pair, byte) in digits.chunks_exact_mut(2).zip(hash) {
            pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 0xf)]);
        }
    }
    HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

/// Whether the caller has these messages already: RFC 9110, section 13.1.2, by weak comparison.
fn matches(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let known = headers
        .get_all(IF_NONE_MATCH)
        .filter_map(|value| value.to_str().ok());
    let etag = etag.to_str().unwrap_or_default();
    known
        .flat_map(|value| value.split(','))
        .map(|tag| tag.trim().trim_start_matches("W/"))
        .any(|tag| tag == "*" || tag == etag)
}
