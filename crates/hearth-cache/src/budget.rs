//! The memory store: loaded sessions within a byte budget. It is the only place that says which sessions are loaded; what is evicted
//! from here is un-loaded by that.

use std::sync::Arc;

use hearth_domain::{ConversationKey, Department, UserId};
use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Lifecycle, OptionsBuilder, Weighter};

use crate::loaded_session::LoadedSession;
use crate::packed_key::PackedKey;
use crate::sync::{AtomicU64, Ordering};

/// Bytes of budget a shard has at least, where the budget allows: several times the largest conversation. quick_cache refuses what is
/// heavier than about a shard's share.
const SHARD_BYTES_MIN: u64 = 16 << 20;
const SHARDS_MAX: u64 = 64;

/// What one session of this many bytes of budget is expected to take, to size the eviction's memory of ghosts.
const SESSION_BYTES_EXPECTED: u64 = 4_096;

/// The share of a shard that its hot part may take; a heavier entry is not admitted.
const HOT_SHARE: f64 = 0.97;

/// Bytes of the `Arc`'d session itself: one cache line.
const SESSION_BYTES: usize = size_of::<LoadedSession>() + 2 * size_of::<usize>();

/// Bytes that the map takes for a session, on average: 48 for its entry with its links, 5 for its place in the hash table, and 4 parts in
/// 10 more as room to grow, since both grow by doubling.
const ENTRY_BYTES: usize = 76;

/// Loaded sessions within a byte budget.
pub(crate) struct MemoryStore {
    sessions: Cache<PackedKey, Arc<LoadedSession>, SessionWeight, DefaultHashBuilder, Evictions>,
    weight_max: u64,
    responses: AtomicU64,
}

/// What putting a session into memory did.
#[derive(Debug, Default)]
#[must_use = "what left memory is dropped with this, and that must not happen under a lock"]
pub(crate) struct Put {
    /// Whether the session was too heavy to be kept.
    pub(crate) refused: bool,
    /// How many sessions had to leave for it.
    pub(crate) evicted: u64,
    /// All that left memory: the evicted ones, and what the session replaced.
    pub(crate) left: Vec<Arc<LoadedSession>>,
}

impl MemoryStore {
    #[expect(
        clippy::expect_used,
        reason = "quick_cache asks for two options, and both are given"
    )]
    pub(crate) fn new(budget_bytes: u64) -> Self {
        let shards = (budget_bytes / SHARD_BYTES_MIN)
            .clamp(1, SHARDS_MAX)
            .next_power_of_two()
            .min(SHARDS_MAX);
        let options = OptionsBuilder::new()
            .shards(usize::try_from(shards).unwrap_or(1))
            .estimated_items_capacity(
                usize::try_from(budget_bytes / SESSION_BYTES_EXPECTED)
                    .unwrap_or(usize::MAX)
                    .max(1),
            )
            // quick_cache rounds a shard's share up: all of them together stay within the budget this way.
            .weight_capacity(budget_bytes / shards * shards)
            .hot_allocation(HOT_SHARE)
            .build()
            .expect("capacity and items are set");
        let sessions = Cache::with_options(options, SessionWeight, DefaultHashBuilder::default(), Evictions);
        // One percent below the share that quick_cache enforces, so that it never refuses what this file admitted.
        let weight_max = sessions.shard_capacity() / 100 * 96;
        Self {
            sessions,
            weight_max,
            responses: AtomicU64::new(0),
        }
    }

    /// The session, noted as used for the eviction's sake.
    pub(crate) fn get(&self, key: &ConversationKey) -> Option<Arc<LoadedSession>> {
        self.sessions.get(key)
    }

    /// The session, without noting it.
    pub(crate) fn peek(&self, key: &ConversationKey) -> Option<Arc<LoadedSession>> {
        self.sessions.peek(key)
    }

    /// Puts a session in, or another history in its place; a session too heavy for the budget is not kept, nor is what was there.
    pub(crate) fn put(&self, key: &ConversationKey, session: &Arc<LoadedSession>) -> Put {
        let packed = PackedKey::new(key);
        if weight(&packed, session) > self.weight_max {
            return Put {
                refused: true,
                evicted: 0,
                left: self.remove(key).into_iter().collect(),
            };
        }
        let before = self.sessions.peek(key);
        let mut left = Vec::new();
        // Before it is there, so that whoever takes it out again at once never subtracts what was not added yet.
        self.responses
            .fetch_add(u64::from(session.history().responses()), Ordering::Relaxed);
        self.sessions
            .insert_with_lifecycle(packed, Arc::clone(session), &mut left);
        let mut evicted = 0;
        for session in &left {
            self.responses
                .fetch_sub(u64::from(session.history().responses()), Ordering::Relaxed);
            // The map reports a replaced value among those that left.
            let replaced = before.as_ref().is_some_and(|before| Arc::ptr_eq(before, session));
            evicted += u64::from(!replaced);
        }
        Put {
            refused: false,
            evicted,
            left,
        }
    }

    /// Takes a session out.
    pub(crate) fn remove(&self, key: &ConversationKey) -> Option<Arc<LoadedSession>> {
        let (_, session) = self.sessions.remove(key)?;
        self.responses
            .fetch_sub(u64::from(session.history().responses()), Ordering::Relaxed);
        Some(session)
    }

    /// Takes a session out if it is still this one.
    pub(crate) fn remove_same(
        &self,
        key: &ConversationKey,
        session: &Arc<LoadedSession>,
    ) -> Option<Arc<LoadedSession>> {
        let (_, session) = self.sessions.remove_if(key, |held| Arc::ptr_eq(held, session))?;
        self.responses
            .fetch_sub(u64::from(session.history().responses()), Ordering::Relaxed);
        Some(session)
    }

    /// All sessions, one at a time, without holding a lock in between.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ConversationKey, Arc<LoadedSession>)> + Send + '_ {
        self.sessions
            .iter()
            .filter_map(|(key, session)| Some((key.unpack()?, session)))
    }

    /// All sessions, one at a time, without holding a lock in between: the keys of those that are the user's.
    pub(crate) fn keys_of(
        &self,
        department: &Department,
        user: &UserId,
    ) -> impl Iterator<Item = Option<ConversationKey>> + Send {
        self.sessions.iter().map(|(key, _)| {
            let theirs = key.is_of(department, user);
            theirs.then(|| key.unpack()).flatten()
        })
    }

    /// Sessions in memory.
    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Responses in memory.
    pub(crate) fn responses(&self) -> u64 {
        self.responses.load(Ordering::Relaxed)
    }

    /// Bytes that the sessions in memory weigh.
    pub(crate) fn weight(&self) -> u64 {
        self.sessions.weight()
    }

    /// Recounts sessions, responses and weights, while nobody changes any.
    pub(crate) fn validate(&self) {
        let (mut sessions, mut responses, mut total) = (0, 0, 0);
        for (key, session) in self.sessions.iter() {
            sessions += 1;
            responses += u64::from(session.history().responses());
            total += weight(&key, &session);
        }
        assert_eq!(self.len(), sessions, "sessions");
        assert_eq!(self.responses(), responses, "responses");
        assert_eq!(self.sessions.weight(), total, "bytes");
        assert!(
            total <= self.sessions.capacity(),
            "{total} bytes are over the budget"
        );
    }
}

/// What a session weighs: the blocks that its key and history hold, as an allocator rounds them, and the fixed rest.
fn weight(key: &PackedKey, session: &LoadedSession) -> u64 {
    let blocks = [key.heap_bytes(), session.history().heap_bytes(), SESSION_BYTES];
    bytes(blocks.map(allocated).iter().sum::<usize>() + ENTRY_BYTES)
}

fn bytes(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}

#[derive(Debug, Clone, Copy)]
struct SessionWeight;

impl Weighter<PackedKey, Arc<LoadedSession>> for SessionWeight {
    fn weight(&self, key: &PackedKey, session: &Arc<LoadedSession>) -> u64 {
        weight(key, session)
    }
}

/// The size class that jemalloc takes for a block: multiples of 16 up to 128, then four classes to every doubling.
const fn allocated(bytes: usize) -> usize {
    match bytes {
        0 => 0,
        1..=128 => bytes.next_multiple_of(16),
        _ => bytes.next_multiple_of(bytes.next_power_of_two() / 8),
    }
}

/// Hands what left memory to whoever put something in, to be dropped after all locks are released.
#[derive(Debug, Clone, Copy)]
struct Evictions;

impl Lifecycle<PackedKey, Arc<LoadedSession>> for Evictions {
    type RequestState = Vec<Arc<LoadedSession>>;

    fn on_evict(&self, left: &mut Self::RequestState, _: PackedKey, session: Arc<LoadedSession>) {
        left.push(session);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_rounded_like_the_allocator() {
        let check = |bytes: usize, expected: usize| assert_eq!(allocated(bytes), expected, "{bytes}");
        check(0, 0);
        check(1, 16);
        check(100, 112);
        check(128, 128);
        check(129, 160);
        check(160, 160);
        check(161, 192);
        check(257, 320);
        check(1_025, 1_280);
        check(4_096, 4_096);
    }
}
