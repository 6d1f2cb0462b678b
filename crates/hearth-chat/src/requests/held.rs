//! Answers that were produced and could not be noted: kept while their claims last, so that the repeat notes them without a model call.

use std::collections::HashMap;

use hearth_domain::ClaimOwner;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{Identity, Note};

/// The answers that are held.
#[derive(Debug)]
pub(crate) struct HeldAnswers {
    count_max: usize,
    bytes_max: usize,
    shelf: Mutex<Shelf>,
}

#[derive(Debug, Default)]
struct Shelf {
    answers: HashMap<Identity, Held>,
    bytes: usize,
}

/// An answer that is held, and the claim that it is held for.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) owner: ClaimOwner,
    pub(super) note: Note,
    /// When the claim's lease is over, at the latest.
    pub(super) until: Instant,
}

impl Held {
    fn bytes(&self) -> usize {
        self.note.bytes() + size_of::<Identity>() + size_of::<Self>()
    }
}

impl HeldAnswers {
    pub(crate) fn new(count_max: usize, bytes_max: usize) -> Self {
        Self {
            count_max,
            bytes_max,
            shelf: Mutex::default(),
        }
    }

    /// Holds an answer; `false` where too many are held.
    pub(super) fn put(&self, identity: Identity, held: Held) -> bool {
        let mut shelf = self.shelf.lock();
        let gone = shelf.take_out_old();
        let bytes = held.bytes();
        let fits = shelf.answers.len() < self.count_max && shelf.bytes + bytes <= self.bytes_max;
        let replaced = if fits {
            shelf.bytes += bytes;
            shelf.answers.insert(identity, held)
        } else {
            None
        };
        shelf.bytes -= replaced.as_ref().map_or(0, Held::bytes);
        drop(shelf);
        drop((gone, replaced));
        fits
    }

    /// Takes an answer that is held for this request.
    pub(super) fn take(&self, identity: &Identity) -> Option<Held> {
        let mut shelf = self.shelf.lock();
        let held = shelf.answers.remove(identity)?;
        shelf.bytes -= held.bytes();
        drop(shelf);
        (held.until > Instant::now()).then_some(held)
    }

    /// Forgets answers whose claims are over.
    pub(super) fn forget_old(&self) {
        let gone = self.shelf.lock().take_out_old();
        drop(gone);
    }

    /// Answers that are held, and their bytes.
    pub(crate) fn occupancy(&self) -> (usize, usize) {
        let shelf = self.shelf.lock();
        (shelf.answers.len(), shelf.bytes)
    }
}

impl Shelf {
    fn take_out_old(&mut self) -> Vec<(Identity, Held)> {
        let now = Instant::now();
        let gone: Vec<_> = self.answers.extract_if(|_, held| held.until <= now).collect();
        self.bytes -= gone.iter().map(|(_, held)| held.bytes()).sum::<usize>();
        gone
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hearth_domain::{BodyHash, Department, Endpoint, IdempotencyKey, RequestKey, UserId};
    use serde_json::json;

    use super::*;

    fn identity(key: usize) -> Identity {
        let request = RequestKey {
            department: Department::new("d").unwrap(),
            user: UserId::new("u").unwrap(),
            endpoint: Endpoint::Chat,
            key: IdempotencyKey::new(&key.to_string()).unwrap(),
        };
        (request, BodyHash([0; 32]))
    }

    fn held(response_bytes: usize, seconds: u64) -> Held {
        Held {
            owner: ClaimOwner::generate(),
            note: Note::Answer(json!({"response": "a".repeat(response_bytes)})),
            until: Instant::now() + Duration::from_secs(seconds),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn count_and_bytes_are_bounded_and_counted() {
        let answers = HeldAnswers::new(2, 10_000);
        assert!(answers.put(identity(1), held(4_000, 10)));
        assert!(answers.put(identity(2), held(4_000, 20)));
        assert!(!answers.put(identity(3), held(1, 10)), "two are held");
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(!answers.put(identity(3), held(8_000, 10)), "too many bytes");
        assert_eq!(answers.occupancy().0, 1, "the first one's claim is over");
        assert!(answers.put(identity(3), held(1, 10)));
        assert!(answers.take(&identity(2)).is_some());
        assert!(answers.take(&identity(2)).is_none());
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(answers.take(&identity(3)).is_none(), "its claim is over");
        assert_eq!(answers.occupancy(), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn old_ones_go_by_themselves() {
        let answers = HeldAnswers::new(10, 100_000);
        for key in 0..10 {
            assert!(answers.put(identity(key), held(100, 10)));
        }
        tokio::time::advance(Duration::from_secs(10)).await;
        answers.forget_old();
        assert_eq!(answers.occupancy(), (0, 0));
    }
}
