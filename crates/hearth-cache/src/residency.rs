//! A session's residency: its states, its legal moves, and who may be served in each. Sequential code without locks, tasks or time;
//! [`crate::slots`] applies it under a lock.
//!
//! | held | load under way | state | who reads |
//! |---|---|---|---|
//! | no | no | absent | leads a load |
//! | no | yes | loading | joins the load |
//! | fresh | no | loaded | is served |
//! | stale | no | stale | leads a load |
//! | stale | yes | reloading | joins the load |
//!
//! A session that is held fresh is never being loaded: a load begins only where nobody can be served, and ends by publishing.
//!
//! | event | absent | loading | loaded | stale | reloading |
//! |---|---|---|---|---|---|
//! | commit of the next version | — | floor | extends | floor | floor |
//! | commit of a version that is held | — | floor | — | — | floor |
//! | commit of any other version | — | floor | → stale | — | floor |
//! | invalidation | — | overtaken | → stale | — | overtaken |
//! | end, erase | — | overtaken | → absent | → absent | → loading, overtaken |
//! | eviction, expiry | — | — | → absent | → absent | → loading |
//! | load at or above its floor | | → loaded | | | → loaded |
//! | load below its floor, or overtaken | | again | | | again |
//! | the same for the last time | | → absent | | | → stale |
//! | load failed | | → absent | | | → stale |

use hearth_domain::Version;

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
    /// The highest version that was committed meanwhile: what comes back below it was read before.
    floor: Version,
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
    /// The history misses a turn: it must be read again.
    MakeStale,
    /// Nothing is held, or it has the turn already.
    Nothing,
}

/// What becomes of a load that came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnLoaded {
    /// It is what the store has: it is kept and given to those who wait.
    Publish,
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
        Some(held) if held.stale || committed <= held.version => OnCommit::Nothing,
        Some(held) if committed == held.version.next() => OnCommit::Extend,
        Some(_) => OnCommit::MakeStale,
        None => OnCommit::Nothing,
    }
}

impl Load {
    /// A commit was heard of: a result without it is too old.
    pub(crate) fn raise_floor(&mut self, committed: Version) {
        self.floor = self.floor.max(committed);
    }

    /// The session changed in a way that no version tells: whatever was read before is too old.
    pub(crate) const fn overtake(&mut self) {
        self.overtaken = true;
    }

    /// The store answered with `version`.
    pub(crate) fn on_loaded(&mut self, version: Version) -> OnLoaded {
        if version >= self.floor && !self.overtaken {
            return OnLoaded::Publish;
        }
        self.overtaken = false;
        self.attempts += 1;
        if self.attempts < LOAD_ATTEMPTS_MAX {
            OnLoaded::Repeat
        } else {
            OnLoaded::GiveUp
        }
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
        assert_eq!(on_commit(held(3, false), version(5)), OnCommit::MakeStale);
        assert_eq!(on_commit(held(3, true), version(4)), OnCommit::Nothing);
        assert_eq!(on_commit(None, version(1)), OnCommit::Nothing);
    }

    #[test]
    fn a_load_that_was_passed_is_repeated_a_bounded_number_of_times() {
        let mut load = Load::default();
        load.raise_floor(version(2));
        load.raise_floor(version(1));
        assert_eq!(load.on_loaded(version(1)), OnLoaded::Repeat);
        load.overtake();
        assert_eq!(load.on_loaded(version(2)), OnLoaded::Repeat);
        assert_eq!(load.on_loaded(version(2)), OnLoaded::Publish);

        let mut load = Load::default();
        for _ in 1..LOAD_ATTEMPTS_MAX {
            load.overtake();
            assert_eq!(load.on_loaded(version(9)), OnLoaded::Repeat);
        }
        load.overtake();
        assert_eq!(load.on_loaded(version(9)), OnLoaded::GiveUp);
    }
}
