//! `GET /metrics`.

use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpResponse, web};

use crate::metrics::{self, scrape};
use crate::state::State;

/// Every figure of the server, for Prometheus.
pub async fn metrics(state: web::Data<State>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, metrics::CONTENT_TYPE))
        .body(scrape(&state))
}
