//! What the change feed tells, applied to the sessions.

use hearth_domain::ConversationKey;
use hearth_domain::ports::{Change, Notice};

use super::Slots;
use crate::own_work::OwnWork;
use crate::statistics::Count;

impl Slots {
    /// Heeds a notice. Notices are heeded one after the other, in the order in which they were told.
    pub(crate) fn heed(&self, notice: &Notice) {
        match notice {
            Notice::Gap => {
                self.statistics.add(Count::Gaps);
                self.freshness.connected();
            }
            Notice::Lost => self.freshness.disconnected(),
            Notice::FreshAsOf(sent) => self.freshness.heartbeat(*sent),
            Notice::Changes(changes) => changes.iter().for_each(|change| self.heed_change(change)),
        }
    }

    fn heed_change(&self, change: &Change) {
        self.statistics.add(Count::Changes);
        match change {
            Change::Committed { key, version, own } => {
                let epoch = self.freshness.epoch();
                if !own || !self.defer(key, |work| work.defer_commit(epoch, *version)) {
                    self.heard_of(key, *version);
                }
            }
            Change::Gone { key, own } => {
                if !own || !self.defer(key, OwnWork::defer_gone) {
                    self.forget(key);
                }
            }
            Change::Foreign(key) => self.invalidate(key),
            Change::Everything => self.freshness.begin_epoch(),
        }
    }

    /// What was done here, and may not have come back yet, is told by itself; the notice is heeded when nothing is under way any more.
    fn defer(&self, key: &ConversationKey, note: impl FnOnce(&mut OwnWork)) -> bool {
        let mut under_way = self.stripe(key).lock();
        under_way.own_work.get_mut(key).map(note).is_some()
    }
}
