//! The reference store goes by its clock.

use std::time::Duration;

use hearth_domain::ports::{Claim, Claimed, RequestLog};
use hearth_domain::{ClaimOwner, MemoryStore};
use hearth_testkit::build::{claim, key};
use hearth_testkit::clock::ManualClock;

const LEASE: Duration = Duration::from_secs(30);

fn leased() -> Claim {
    Claim {
        lease: LEASE,
        ..claim(&key("d", "u", "s"), "k")
    }
}

fn repeat_of(first: &Claim) -> Claim {
    Claim {
        owner: ClaimOwner::generate(),
        ..first.clone()
    }
}

#[tokio::test]
async fn a_lease_runs_out_when_its_time_has_passed() {
    let clock = ManualClock::default();
    let store = MemoryStore::new(clock.clone());
    let first = leased();
    store.claim(&first).await.unwrap();
    clock.advance(LEASE / 2);
    store.claim(&first).await.unwrap();
    clock.advance(LEASE - Duration::from_millis(1));
    assert_eq!(
        store.claim(&repeat_of(&first)).await.unwrap(),
        Claimed::Running,
        "it was renewed half-way"
    );
    clock.advance(Duration::from_millis(1));
    let granted = store.claim(&repeat_of(&first)).await.unwrap();
    assert!(matches!(granted, Claimed::Granted { .. }), "{granted:?}");
}

#[tokio::test]
async fn a_request_is_forgotten_by_its_age_once_nobody_works_on_it() {
    let clock = ManualClock::default();
    let store = MemoryStore::new(clock.clone());
    let first = leased();
    store.claim(&first).await.unwrap();
    let age = LEASE / 2;
    let forget = async || store.forget_requests(age, 10).await.unwrap();
    clock.advance(age - Duration::from_millis(1));
    store.release(&first.request, first.owner).await.unwrap();
    assert_eq!(forget().await, 0, "it is too young");
    store.claim(&first).await.unwrap();
    clock.advance(Duration::from_millis(1));
    assert_eq!(forget().await, 0, "somebody works on it");
    clock.advance(LEASE);
    assert_eq!(forget().await, 1);
    assert_eq!(forget().await, 0);
}
