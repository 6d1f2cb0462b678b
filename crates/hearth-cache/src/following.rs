//! Follows the change feed, for as long as the cache lives.

use std::sync::Weak;

use hearth_domain::ports::ChangeFeed;

use crate::slots::Slots;

/// Heeds one notice after the other. Should it ever end early, no heartbeat vouches for memory any more, and nothing in it is trusted.
pub(crate) async fn follow(mut feed: impl ChangeFeed, slots: Weak<Slots>) {
    loop {
        let notice = feed.next().await;
        let Some(slots) = slots.upgrade() else { return };
        slots.heed(&notice);
    }
}
