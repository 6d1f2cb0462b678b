//! The ids of requests: callers may choose their own, and every response names one.

use std::cell::Cell;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

/// The header that has a request's id, both ways.
pub static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Characters in a request id that a caller sends, at most.
const REQUEST_ID_CHARS_MAX: usize = 128;

/// The ids that a worker gives: random once, and counted from there, so that no id costs a call of the system or a lock.
#[derive(Debug)]
pub struct RequestIds {
    worker: u64,
    given: Cell<u64>,
}

impl RequestIds {
    /// Those of a worker that starts.
    #[must_use]
    pub fn generate() -> Self {
        let (_, random) = Uuid::now_v7().as_u64_pair();
        Self {
            worker: random,
            given: Cell::new(0),
        }
    }

    /// The id of a request with these headers: the caller's, where it sent a sane one, else the next of ours.
    #[must_use]
    pub fn of(&self, headers: &HeaderMap) -> HeaderValue {
        sane_id(headers).unwrap_or_else(|| self.next())
    }

    /// The next one of ours.
    #[must_use]
    pub fn next(&self) -> HeaderValue {
        let given = self.given.get();
        self.given.set(given.wrapping_add(1));
        let id = Uuid::from_u64_pair(self.worker, given);
        let mut buffer = Uuid::encode_buffer();
        let text = id.simple().encode_lower(&mut buffer);
        HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("none"))
    }
}

/// The caller's id, if it is a sane one.
fn sane_id(headers: &HeaderMap) -> Option<HeaderValue> {
    let id = headers.get(&X_REQUEST_ID)?;
    let text = id.to_str().ok()?;
    let sane = !text.is_empty()
        && text.len() <= REQUEST_ID_CHARS_MAX
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte));
    sane.then(|| id.clone())
}
