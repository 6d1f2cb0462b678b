//! What was kept for repeats is forgotten in time: in the store in small steps, and here.

use std::sync::Weak;
use std::time::Duration;

use hearth_domain::ports::{HistoryStore, RequestLog};

use crate::chat::Room;

/// Between two rounds. All replicas take part, each with its own.
const PAUSE: Duration = Duration::from_mins(1);

/// Between two steps of a round, so that it never keeps the store busy.
const STEP_PAUSE: Duration = Duration::from_millis(50);

/// Requests that one step forgets, at most.
const STEP: u16 = 500;

/// Forgets what is old for as long as the chat lives.
pub(crate) async fn forget_for_ever<S: HistoryStore + RequestLog>(room: Weak<Room<S>>) {
    loop {
        tokio::time::sleep(PAUSE.mul_f64(fastrand::f64().mul_add(0.5, 0.75))).await;
        while forget_step(&room).await {
            tokio::time::sleep(STEP_PAUSE).await;
        }
        if room.strong_count() == 0 {
            return;
        }
    }
}

/// One step; says whether there may be more to forget.
async fn forget_step<S: HistoryStore + RequestLog>(room: &Weak<Room<S>>) -> bool {
    let Some(room) = room.upgrade() else { return false };
    room.held.forget_old();
    room.hub.forget_old();
    let age = room.config.request_age_max;
    match room.cache.store().forget_requests(age, STEP).await {
        Ok(forgotten) => {
            if forgotten > 0 {
                tracing::debug!(forgotten, "old requests were forgotten");
            }
            forgotten >= usize::from(STEP)
        }
        Err(error) => {
            tracing::debug!(%error, "old requests were not forgotten; it is tried again later");
            false
        }
    }
}
