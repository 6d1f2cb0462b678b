//! A session's residency: its states, its legal moves, and who may be served in each. Sequential code without locks, tasks or time;
//! [`crate::slots`] applies it under a lock.
//!
//! | held | load under way | state | who reads |
//! |---|---|---|---|
//! | no | no | absent | leads a load |
//! | no | yes | loading | joins the load |
//! | fresh | no | loaded | is served |
//! | suspect | no | suspect | leads a load, which makes it stale |
//! | stale | no | stale | leads a load |
//! | stale | yes | reloading | joins the load |
//!
//! A session is suspect, and not only while somebody looks, where [`crate::freshness`] does not trust it: it was loaded in an earlier epoch, or no
//! heartbeat vouches for it. A session that is held fresh is never being loaded: a load begins only where nobody can be served, and ends by
//! publishing.
//!
//! | event | absent | loading | loaded, suspect | stale | reloading |
//! |---|---|---|---|---|---|
//! | commit of the next version | — | floor | extends, in its epoch | → absent | floor, → loading |
//! | commit of a version that is held | — | floor | — | — | floor |
//! | commit of a later version, others under way here | — | floor | waits for them | → absent | floor, → loading |
//! | commit of a later version | — | floor | → absent | → absent | floor, → loading |
//! | notice of a version that is held | — | floor | — | — | floor |
//! | notice of a later version | — | floor | → stale | — | floor |
//! | own notice, own work under way here | when that is over | ← | ← | ← | ← |
//! | invalidation, foreign change | — | overtaken | → stale | — | overtaken |
//! | end, erase, notice of one | — | overtaken | → absent | → absent | → loading, overtaken |
//! | new epoch | — | uncovered | → suspect | — | uncovered |
//! | heartbeat past its bound | — | uncovered | → suspect | — | uncovered |
//! | eviction, expiry | — | — | → absent | → absent | → loading |
//! | load at or above its floor | | → loaded | | | → loaded |
//! | the same, uncovered | | → suspect | | | → suspect |
//! | load below its floor, or overtaken | | again | | | again |
//! | the same for the last time | | → absent | | | → stale |
//! | load failed | | → absent | | | → stale |
//!
//! A load serves all who wait. One that is uncovered when it ends serves those who waited before the store was asked: those who came later may
//! have come past the bound, and it is repeated for them. One that only commits keep passing serves them, too, in the end. A floor holds for
//! one epoch: the store may be another one afterwards, with lower versions.
//!
//! What is stale is still served, as degraded, while the store is away. What lacks a turn that was committed here is not: whoever was told of the
//! turn would be shown less.

use hearth_domain::Version;

use crate::freshness::Epoch;

/// How often one load asks the store before it gives up on a session that changes faster than it can be read.
pub(crate) const LOAD_ATTEMPTS_MAX: u8 = 5;

/// A session in memory, as far as its residency goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) version: Version,
    pub(crate) stale: bool,
}

/// A load under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Load {
    /// The highest version that was heard of in its epoch: what comes back below it was read before.
    floor: Version,
    /// The floor when the store was asked: no store that keeps its contract answers with less.
    floor_when_asked: Version,
    /// The epoch in which the store was asked.
    epoch: Epoch,
    /// Whether the session was invalidated, ended or erased since the store was asked.
    overtaken: bool,
    /// How often the store was asked in vain.
    attempts: u8,
}

/// What a reader does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnRead {
    /// Is served from memory.
    Serve,
    /// Waits for the load that is under way.
    Join,
    /// Begins a load.
    Lead,
}

/// What a commit does to the session in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnCommit {
    /// The turn is put at the end of the history.
    Extend,
    /// The history misses a turn before this one.
    LeavesGap,
    /// The history is not known to be whole, and this turn is not put at its end.
    Unload,
    /// Nothing is held, or it has the turn already.
    Nothing,
}

/// What becomes of a load that came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnLoaded {
    /// It is what the store has: it is kept and given to those who wait.
    Publish,
    /// It was what the store had, and nobody knows what was missed since: it is kept as suspect, and given to those who waited when the store
    /// was asked.
    PublishSuspect,
    /// Commits passed it every time: it is not kept, and given to those who waited when the store was asked.
    TellEarly,
    /// It was overtaken: the store is asked again.
    Repeat,
    /// It was overtaken for the last time.
    GiveUp,
}

pub(crate) const fn on_read(held: Option<Held>, loading: bool) -> OnRead {
    match (held, loading) {
        (Some(Held { stale: false, .. }), _) => OnRead::Serve,
        (_, true) => OnRead::Join,
        (_, false) => OnRead::Lead,
    }
}

pub(crate) fn on_commit(held: Option<Held>, committed: Version) -> OnCommit {
    match held {
        Some(held) if committed <= held.version => OnCommit::Nothing,
        Some(held) if held.stale => OnCommit::Unload,
        Some(held) if committed == held.version.next() => OnCommit::Extend,
        Some(_) => OnCommit::LeavesGap,
        None => OnCommit::Nothing,
    }
}

impl Load {
    /// The store is about to be asked: it will see all that was heard of until now.
    pub(crate) fn ask(&mut self, epoch: Epoch) {
        if self.epoch != epoch {
            self.epoch = epoch;
            self.floor = Version::ZERO;
        }
        self.floor_when_asked = self.floor;
        self.overtaken = false;
    }

    /// The epoch in which the store was asked.
    pub(crate) const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// A commit was heard of: a result without it is too old.
    pub(crate) fn raise_floor(&mut self, committed: Version) {
        self.floor = self.floor.max(committed);
    }

    /// The session changed in a way that no version tells: whatever was read before is too old.
    pub(crate) const fn overtake(&mut self) {
        self.overtaken = true;
    }

    /// The store answered with `version`; `covered` says whether all changes since it was asked are known.
    pub(crate) fn on_loaded(&mut self, version: Version, covered: bool) -> OnLoaded {
        if version >= self.floor && !self.overtaken {
            return if covered {
                OnLoaded::Publish
            } else {
                OnLoaded::PublishSuspect
            };
        }
        self.attempts += 1;
        if self.attempts < LOAD_ATTEMPTS_MAX {
            OnLoaded::Repeat
        } else if self.overtaken || version < self.floor_when_asked {
            OnLoaded::GiveUp
        } else {
            OnLoaded::TellEarly
        }
    }

    /// Those who are left wait for the load as if it had just begun.
    pub(crate) const fn begin_again(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(number: u64) -> Version {
        Version::new(number).unwrap()
    }

    fn held(number: u64, stale: bool) -> Option<Held> {
        Some(Held {
            version: version(number),
            stale,
        })
    }

    #[test]
    fn only_a_fresh_session_is_served() {
        assert_eq!(on_read(held(3, false), false), OnRead::Serve);
        assert_eq!(on_read(held(3, true), false), OnRead::Lead);
        assert_eq!(on_read(held(3, true), true), OnRead::Join);
        assert_eq!(on_read(None, false), OnRead::Lead);
        assert_eq!(on_read(None, true), OnRead::Join);
    }

    #[test]
    fn commits_extend_repeat_or_leave_a_gap() {
        assert_eq!(on_commit(held(3, false), version(4)), OnCommit::Extend);
        assert_eq!(on_commit(held(3, false), version(3)), OnCommit::Nothing);
        assert_eq!(on_commit(held(3, false), version(2)), OnCommit::Nothing);
        assert_eq!(on_commit(held(3, false), version(5)), OnCommit::LeavesGap);
        assert_eq!(on_commit(held(3, true), version(4)), OnCommit::Unload);
        assert_eq!(on_commit(held(3, true), version(3)), OnCommit::Nothing);
        assert_eq!(on_commit(None, version(1)), OnCommit::Nothing);
    }

    const EPOCH: Epoch = Epoch::new(0);

    #[test]
    fn a_load_that_was_passed_is_repeated_a_bounded_number_of_times() {
        let mut load = Load::default();
        load.ask(EPOCH);
        load.raise_floor(version(2));
        load.raise_floor(version(1));
        assert_eq!(load.on_loaded(version(1), true), OnLoaded::Repeat);
        load.overtake();
        assert_eq!(load.on_loaded(version(2), true), OnLoaded::Repeat);
        load.ask(EPOCH);
        assert_eq!(load.on_loaded(version(2), true), OnLoaded::Publish);

        let mut load = Load::default();
        for _ in 1..LOAD_ATTEMPTS_MAX {
            load.overtake();
            assert_eq!(load.on_loaded(version(9), true), OnLoaded::Repeat);
        }
        load.overtake();
        assert_eq!(load.on_loaded(version(9), true), OnLoaded::GiveUp);
    }

    #[test]
    fn a_load_that_only_commits_keep_passing_serves_those_who_waited_before_them() {
        let mut load = Load::default();
        let mut attempt = |number: u64| {
            load.ask(EPOCH);
            load.raise_floor(version(number + 1));
            load.on_loaded(version(number), true)
        };
        for number in 1..u64::from(LOAD_ATTEMPTS_MAX) {
            assert_eq!(attempt(number), OnLoaded::Repeat);
        }
        assert_eq!(attempt(u64::from(LOAD_ATTEMPTS_MAX)), OnLoaded::TellEarly);
    }

    #[test]
    fn a_store_that_lags_behind_what_was_known_when_it_was_asked_serves_nobody() {
        let mut load = Load::default();
        load.raise_floor(version(9));
        for _ in 0..2 {
            load.ask(EPOCH);
            while load.on_loaded(version(8), true) == OnLoaded::Repeat {
                load.ask(EPOCH);
            }
            assert_eq!(load.on_loaded(version(8), true), OnLoaded::GiveUp);
        }
    }

    #[test]
    fn a_floor_holds_for_one_epoch() {
        let mut load = Load::default();
        load.ask(EPOCH);
        load.raise_floor(version(9));
        assert_eq!(
            load.on_loaded(version(8), false),
            OnLoaded::Repeat,
            "the store was asked before the gap"
        );
        load.ask(Epoch::new(1));
        assert_eq!(load.on_loaded(version(5), true), OnLoaded::Publish);
    }

    #[test]
    fn a_load_that_nobody_vouches_for_is_published_as_suspect() {
        let mut load = Load::default();
        load.ask(EPOCH);
        assert_eq!(load.on_loaded(version(1), false), OnLoaded::PublishSuspect);
        load.overtake();
        assert_eq!(load.on_loaded(version(1), false), OnLoaded::Repeat);
    }
}
