//! How long to wait before connecting again.

use std::time::Duration;

use uuid::Uuid;

use crate::error::FaultKind;

const FIRST: Duration = Duration::from_millis(50);

/// A server that comes back is noticed within this.
const MAX: Duration = Duration::from_secs(1);

/// The same where the server refuses, which takes somebody to change something.
const MAX_REFUSED: Duration = Duration::from_secs(5);

/// Pauses that double up to a limit, each cut to between half of it and all: replicas that lost their connections together do not come
/// back together.
pub(super) struct Pauses {
    next: Duration,
    random: u128,
}

impl Pauses {
    /// The last 62 bits of a generated id are random.
    pub(super) const fn of(id: Uuid) -> Self {
        Self {
            next: FIRST,
            random: id.as_u128(),
        }
    }

    /// The connection was good.
    pub(super) const fn reset(&mut self) {
        self.next = FIRST;
    }

    pub(super) fn next(&mut self, after: FaultKind) -> Duration {
        let max = match after {
            FaultKind::Unavailable | FaultKind::TimedOut => MAX,
            FaultKind::Failed => MAX_REFUSED,
        };
        let next = self.next.min(max);
        let random = u32::try_from(self.random & 0xff).unwrap_or_default();
        self.random = self.random.rotate_right(5);
        self.next = next * 2;
        next / 2 + next * random / 0x200
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(after: FaultKind, max: Duration) {
        let mut pauses = Pauses::of(Uuid::from_u128(0x0123_4567_89ab_cdef));
        let mut longest = FIRST;
        for _ in 0..12 {
            let pause = pauses.next(after);
            assert!(
                longest / 2 <= pause && pause <= longest,
                "{pause:?} of {longest:?}"
            );
            longest = (longest * 2).min(max);
        }
        assert_eq!(longest, max);
        pauses.reset();
        assert!(pauses.next(after) <= FIRST);
    }

    #[test]
    fn pauses_grow_to_their_limit_and_begin_again() {
        check(FaultKind::Unavailable, MAX);
        check(FaultKind::Failed, MAX_REFUSED);
    }

    #[test]
    fn replicas_pause_differently() {
        let pause_of = |id| Pauses::of(Uuid::from_u128(id)).next(FaultKind::Unavailable);
        assert_ne!(pause_of(1), pause_of(200));
    }
}
