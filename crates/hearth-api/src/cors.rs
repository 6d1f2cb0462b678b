//! Web pages that may call from a browser: none, unless `server.cors_origins` names them.

use actix_cors::{Cors, CorsError};
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::{Condition, Next};
use actix_web::{Error, HttpResponse};

use crate::settings::Origins;

/// Seconds for which a browser may remember what it was told.
const MAX_AGE_SECONDS: usize = 600;

/// What a page may send beside what every page may.
const REQUEST_HEADERS: [&str; 9] = [
    "accept",
    "authorization",
    "content-type",
    "idempotency-key",
    "if-none-match",
    "last-event-id",
    "traceparent",
    "tracestate",
    "x-request-id",
];

/// What a page gets to see beside what every page does.
const RESPONSE_HEADERS: [&str; 9] = [
    "etag",
    "idempotent-replayed",
    "ratelimit-limit",
    "ratelimit-remaining",
    "ratelimit-reset",
    "retry-after",
    "server-timing",
    "www-authenticate",
    "x-request-id",
];

/// Tells browsers which pages may call. Cookies are not for them to send: Hearth has none.
#[must_use]
pub fn cors(origins: &Origins) -> Condition<Cors> {
    let named = origins.as_slice();
    let cors = named
        .iter()
        .fold(Cors::default(), |cors, origin| cors.allowed_origin(origin))
        .allowed_methods([Method::GET, Method::HEAD, Method::POST, Method::DELETE])
        .allowed_headers(REQUEST_HEADERS)
        .expose_headers(RESPONSE_HEADERS)
        .max_age(MAX_AGE_SECONDS)
        .block_on_origin_mismatch(false);
    Condition::new(!named.is_empty(), cors)
}

/// Answers a browser's question that is refused with nothing: what is not there is what keeps the page out, and it is no failure of ours.
///
/// # Errors
///
/// Those of the services inside.
pub async fn refused_question(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let response = next.call(request).await?.map_into_boxed_body();
    let refused = response.response().error();
    if refused.is_some_and(|error| error.as_error::<CorsError>().is_some()) {
        return Ok(response.into_response(HttpResponse::NoContent().finish()));
    }
    Ok(response)
}
