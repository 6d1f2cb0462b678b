//! The model's part of the change feed: what it has yet to tell, and until when it vouches for memory.

use std::time::Duration;

use chrono::DateTime;
use hearth_domain::ports::{Change, Clock, Notice};
use hearth_domain::{ConversationKey, MessageId, MessageView, Role, Status};
use hearth_testkit::manual_feed::Teller;

use super::step::FeedStep;
use super::{Session, World};
use crate::setup::version;

/// The age past which nothing in memory is trusted.
pub(super) const BOUND: Duration = Duration::from_secs(3);

/// A change that the feed has yet to tell of.
struct Untold {
    /// The session.
    number: usize,
    /// The state that the change brought about.
    state: usize,
    change: Change,
}

/// The change feed.
pub(super) struct Feed {
    teller: Teller,
    connected: bool,
    newest_heartbeat: Option<Duration>,
    untold: Vec<Untold>,
}

impl Feed {
    pub(super) const fn new(teller: Teller) -> Self {
        Self {
            teller,
            connected: false,
            newest_heartbeat: None,
            untold: Vec::new(),
        }
    }

    /// Notes a change; while the source is lost nobody hears of it.
    fn note(&mut self, number: usize, state: usize, change: Change) {
        if self.connected {
            self.untold.push(Untold {
                number,
                state,
                change,
            });
        }
    }

    const fn is_connected(&self) -> bool {
        self.connected
    }

    fn trusts(&self, now: Duration) -> bool {
        self.newest_heartbeat
            .is_some_and(|newest| now.saturating_sub(newest) <= BOUND)
    }

    /// Tells of all that happened, in that order.
    async fn tell_all(&mut self) -> Vec<Untold> {
        let told = std::mem::take(&mut self.untold);
        for untold in &told {
            self.teller.tell_change(untold.change.clone()).await;
        }
        told
    }

    async fn tell_of_everything(&self) {
        self.teller.tell_change(Change::Everything).await;
    }

    async fn heartbeat(&mut self, now: Duration) {
        self.teller.tell(Notice::FreshAsOf(now)).await;
        self.newest_heartbeat = Some(now);
    }

    async fn is_lost(&mut self) {
        self.untold.clear();
        self.connected = false;
        self.teller.tell(Notice::Lost).await;
    }

    async fn listens_anew(&mut self) {
        self.untold.clear();
        self.connected = true;
        self.teller.tell(Notice::Gap).await;
    }
}

pub(super) fn gone(key: &ConversationKey, own: bool) -> Change {
    Change::Gone {
        key: key.clone(),
        own,
    }
}

impl World {
    /// The feed has a change to tell of, which brought about the session's newest state.
    pub(super) fn is_to_tell(&mut self, number: usize, change: Change) {
        let state = self.sessions[number].newest();
        if let Some(feed) = &mut self.feed {
            feed.note(number, state, change);
        }
    }

    pub(super) fn committed(&mut self, number: usize, own: bool) {
        let change = Change::Committed {
            key: self.keys[number].clone(),
            version: version(self.stored_version(number)),
            own,
        };
        self.is_to_tell(number, change);
    }

    async fn tell_all(&mut self) {
        let Some(feed) = &mut self.feed else { return };
        for told in feed.tell_all().await {
            let session = &mut self.sessions[told.number];
            match told.change {
                Change::Committed { .. } => session.must_show(told.state),
                Change::Gone { .. } => session.erase(),
                Change::Foreign(_) | Change::Everything => session.must_show_newest(),
            }
        }
    }

    /// Nothing that is loaded, and no turn that the feed did not tell of, is held against what the store has.
    fn all_are_suspect(&mut self) {
        self.sessions.iter_mut().for_each(Session::must_show_newest);
    }

    pub(super) fn is_trusted(&self) -> bool {
        let now = self.setup.clock.now();
        self.feed.as_ref().is_none_or(|feed| feed.trusts(now))
    }

    pub(super) async fn feed_step(&mut self, step: FeedStep) {
        let now = self.setup.clock.now();
        let Some(feed) = &mut self.feed else { return };
        match step {
            FeedStep::ListensAnew => {
                feed.listens_anew().await;
                self.all_are_suspect();
            }
            FeedStep::IsLost => feed.is_lost().await,
            FeedStep::Tells => self.tell_all().await,
            FeedStep::KeepsUp => {
                self.tell_all().await;
                self.heartbeat(now).await;
            }
            FeedStep::TellsOfEverything if feed.is_connected() => {
                feed.tell_of_everything().await;
                self.all_are_suspect();
            }
            FeedStep::ForeignRow(number) if feed.is_connected() => {
                self.insert_foreign_row(number).await;
                self.tell_all().await;
            }
            FeedStep::TellsOfEverything | FeedStep::ForeignRow(_) => {}
        }
    }

    async fn heartbeat(&mut self, now: Duration) {
        if let Some(feed) = &mut self.feed
            && feed.is_connected()
        {
            feed.heartbeat(now).await;
        }
    }

    /// Told at once: until then a turn of our own may be put behind a row that memory does not have, and no state of the store looks so.
    async fn insert_foreign_row(&mut self, number: usize) {
        self.foreign_rows += 1;
        let row = MessageView {
            // Above all ids that other rows took since the last one.
            id: MessageId(self.foreign_rows * 10_000),
            role: Role::User,
            content: "from elsewhere".into(),
            created_at: DateTime::UNIX_EPOCH,
            status: Status::Complete,
        };
        self.setup.store.inner().insert_foreign(&self.keys[number], &row);
        self.note(number).await;
        self.is_to_tell(number, Change::Foreign(self.keys[number].clone()));
    }
}
