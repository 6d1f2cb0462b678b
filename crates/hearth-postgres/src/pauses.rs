//! How long to wait before the next attempt.

use std::time::Duration;

use uuid::Uuid;

/// Pauses that double up to a limit, each cut to between half of it and all: those who lost their connections together do not come back
/// together.
pub(crate) struct Pauses {
    first: Duration,
    next: Duration,
    random: u128,
}

impl Pauses {
    /// Pauses from `first` on. The last 62 bits of a generated id are random.
    pub(crate) const fn from(first: Duration, id: Uuid) -> Self {
        Self {
            first,
            next: first,
            random: id.as_u128(),
        }
    }

    /// An attempt was good: they begin anew.
    pub(crate) const fn reset(&mut self) {
        self.next = self.first;
    }

    /// The next one, of `max` at most.
    pub(crate) fn next(&mut self, max: Duration) -> Duration {
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

    const FIRST: Duration = Duration::from_millis(50);
    const MAX: Duration = Duration::from_secs(5);

    #[test]
    fn pauses_grow_to_their_limit_and_begin_anew() {
        let mut pauses = Pauses::from(FIRST, Uuid::from_u128(0x0123_4567_89ab_cdef));
        let mut longest = FIRST;
        for _ in 0..12 {
            let pause = pauses.next(MAX);
            assert!(
                longest / 2 <= pause && pause <= longest,
                "{pause:?} of {longest:?}"
            );
            longest = (longest * 2).min(MAX);
        }
        assert_eq!(longest, MAX);
        pauses.reset();
        assert!(pauses.next(MAX) <= FIRST);
    }

    #[test]
    fn different_ids_pause_differently() {
        let pause_of = |id| Pauses::from(FIRST, Uuid::from_u128(id)).next(MAX);
        assert_ne!(pause_of(1), pause_of(200));
    }
}
