//! Around every request: its id, the bodies of problems, and the log line of a failure.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, ResponseError as _};
use uuid::Uuid;

use crate::error::{Code, Problem};

static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Characters in a request id that a caller sends, at most.
const REQUEST_ID_CHARS_MAX: usize = 128;

/// Gives every response an `X-Request-Id`, the caller's where it sent a sane one, and every problem its body.
///
/// # Errors
///
/// Those of the services inside that are no response; Hearth has none.
pub async fn request_context(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let id = sane_id(&request).unwrap_or_else(new_id);
    // What fails in handlers and extractors is a response by now, with its problem among the extensions.
    let response = next.call(request).await?.map_into_boxed_body();
    let mut response = with_problem_body(response, id.to_str().unwrap_or_default());
    response.headers_mut().insert(X_REQUEST_ID.clone(), id);
    Ok(response)
}

fn with_problem_body(response: ServiceResponse<BoxBody>, id: &str) -> ServiceResponse<BoxBody> {
    let problem = response.response().extensions().get::<Problem>().cloned();
    match (problem, response.response().error()) {
        (Some(problem), _) => {
            log(&problem, id);
            response.map_body(|_, _| BoxBody::new(problem.to_json(id)))
        }
        // Whatever is not refused by Hearth's own code is a defect of it.
        (None, Some(error)) => {
            let problem = Problem::new(Code::Internal, "the server failed").with_cause(error.to_string());
            log(&problem, id);
            let body = BoxBody::new(problem.to_json(id));
            let (request, _) = response.into_parts();
            ServiceResponse::new(request, problem.error_response().set_body(body))
        }
        (None, None) => response,
    }
}

/// A failure is logged once, here; a refusal is the caller's to mend, and logged for whoever looks for it.
fn log(problem: &Problem, request_id: &str) {
    let code = problem.code().as_str();
    let cause = problem.cause();
    if problem.code().status().is_server_error() {
        tracing::error!(request_id, code, cause, "request failed");
    } else {
        tracing::debug!(request_id, code, cause, "request refused");
    }
}

fn sane_id(request: &ServiceRequest) -> Option<HeaderValue> {
    let id = request.headers().get(&X_REQUEST_ID)?;
    let text = id.to_str().ok()?;
    let sane = !text.is_empty()
        && text.len() <= REQUEST_ID_CHARS_MAX
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte));
    sane.then(|| id.clone())
}

fn new_id() -> HeaderValue {
    let mut buffer = Uuid::encode_buffer();
    let text = Uuid::now_v7().hyphenated().encode_lower(&mut buffer);
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("none"))
}
