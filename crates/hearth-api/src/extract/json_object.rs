//! The body of a request: one JSON object, declared as such, within the limit.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE, UPGRADE};
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use bytes::BytesMut;
use futures_util::StreamExt;
use serde_json::error::Category;
use serde_json::{Map, Value};

use super::fields::Fields;
use super::unambiguous::Unambiguous;
use crate::auth::Pass;
use crate::error::{Code, Problem};
use crate::state::State;

/// Bytes of a body over the limit that are read and thrown away, so that the caller gets to read the answer.
const DISCARDED_BYTES_MAX: usize = 16 << 20;

/// A JSON object that a caller sent.
#[derive(Debug)]
pub struct JsonObject(Map<String, Value>);

impl JsonObject {
    /// Its fields, which may be no others than `known`.
    ///
    /// # Errors
    ///
    /// [`Code::UnknownField`].
    pub fn fields(self, known: &[&str]) -> Result<Fields, Problem> {
        Fields::new(self.0, String::new(), known)
    }
}

impl FromRequest for JsonObject {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = web::Payload::from_request(&request, payload).into_inner();
        Box::pin(async move {
            let (limit, timeout) = request
                .app_data::<web::Data<State>>()
                .map_or((0, Duration::ZERO), |state| {
                    (state.body_bytes_max, state.body_timeout)
                });
            let payload = payload.map_err(|_| malformed())?;
            let body = tokio::time::timeout(timeout, read(&request, payload, limit))
                .await
                .map_err(|_elapsed| too_slow(timeout))??;
            if !is_json(&request) {
                return Err(Problem::new(
                    Code::UnsupportedMediaType,
                    "the body must be declared as Content-Type: application/json",
                ));
            }
            match serde_json::from_slice::<Unambiguous>(&body).map(|Unambiguous(value)| value) {
                Ok(Value::Object(members)) => {
                    if let Some(pass) = request.extensions().get::<Pass>() {
                        pass.check_body(&members)?;
                    }
                    Ok(Self(members))
                }
                Ok(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
                    Err(malformed())
                }
                Err(error) => Err(Problem::new(Code::MalformedJson, explained(&error))),
            }
        })
    }
}

async fn read(request: &HttpRequest, mut payload: web::Payload, limit: usize) -> Result<BytesMut, Problem> {
    let declared = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok());
    if declared.is_some_and(|declared: usize| declared > limit.saturating_add(DISCARDED_BYTES_MAX)) {
        return Err(too_large(limit));
    }
    // The parser hands over whatever follows an offer of another protocol, to the connection's end, as if it were the body.
    let end = declared.filter(|_| request.headers().contains_key(UPGRADE));
    let mut body = BytesMut::with_capacity(declared.unwrap_or(0).min(limit));
    let mut discarded = 0;
    while end.is_none_or(|end| body.len() + discarded < end)
        && let Some(chunk) = payload.next().await
    {
        let mut chunk = chunk.map_err(|_| Problem::new(Code::MalformedJson, "the body broke off"))?;
        chunk.truncate(end.map_or(usize::MAX, |end| end - body.len() - discarded));
        if discarded > 0 || body.len() + chunk.len() > limit {
            discarded += chunk.len();
            if discarded > DISCARDED_BYTES_MAX {
                break;
            }
        } else {
            body.extend_from_slice(&chunk);
        }
    }
    if discarded > 0 {
        return Err(too_large(limit));
    }
    Ok(body)
}

/// Where the body is no JSON, or which rule it breaks; the library's own words may quote the body.
fn explained(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        Category::Data => "names a field twice",
        Category::Io | Category::Syntax | Category::Eof => "is not JSON",
    };
    format!(
        "the body {what}: line {}, column {}",
        error.line(),
        error.column()
    )
}

fn is_json(request: &HttpRequest) -> bool {
    let declared = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = declared
        .and_then(|declared| declared.split(';').next())
        .map(str::trim);
    essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"))
}

fn too_large(limit: usize) -> Problem {
    Problem::new(
        Code::BodyTooLarge,
        format!("the body must be at most {limit} bytes"),
    )
}

fn too_slow(timeout: Duration) -> Problem {
    let detail = format!("the body did not arrive within {} s", timeout.as_secs());
    Problem::new(Code::RequestTimeout, detail)
}

fn malformed() -> Problem {
    Problem::new(Code::MalformedJson, "the body must be a JSON object")
}
