//! Health: alive, ready, and the whole picture.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use hearth_domain::ports::HistoryStore;

use crate::dto::health::{Detailed, Live, Ready, VERSION};
use crate::error::{Code, Problem};
use crate::state::{Phase, State};

/// How long a health check waits for the store.
const PING_TIMEOUT: Duration = Duration::from_secs(1);

/// Loaded sessions that the detailed picture names.
const SESSIONS_NAMED_MAX: usize = 100;

/// Says that the process serves.
pub async fn live() -> HttpResponse {
    HttpResponse::Ok().json(Live {
        status: "ok",
        version: VERSION,
    })
}

/// Says whether the process should get traffic. A store that is lost is no reason not to: all replicas would go at once.
///
/// # Errors
///
/// [`Code::Starting`], [`Code::ShuttingDown`].
pub async fn ready(state: web::Data<State>) -> Result<HttpResponse, Problem> {
    match state.phase() {
        Phase::Starting => {
            return Err(Problem::new(
                Code::Starting,
                "the server loads its most recent sessions first",
            ));
        }
        Phase::Serving => {}
        Phase::Draining => return Err(Problem::new(Code::ShuttingDown, "the server is stopping")),
    }
    let degraded = ping(&state).await.is_none();
    Ok(HttpResponse::Ok().json(Ready {
        status: "ready",
        degraded,
    }))
}

/// The whole picture.
pub async fn detailed(state: web::Data<State>) -> HttpResponse {
    let latency = ping(&state).await;
    let performance = state.cache.performance();
    let recently_used = state.cache.recently_used(SESSIONS_NAMED_MAX);
    HttpResponse::Ok().json(Detailed::new(
        &performance,
        state.store(),
        latency,
        state.phase() == Phase::Draining,
        &recently_used,
    ))
}

/// How long the store took to answer, if it did.
async fn ping(state: &State) -> Option<Duration> {
    let began = state.clock.now();
    tokio::time::timeout(PING_TIMEOUT, state.store().ping())
        .await
        .ok()?
        .ok()?;
    Some(state.clock.now().saturating_sub(began))
}
