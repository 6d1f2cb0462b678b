//! The contract for machines, and a page to try it: all of it from the binary.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use actix_web::http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, LOCATION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use utoipa_swagger_ui::Config;

use crate::error::{Code, Problem};
use crate::openapi::document;

/// Where the document is.
const DOCUMENT_PATH: &str = "/chatbot/openapi.json";

/// The page runs its own scripts and asks this server alone; its styles are partly written into it.
const PAGE_POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                           frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// Both are the same for the life of the process.
static DOCUMENT: LazyLock<Bytes> =
    LazyLock::new(|| Bytes::from(serde_json::to_vec(&document()).unwrap_or_default()));

static PAGE: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| Arc::new(Config::from(DOCUMENT_PATH)));

/// The OpenAPI document.
pub async fn openapi() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json")))
        .body(DOCUMENT.clone())
}

/// Leads to the page, whose files are beside it.
pub async fn page() -> HttpResponse {
    HttpResponse::PermanentRedirect()
        .insert_header((LOCATION, HeaderValue::from_static("/chatbot/docs/")))
        .finish()
}

/// A file of the page.
///
/// # Errors
///
/// [`Code::NotFound`].
pub async fn file(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let name = request.match_info().query("file");
    let missing = || Problem::new(Code::NotFound, "there is nothing at this path");
    let found = utoipa_swagger_ui::serve(name, Arc::clone(&PAGE))
        .map_err(|error| Problem::new(Code::Internal, "the server failed").with_cause(error.to_string()))?;
    let file = found.ok_or_else(missing)?;
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, file.content_type))
        .insert_header((CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY)))
        .insert_header((X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")))
        .insert_header((REFERRER_POLICY, HeaderValue::from_static("no-referrer")))
        .body(match file.bytes {
            Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            Cow::Owned(bytes) => bytes.into(),
        }))
}
