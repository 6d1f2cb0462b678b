//! What is remembered of each caller: one time each, of so many callers at most.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use governor::nanos::Nanos;
use governor::state::StateStore;
use parking_lot::Mutex;

use super::source::Source;

/// Parts of the table with a lock each, so that callers seldom wait for one another.
const SHARDS: usize = 16;

/// Callers that are told apart in each part.
const SOURCES_MAX: usize = 4_096;

/// One time a caller: when it would have used up its burst at its rate. Where a part is full of callers whose burst is not whole, those who
/// come anew share one burst until there is room: a flood of addresses cannot grow the table.
pub(super) struct Table {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
    /// The time that one request is worth.
    interval: Nanos,
}

#[derive(Default)]
struct Shard {
    times: HashMap<Source, Nanos>,
    shared: Option<Nanos>,
}

impl Table {
    /// An empty table for requests that are worth so much time each.
    pub(super) fn new(interval: Nanos) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            interval,
        }
    }

    fn shard(&self, source: &Source) -> Option<&Mutex<Shard>> {
        let hash = self.hasher.hash_one(source);
        let place = usize::try_from(hash >> 32).unwrap_or_default() % SHARDS;
        self.shards.get(place)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().times.len()).sum()
    }
}

impl Shard {
    /// Whether there is room for another caller, once those are gone whose burst is whole at `now`.
    fn has_room(&mut self, now: Nanos) -> bool {
        if self.times.len() >= SOURCES_MAX {
            self.times.retain(|_, time| *time > now);
        }
        self.times.len() < SOURCES_MAX
    }
}

impl StateStore for Table {
    type Key = Source;

    fn measure_and_replace<T, F, E>(&self, source: &Source, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let Some(shard) = self.shard(source) else {
            return decide(None).map(|(answer, _)| answer);
        };
        let mut shard = shard.lock();
        if let Some(time) = shard.times.get_mut(source) {
            let (answer, next) = decide(Some(*time))?;
            *time = next;
            return Ok(answer);
        }
        // A caller who comes anew is now where one request takes it.
        let (answer, next) = decide(None)?;
        if shard.has_room(next.saturating_sub(self.interval)) {
            shard.times.insert(*source, next);
            return Ok(answer);
        }
        let (answer, next) = decide(shard.shared)?;
        shard.shared = Some(next);
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: u64 = 1_000;

    /// A decision at `now`, as a limiter without bursts takes it.
    fn decide(table: &Table, source: Source, now: u64) -> bool {
        let interval = Nanos::new(INTERVAL);
        let decided = table.measure_and_replace(&source, |time| {
            let due = time.unwrap_or(Nanos::new(now));
            if due > Nanos::new(now) {
                Err(())
            } else {
                Ok(((), due.max(Nanos::new(now)) + interval))
            }
        });
        decided.is_ok()
    }

    #[test]
    fn a_flood_of_callers_does_not_grow_it_and_does_not_get_around_it() {
        let table = Table::new(Nanos::new(INTERVAL));
        let now = 1_000_000;
        let flood = u32::try_from(SHARDS * SOURCES_MAX * 2).unwrap();
        let admitted = (0..flood)
            .filter(|address| decide(&table, Source::V4(*address), now))
            .count();
        assert_eq!(table.len(), SHARDS * SOURCES_MAX);
        assert_eq!(
            admitted,
            SHARDS * SOURCES_MAX + SHARDS,
            "one more for each part's shared burst"
        );
        assert!(
            !decide(&table, Source::V4(0), now),
            "who is known is still told apart"
        );

        let later = now + INTERVAL;
        assert!(decide(&table, Source::Unknown, later));
        assert!(
            table.len() < SHARDS * SOURCES_MAX,
            "those whose burst is whole are gone"
        );
    }
}
