//! Idle sessions: a sweep that looks at one session after the other, and never stops the others.

use std::sync::{Arc, Weak};
use std::time::Duration;

use hearth_domain::ports::Clock;

use crate::slots::Slots;

/// Sessions that a sweep looks at before it lets other tasks run.
const SWEEP_STEP: usize = 256;

/// Sweeps for as long as the cache lives, four times in the time after which a session is idle, once a minute at least.
pub(crate) async fn sweep_for_ever(slots: Weak<Slots>, clock: Arc<dyn Clock>, idle: Duration) {
    let pause = (idle / 4).clamp(Duration::from_millis(100), Duration::from_mins(1));
    loop {
        tokio::time::sleep(pause).await;
        let Some(slots) = slots.upgrade() else { return };
        let expired = sweep(&slots, &*clock, idle).await;
        if expired > 0 {
            tracing::debug!(expired, "idle sessions left memory");
        }
    }
}

/// Looks at every session once, and says how many were idle.
pub(crate) async fn sweep(slots: &Slots, clock: &dyn Clock, idle: Duration) -> usize {
    let mut expired = 0;
    for (index, (key, session)) in slots.memory.iter().enumerate() {
        if session.is_idle(clock.now(), idle) && slots.expire(&key, &session) {
            expired += 1;
        }
        if index % SWEEP_STEP == SWEEP_STEP - 1 {
            tokio::task::yield_now().await;
        }
    }
    expired
}
