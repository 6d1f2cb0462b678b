//! `GET /chatbot/v1/performance`.

use actix_web::{HttpResponse, web};

use crate::dto::performance::PerformanceResponse;
use crate::state::State;

/// What the cache counted since the start.
pub async fn performance(state: web::Data<State>) -> HttpResponse {
    let performance = state.cache.performance();
    HttpResponse::Ok().json(PerformanceResponse::new(
        &performance,
        state.store(),
        state.coherence.feed(),
    ))
}
