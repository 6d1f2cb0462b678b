//! Health: alive, ready, and the whole picture.

use std::time::Duration;

use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};

use crate::auth::Pass;
use crate::dto::health::{Detailed, Live, Ready, VERSION};
use crate::error::{Code, Problem};
use crate::state::{Phase, State};

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
    match state.readiness() {
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

/// The whole picture; which sessions are loaded is for operators, and of the departments that their key opens.
pub async fn detailed(state: web::Data<State>, request: HttpRequest) -> HttpResponse {
    let latency = ping(&state).await;
    let covered = state
        .coherence
        .covers_foreign_writers(state.store(), &*state.clock);
    let covered = covered.await;
    let performance = state.cache.performance();
    let mut recently_used = state.cache.recently_used(SESSIONS_NAMED_MAX);
    if let Some(Pass { caller, .. }) = request.extensions().get() {
        recently_used.retain(|key| caller.is_admin() && caller.may_name(&key.department));
    }
    HttpResponse::Ok().json(Detailed::new(
        &performance,
        state.store(),
        latency,
        state.chat.model_status(),
        state.phase() == Phase::Draining,
        covered,
        &recently_used,
    ))
}

/// How long the store took to answer, if it did.
async fn ping(state: &State) -> Option<Duration> {
    state.ping.latency(state.store(), &*state.clock).await
}
