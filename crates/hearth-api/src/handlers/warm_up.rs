//! `POST …/warm-up`, of one session and of many.

use actix_web::{HttpRequest, HttpResponse, web};
use hearth_domain::ports::SessionIndex;

use crate::dto::warm_up::{WarmUpManyResponse, WarmUpRequest, WarmUpResponse, warm_up_request};
use crate::error::Problem;
use crate::extract::{Conversation, JsonObject};
use crate::state::State;

/// Loads one session now.
///
/// # Errors
///
/// A problem; the session is not loaded then.
pub async fn one(state: web::Data<State>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let Conversation { key, .. } = Conversation::of(request.uri(), &[])?;
    let reading = state.cache.warm_up(&key).await?;
    Ok(HttpResponse::Ok().json(WarmUpResponse::new(&key, &reading)))
}

/// Loads many sessions now: those that are named, or the most recently active ones.
///
/// # Errors
///
/// A problem where the request is wrong or the most recent ones cannot be told; sessions that fail are counted.
pub async fn many(state: web::Data<State>, body: JsonObject) -> Result<HttpResponse, Problem> {
    let keys = match warm_up_request(body)? {
        WarmUpRequest::Sessions(keys) => keys,
        WarmUpRequest::Recent(count) => state.store().recent(count).await?,
    };
    let counts = state.cache.warm_up_many(&keys).await;
    Ok(HttpResponse::Ok().json(WarmUpManyResponse::from(counts)))
}
