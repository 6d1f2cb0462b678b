//! A key that the store has confirmed, and when.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hearth_domain::{ApiKey, Department, Departments, Scope, SecretHash};
use subtle::{Choice, ConstantTimeEq};

/// A key that the store has confirmed.
#[derive(Debug)]
pub struct KnownKey {
    id: u64,
    secret: SecretHash,
    scopes: u8,
    departments: Departments,
    /// When the newest question that the store answered was asked, in milliseconds of the clock.
    confirmed_ms: AtomicU64,
    /// When the store last failed to answer; zero once it has.
    failed_ms: AtomicU64,
}

impl KnownKey {
    /// The key as the store has it, asked for at `asked`.
    pub(super) fn new(id: u64, key: ApiKey, asked: Duration) -> Self {
        Self {
            id,
            secret: key.secret,
            scopes: key.scopes.into_iter().map(bit).fold(0, |all, one| all | one),
            departments: key.departments,
            confirmed_ms: AtomicU64::new(milliseconds(asked)),
            failed_ms: AtomicU64::new(0),
        }
    }

    /// The public part, as a number.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// Whether the key may be used for this.
    #[must_use]
    pub const fn has(&self, scope: Scope) -> bool {
        self.scopes & bit(scope) != 0
    }

    /// The departments that the key opens.
    #[must_use]
    pub const fn departments(&self) -> &Departments {
        &self.departments
    }

    /// Whether the key opens this department.
    #[must_use]
    pub fn opens(&self, department: &Department) -> bool {
        self.departments.contain(department)
    }

    /// Whether this is the key's secret; takes the same time for every wrong one.
    pub(super) fn is_of(&self, secret: &SecretHash) -> bool {
        // Eight bytes at a time: hiding a comparison from the compiler costs more than the comparison.
        let ((ours, _), (theirs, _)) = (self.secret.0.as_chunks::<8>(), secret.0.as_chunks::<8>());
        let pairs = ours.iter().zip(theirs);
        let same = pairs.map(|(one, other)| u64::from_ne_bytes(*one).ct_eq(&u64::from_ne_bytes(*other)));
        same.fold(Choice::from(1), |all, same| all & same).into()
    }

    /// Whether another reading of the store says the same.
    pub(super) fn equals(&self, other: &Self) -> bool {
        self.secret == other.secret && self.scopes == other.scopes && self.departments == other.departments
    }

    /// How long ago the store was asked for what is known.
    pub(super) fn age(&self, now: Duration) -> Duration {
        now.saturating_sub(Duration::from_millis(self.confirmed_ms.load(Ordering::Relaxed)))
    }

    /// How long ago the store failed to answer, if it did not answer since.
    pub(super) fn failed_since(&self, now: Duration) -> Option<Duration> {
        match self.failed_ms.load(Ordering::Relaxed) {
            0 => None,
            failed => Some(now.saturating_sub(Duration::from_millis(failed))),
        }
    }

    /// The store still has the key, asked at `asked`.
    pub(super) fn confirm(&self, asked: Duration) {
        self.confirmed_ms
            .fetch_max(milliseconds(asked), Ordering::Relaxed);
        self.failed_ms.store(0, Ordering::Relaxed);
    }

    /// The store did not answer.
    pub(super) fn fail(&self, now: Duration) {
        self.failed_ms.store(milliseconds(now).max(1), Ordering::Relaxed);
    }
}

const fn bit(scope: Scope) -> u8 {
    match scope {
        Scope::Read => 1,
        Scope::Chat => 2,
        Scope::Admin => 4,
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
