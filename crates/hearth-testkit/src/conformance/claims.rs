//! Claiming requests: who may work on one, and since when.

use std::sync::Arc;
use std::time::Duration;

use hearth_domain::ports::{Claim, Claimed};
use hearth_domain::{BodyHash, ClaimOwner, ConversationKey, Department, Endpoint, SessionId, UserId};
use serde_json::json;
use tokio::task::JoinSet;

use super::Store;
use crate::build::{claim, key};

fn conversation() -> ConversationKey {
    key("d", "u", "s")
}

/// The same request, asked again by somebody else, about a session of its own.
fn repeat_of(first: &Claim) -> Claim {
    Claim {
        owner: ClaimOwner::generate(),
        session: SessionId::generate(),
        lease: Duration::from_secs(3_600),
        ..first.clone()
    }
}

/// A claim that nobody keeps from being taken over.
fn with_lease_run_out(claim: Claim) -> Claim {
    Claim {
        lease: Duration::ZERO,
        ..claim
    }
}

fn granted(session: &SessionId) -> Claimed {
    Claimed::Granted {
        session: session.clone(),
    }
}

/// The first comer gets it, in the session that it names; others wait while the lease lasts.
pub async fn a_request_is_granted_once(store: impl Store) {
    let first = claim(&conversation(), "k");
    assert_eq!(store.claim(&first).await.unwrap(), granted(&first.session));
    for _ in 0..2 {
        assert_eq!(store.claim(&repeat_of(&first)).await.unwrap(), Claimed::Running);
    }
}

/// Of many at once, one is granted and the others see it run.
pub async fn of_many_claims_at_once_one_is_granted(store: impl Store) {
    let store = Arc::new(store);
    let first = claim(&conversation(), "k");
    let mut claims = JoinSet::new();
    for _ in 0..16 {
        let (store, claim) = (Arc::clone(&store), repeat_of(&first));
        claims.spawn(async move { store.claim(&claim).await.unwrap() });
    }
    let (running, granted): (Vec<_>, Vec<_>) = claims
        .join_all()
        .await
        .into_iter()
        .partition(|claimed| *claimed == Claimed::Running);
    assert_eq!((running.len(), granted.len()), (15, 1));
    assert!(
        matches!(granted.first(), Some(Claimed::Granted { .. })),
        "{granted:?}"
    );
}

/// A key belongs to a user of a department, and to one kind of request.
pub async fn equal_keys_of_others_are_other_requests(store: impl Store) {
    let first = claim(&conversation(), "k");
    let of = |change: fn(&mut Claim)| {
        let mut claim = repeat_of(&first);
        change(&mut claim);
        claim
    };
    let claims = [
        first.clone(),
        of(|claim| claim.request.department = Department::new("d2").unwrap()),
        of(|claim| claim.request.user = UserId::new("u2").unwrap()),
        of(|claim| claim.request.endpoint = Endpoint::Append),
        claim(&conversation(), "K"),
    ];
    for claim in &claims {
        assert_eq!(
            store.claim(claim).await.unwrap(),
            granted(&claim.session),
            "{claim:?}"
        );
    }
    for claim in &claims {
        assert_eq!(
            store.claim(&repeat_of(claim)).await.unwrap(),
            Claimed::Running,
            "{claim:?}"
        );
    }
}

/// Whoever has it may claim it again, and has it for as long as the new lease says.
pub async fn a_claim_by_its_owner_renews_the_lease(store: impl Store) {
    let first = with_lease_run_out(claim(&conversation(), "k"));
    store.claim(&first).await.unwrap();
    let renewed = Claim {
        owner: first.owner,
        ..repeat_of(&first)
    };
    assert_eq!(store.claim(&renewed).await.unwrap(), granted(&first.session));
    assert_eq!(store.claim(&repeat_of(&first)).await.unwrap(), Claimed::Running);
}

/// The repeat goes on in the session of the first attempt, and the first attempt has nothing more to say.
pub async fn a_claim_whose_lease_ran_out_is_taken_over(store: impl Store) {
    let first = with_lease_run_out(claim(&conversation(), "k"));
    store.claim(&first).await.unwrap();
    let second = repeat_of(&first);
    assert_eq!(store.claim(&second).await.unwrap(), granted(&first.session));

    assert!(
        !store
            .complete(&first.request, first.owner, &json!(1))
            .await
            .unwrap()
    );
    store.release(&first.request, first.owner).await.unwrap();
    assert_eq!(
        store.claim(&first).await.unwrap(),
        Claimed::Running,
        "who comes back is one of many"
    );
    assert!(
        store
            .complete(&second.request, second.owner, &json!(2))
            .await
            .unwrap()
    );
}

/// A lease that ran out takes nothing away until somebody else comes.
pub async fn a_lease_that_ran_out_still_completes(store: impl Store) {
    let first = with_lease_run_out(claim(&conversation(), "k"));
    store.claim(&first).await.unwrap();
    assert!(
        store
            .complete(&first.request, first.owner, &json!(1))
            .await
            .unwrap()
    );
}

/// The repeat need not wait, and goes on in the session of the first attempt.
pub async fn a_claim_given_back_is_granted_at_once(store: impl Store) {
    let first = claim(&conversation(), "k");
    store.claim(&first).await.unwrap();
    store
        .release(&first.request, ClaimOwner::generate())
        .await
        .unwrap();
    assert_eq!(
        store.claim(&repeat_of(&first)).await.unwrap(),
        Claimed::Running,
        "nobody else can give it back"
    );
    store.release(&first.request, first.owner).await.unwrap();
    assert!(
        !store
            .complete(&first.request, first.owner, &json!(1))
            .await
            .unwrap()
    );
    let second = repeat_of(&first);
    assert_eq!(store.claim(&second).await.unwrap(), granted(&first.session));
    assert_eq!(store.claim(&repeat_of(&first)).await.unwrap(), Claimed::Running);
}

/// Giving back what nobody has, or what is answered, changes nothing.
pub async fn only_a_running_claim_can_be_given_back(store: impl Store) {
    let first = claim(&conversation(), "k");
    store.release(&first.request, first.owner).await.unwrap();
    store.claim(&first).await.unwrap();
    assert!(
        store
            .complete(&first.request, first.owner, &json!(1))
            .await
            .unwrap()
    );
    store.release(&first.request, first.owner).await.unwrap();
    assert!(matches!(
        store.claim(&repeat_of(&first)).await.unwrap(),
        Claimed::Answered(_)
    ));
}

/// While it runs, when its lease ran out, and when it is answered.
pub async fn another_body_under_the_same_key_is_told_apart(store: impl Store) {
    let first = with_lease_run_out(claim(&conversation(), "k"));
    let other = Claim {
        body: BodyHash([8; 32]),
        ..repeat_of(&first)
    };
    store.claim(&first).await.unwrap();
    assert_eq!(store.claim(&other).await.unwrap(), Claimed::OtherBody);
    assert!(
        store
            .complete(&first.request, first.owner, &json!(1))
            .await
            .unwrap()
    );
    assert_eq!(store.claim(&other).await.unwrap(), Claimed::OtherBody);
}

/// As many as it is told, and only those that are old enough and that nobody works on; what is forgotten is a new request.
pub async fn requests_are_forgotten_in_steps(store: impl Store) {
    let claims: Vec<_> = (0..5).map(|n| claim(&conversation(), &n.to_string())).collect();
    for claim in &claims {
        store.claim(claim).await.unwrap();
        assert!(
            store
                .complete(&claim.request, claim.owner, &json!(1))
                .await
                .unwrap()
        );
    }
    let running = claim(&conversation(), "running");
    store.claim(&running).await.unwrap();
    let (day, now) = (Duration::from_secs(86_400), Duration::ZERO);
    assert_eq!(store.forget_requests(day, 10).await.unwrap(), 0);
    for forgotten in [2, 2, 1, 0] {
        assert_eq!(store.forget_requests(now, 2).await.unwrap(), forgotten);
    }
    for first in &claims {
        let again = repeat_of(first);
        assert_eq!(store.claim(&again).await.unwrap(), granted(&again.session));
    }
    assert_eq!(store.claim(&repeat_of(&running)).await.unwrap(), Claimed::Running);
}
