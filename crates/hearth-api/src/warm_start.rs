//! The warm start: the most recently active sessions are loaded before the server reports ready. It is never a reason not to start.

use std::time::Duration;

use hearth_cache::WarmUp;
use hearth_domain::ports::SessionIndex;

use crate::state::State;

/// Sessions that are loaded between two looks at the time.
const STEP: usize = 512;

/// Between two lines of progress in the log.
const PROGRESS_PAUSE: Duration = Duration::from_secs(1);

/// Loads the `count` most recently active sessions, as far as the store can be asked.
pub async fn warm_start(state: &State, count: u16) {
    let keys = match state.store().recent(count).await {
        Ok(keys) => keys,
        Err(error) => {
            tracing::warn!(%error, "warm start skipped: the most recent sessions cannot be told");
            return;
        }
    };
    let began = state.clock.now();
    let mut told = began;
    let mut total = WarmUp::default();
    for step in keys.chunks(STEP) {
        let counts = state.cache.warm_up_many(step).await;
        total.found += counts.found;
        total.new += counts.new;
        total.failed += counts.failed;
        if counts.failed == step.len() {
            tracing::warn!("warm start broken off: the store cannot be asked");
            break;
        }
        let now = state.clock.now();
        if now.saturating_sub(told) >= PROGRESS_PAUSE {
            told = now;
            tracing::info!(loaded = total.found, of = keys.len(), "warm start goes on");
        }
    }
    let seconds = state.clock.now().saturating_sub(began).as_secs_f64();
    tracing::info!(
        loaded = total.found,
        failed = total.failed,
        seconds,
        "warm start done"
    );
}
