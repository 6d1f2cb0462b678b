//! What was heard and not yet asked for: bounded, and honest about what it had to drop.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hearth_domain::ports::Notice;
use tokio::sync::Notify;

/// Between the task that listens, which never waits, and the one consumer.
pub(super) struct Mailbox {
    notices: Mutex<VecDeque<Notice>>,
    arrived: Notify,
    capacity: usize,
}

impl Mailbox {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            notices: Mutex::default(),
            arrived: Notify::new(),
            capacity,
        }
    }

    /// Puts a notice last. Where there is no room for it, it and all before it give way to one [`Notice::Gap`], and false is returned.
    pub(super) fn put(&self, notice: Notice) -> bool {
        let has_room = put_into(&mut self.lock(), notice, self.capacity);
        self.arrived.notify_one();
        has_room
    }

    /// Takes the first notice, when there is one. Nothing is lost where the caller stops waiting. For one consumer only.
    pub(super) async fn take(&self) -> Notice {
        loop {
            let first = self.lock().pop_front();
            match first {
                Some(notice) => return notice,
                None => self.arrived.notified().await,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Notice>> {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn put_into(notices: &mut VecDeque<Notice>, notice: Notice, capacity: usize) -> bool {
    // The newer of two heartbeats says all that the older one said.
    let is_heartbeat = |notice: &Notice| matches!(notice, Notice::FreshAsOf(_));
    if is_heartbeat(&notice)
        && let Some(last) = notices.back_mut()
        && is_heartbeat(last)
    {
        *last = notice;
        return true;
    }
    if notices.len() < capacity {
        notices.push_back(notice);
        return true;
    }
    notices.clear();
    notices.push_back(Notice::Gap);
    // Without this one, what comes next would pass for news of a source that is there.
    if notice == Notice::Lost {
        notices.push_back(notice);
    }
    false
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;
    use hearth_domain::ports::Change;

    use super::*;

    fn everything() -> Notice {
        Notice::Changes(vec![Change::Everything])
    }

    fn fresh(seconds: u64) -> Notice {
        Notice::FreshAsOf(Duration::from_secs(seconds))
    }

    fn all(mailbox: &Mailbox) -> Vec<Notice> {
        std::iter::from_fn(|| mailbox.take().now_or_never()).collect()
    }

    #[test]
    fn notices_come_in_order_and_once() {
        let mailbox = Mailbox::new(4);
        for notice in [Notice::Gap, fresh(1), everything(), fresh(2)] {
            assert!(mailbox.put(notice));
        }
        assert_eq!(all(&mailbox), [Notice::Gap, fresh(1), everything(), fresh(2)]);
        assert_eq!(all(&mailbox), []);
    }

    #[test]
    fn of_heartbeats_in_a_row_the_newest_is_told() {
        let mailbox = Mailbox::new(2);
        for notice in [everything(), fresh(1), fresh(2), fresh(3)] {
            assert!(mailbox.put(notice));
        }
        assert_eq!(all(&mailbox), [everything(), fresh(3)]);
    }

    #[test]
    fn what_there_is_no_room_for_becomes_a_gap() {
        let mailbox = Mailbox::new(2);
        assert!(mailbox.put(fresh(1)));
        assert!(mailbox.put(everything()));
        assert!(!mailbox.put(everything()));
        assert!(mailbox.put(fresh(2)));
        assert_eq!(all(&mailbox), [Notice::Gap, fresh(2)]);
    }

    #[test]
    fn a_loss_is_told_without_room_too() {
        let mailbox = Mailbox::new(1);
        assert!(mailbox.put(everything()));
        assert!(!mailbox.put(Notice::Lost));
        assert_eq!(all(&mailbox), [Notice::Gap, Notice::Lost]);
    }

    #[tokio::test]
    async fn who_waits_is_woken() {
        let mailbox = Mailbox::new(1);
        let (taken, _) = tokio::join!(mailbox.take(), async { mailbox.put(Notice::Gap) });
        assert_eq!(taken, Notice::Gap);
    }
}
