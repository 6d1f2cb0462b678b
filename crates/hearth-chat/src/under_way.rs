//! The turns under way on this replica, so that an erase can stop them: what would be kept of them is not asked for any longer.

use std::collections::HashMap;
use std::sync::Arc;

use hearth_domain::ConversationKey;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

/// The turns under way.
#[derive(Debug, Default)]
pub(crate) struct TurnsUnderWay {
    turns: Mutex<Turns>,
    one_ended: Notify,
}

#[derive(Debug, Default)]
struct Turns {
    next: u64,
    under_way: HashMap<u64, (ConversationKey, watch::Sender<bool>)>,
}

/// A turn among those under way, until it is dropped.
#[derive(Debug)]
pub(crate) struct UnderWay {
    turns: Arc<TurnsUnderWay>,
    number: u64,
    is_stopped: watch::Receiver<bool>,
}

impl TurnsUnderWay {
    /// Counts a turn in.
    pub(crate) fn begin(self: &Arc<Self>, key: &ConversationKey) -> UnderWay {
        let (stop, is_stopped) = watch::channel(false);
        let mut turns = self.turns.lock();
        let number = turns.next;
        turns.next += 1;
        turns.under_way.insert(number, (key.clone(), stop));
        drop(turns);
        UnderWay {
            turns: Arc::clone(self),
            number,
            is_stopped,
        }
    }

    /// Stops turns, and waits until the last of them has ended: those that are being committed are not cut off.
    pub(crate) async fn stop(&self, is_meant: impl Fn(&ConversationKey) -> bool) {
        let stopped = self.tell_to_stop(is_meant);
        loop {
            let ended = self.one_ended.notified();
            tokio::pin!(ended);
            // From here on no end goes unnoticed.
            ended.as_mut().enable();
            if self.have_ended(&stopped) {
                return;
            }
            ended.await;
        }
    }

    fn tell_to_stop(&self, is_meant: impl Fn(&ConversationKey) -> bool) -> Vec<u64> {
        let turns = self.turns.lock();
        let meant = turns.under_way.iter().filter(|(_, (key, _))| is_meant(key));
        meant
            .map(|(number, (_, stop))| {
                stop.send_replace(true);
                *number
            })
            .collect()
    }

    fn have_ended(&self, numbers: &[u64]) -> bool {
        let turns = self.turns.lock();
        !numbers.iter().any(|number| turns.under_way.contains_key(number))
    }
}

impl UnderWay {
    /// Waits until the turn is told to stop; for ever where it never is.
    pub(crate) async fn stopped(&self) {
        let mut is_stopped = self.is_stopped.clone();
        if is_stopped.wait_for(|stopped| *stopped).await.is_err() {
            std::future::pending().await
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let ended = self.turns.turns.lock().under_way.remove(&self.number);
        drop(ended);
        self.turns.one_ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    fn key(session: &str) -> ConversationKey {
        ConversationKey::parse("d", "u", session).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_reaches_the_turns_that_are_meant_and_waits_for_their_ends() {
        let turns = Arc::<TurnsUnderWay>::default();
        let meant = turns.begin(&key("1"));
        let other = turns.begin(&key("2"));
        let wait = Duration::from_secs(1);
        assert!(
            timeout(wait, turns.stop(|key| key.session.as_str() == "1"))
                .await
                .is_err(),
            "one runs"
        );
        assert!(timeout(wait, meant.stopped()).await.is_ok());
        assert!(timeout(wait, other.stopped()).await.is_err());
        drop(meant);
        assert!(
            timeout(wait, turns.stop(|key| key.session.as_str() == "1"))
                .await
                .is_ok()
        );
    }
}
