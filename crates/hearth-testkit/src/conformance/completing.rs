//! Completing requests: what repeats are told.

use hearth_domain::ports::{AppendError, Claim, Claimed, Lookup, PastAnswer};
use hearth_domain::{Append, ClaimOwner, Committed, ConversationKey, Version};
use serde_json::{Value, json};

use super::Store;
use super::observe::{contents, history, load, version};
use crate::build::{append, claim, completion, exchange, key, request};

/// A turn that completes the request of a claim.
fn completing(key: &ConversationKey, claim: &Claim, answer: Value) -> Append {
    Append {
        completes: Some(completion(claim, answer)),
        ..append(key, exchange("q", "a"))
    }
}

async fn append_one(store: &impl Store, one: Append) -> Result<Committed, AppendError> {
    store.append(&[one]).await.pop().unwrap()
}

/// What a repeat is told.
async fn repeat(store: &impl Store, first: &Claim) -> Claimed {
    let repeat = Claim {
        owner: ClaimOwner::generate(),
        ..first.clone()
    };
    store.claim(&repeat).await.unwrap()
}

/// Claims a request about a session and commits the turn that completes it.
async fn answered(store: &impl Store, key: &ConversationKey, idempotency_key: &str) -> Claim {
    let claim = claim(key, idempotency_key);
    store.claim(&claim).await.unwrap();
    append_one(store, completing(key, &claim, json!("said")))
        .await
        .unwrap();
    claim
}

/// The answer comes back as it was given, and once.
pub async fn a_request_without_a_turn_keeps_its_answer(store: impl Store) {
    let first = claim(&key("d", "u", "s"), "k");
    store.claim(&first).await.unwrap();
    let answer = json!({"response": "caf\u{e9} \u{1f600} \"\\ \n", "usage": {"tokens": 42}, "none": null});
    assert!(
        store
            .complete(&first.request, first.owner, &answer)
            .await
            .unwrap()
    );
    let past = PastAnswer {
        session: first.session.clone(),
        answer,
        committed: None,
    };
    assert_eq!(repeat(&store, &first).await, Claimed::Answered(past.clone()));
    assert_eq!(
        store.claim(&first).await.unwrap(),
        Claimed::Answered(past.clone()),
        "its owner is told too"
    );
    assert!(
        !store
            .complete(&first.request, first.owner, &json!("other"))
            .await
            .unwrap()
    );
    assert_eq!(repeat(&store, &first).await, Claimed::Answered(past));
}

/// Version, ids and times are those that the commit returned.
pub async fn a_commit_completes_its_request(store: impl Store) {
    let key = key("d", "u", "s");
    let earlier = append(&key, exchange("q0", "a0"));
    append_one(&store, earlier).await.unwrap();
    let first = claim(&key, "k");
    store.claim(&first).await.unwrap();
    let answer = json!({"response": "a"});
    let committed = append_one(&store, completing(&key, &first, answer.clone()))
        .await
        .unwrap();
    assert_eq!((committed.version, committed.messages.len()), (version(2), 2));
    let expected = Claimed::Answered(PastAnswer {
        session: key.session.clone(),
        answer,
        committed: Some(committed),
    });
    assert_eq!(repeat(&store, &first).await, expected);
}

/// Whoever lost the request, never had it, or has completed it, commits nothing; the others of the call are committed.
pub async fn a_claim_lost_commits_nothing_and_disturbs_nobody_else_in_the_call(store: impl Store) {
    let (mine, other) = (key("d", "u", "mine"), key("d", "u", "other"));
    let lost = claim(&mine, "lost");
    let taken_over = Claim {
        lease: std::time::Duration::ZERO,
        ..lost.clone()
    };
    store.claim(&taken_over).await.unwrap();
    assert!(matches!(repeat(&store, &lost).await, Claimed::Granted { .. }));
    let kept = claim(&other, "kept");
    store.claim(&kept).await.unwrap();
    let never_claimed = claim(&mine, "never-claimed");

    let call = [
        append(&mine, exchange("q1", "a1")),
        completing(&mine, &lost, json!(0)),
        completing(&other, &kept, json!(1)),
        completing(&mine, &never_claimed, json!(2)),
        completing(&other, &kept, json!(3)),
        append(&mine, exchange("q2", "a2")),
    ];
    let outcomes = store.append(&call).await;
    let committed: Vec<_> = outcomes
        .iter()
        .map(|outcome| {
            let lost = matches!(outcome, Err(AppendError::ClaimLost));
            assert!(outcome.is_ok() || lost, "{outcome:?}");
            outcome.is_ok()
        })
        .collect();
    assert_eq!(committed, [true, false, true, false, false, true]);
    assert_eq!(contents(&history(&store, &mine).await), ["q1", "a1", "q2", "a2"]);
    assert_eq!(history(&store, &mine).await.version(), version(2));
    assert_eq!(contents(&history(&store, &other).await), ["q", "a"]);
    assert!(matches!(repeat(&store, &kept).await, Claimed::Answered(past) if past.answer == json!(1)));
    assert_eq!(repeat(&store, &lost).await, Claimed::Running, "it is the other's");
}

/// A turn that is refused leaves its request to its owner, who may say so or try again.
pub async fn a_refused_turn_completes_nothing(store: impl Store) {
    let key = key("d", "u", "s");
    let first = claim(&key, "k");
    store.claim(&first).await.unwrap();
    store.erase(&key).await.unwrap();
    let stale = Append {
        read_version: Some(Version::ZERO),
        ..completing(&key, &first, json!("stale"))
    };
    assert!(matches!(
        append_one(&store, stale).await,
        Err(AppendError::Erased)
    ));
    let onto_another = Append {
        if_version: Some(version(7)),
        ..completing(&key, &first, json!("stale"))
    };
    assert!(matches!(
        append_one(&store, onto_another).await,
        Err(AppendError::VersionConflict { .. })
    ));
    assert!(matches!(load(&store, &key).await, Lookup::New(_)));
    assert_eq!(repeat(&store, &first).await, Claimed::Running);
    append_one(&store, completing(&key, &first, json!("fresh")))
        .await
        .unwrap();
    assert!(matches!(repeat(&store, &first).await, Claimed::Answered(past) if past.answer == json!("fresh")));
}

/// Those about the session, with a turn and without one; nobody else's.
pub async fn an_erase_blanks_the_answers_of_its_session(store: impl Store) {
    let erased = key("d", "u", "s");
    let others = [key("d", "u", "s2"), key("d", "u2", "s"), key("d2", "u", "s")];
    let with_turn = answered(&store, &erased, "with-turn").await;
    let without_turn = claim(&erased, "without-turn");
    store.claim(&without_turn).await.unwrap();
    assert!(
        store
            .complete(&without_turn.request, without_turn.owner, &json!(1))
            .await
            .unwrap()
    );
    let running = claim(&erased, "running");
    store.claim(&running).await.unwrap();
    let mut kept = Vec::new();
    for other in &others {
        kept.push(answered(&store, other, "kept").await);
    }

    store.erase(&erased).await.unwrap();
    for blanked in [&with_turn, &without_turn] {
        assert_eq!(repeat(&store, blanked).await, Claimed::Erased, "{blanked:?}");
    }
    assert_eq!(
        repeat(&store, &running).await,
        Claimed::Running,
        "it has no answer yet"
    );
    for kept in &kept {
        assert!(
            matches!(repeat(&store, kept).await, Claimed::Answered(_)),
            "{kept:?}"
        );
    }
    assert!(
        !store
            .complete(&with_turn.request, with_turn.owner, &json!("again"))
            .await
            .unwrap()
    );
}

/// All of the user's sessions, those included that have no messages.
pub async fn an_erased_user_has_no_answers(store: impl Store) {
    let mine = [key("d", "u", "s1"), key("d", "u", "s2")];
    let other = key("d", "u2", "s1");
    let mut blanked = Vec::new();
    for (n, key) in mine.iter().enumerate() {
        blanked.push(answered(&store, key, &n.to_string()).await);
    }
    let without_turn = claim(&key("d", "u", "no messages"), "without-turn");
    store.claim(&without_turn).await.unwrap();
    assert!(
        store
            .complete(&without_turn.request, without_turn.owner, &json!(1))
            .await
            .unwrap()
    );
    blanked.push(without_turn);
    let kept = answered(&store, &other, "0").await;

    store.erase_user(&other.department, &mine[0].user).await.unwrap();
    for blanked in &blanked {
        assert_eq!(repeat(&store, blanked).await, Claimed::Erased, "{blanked:?}");
    }
    assert!(matches!(repeat(&store, &kept).await, Claimed::Answered(_)));
    assert_eq!(kept.request, request(&other, "0"));
}
