//! Requests with a key: completed by the commit of their turn, once, and only by their owner.

use std::time::Duration;

use hearth_domain::ports::{AppendError, Claim, Claimed, HistoryStore, PastAnswer, RequestLog};
use hearth_domain::{
    Append, BodyHash, ClaimOwner, Committed, Completion, Endpoint, IdempotencyKey, RequestKey, SessionId,
};
use hearth_postgres::{PostgresConfig, PostgresStore};
use hearth_testkit::postgres::{Cut, Proxy};
use serde_json::json;
use tokio::runtime::Handle;

use crate::support::{migrated, open, store_on};
use crate::{WAITS_FOR_LOCK, append, append_one, contents, key, until};

const LEASE: Duration = Duration::from_secs(60);

pub(crate) fn request(name: &str) -> RequestKey {
    RequestKey {
        department: key("s").department,
        user: key("s").user,
        endpoint: Endpoint::Chat,
        key: IdempotencyKey::new(name).unwrap(),
    }
}

pub(crate) fn claim(name: &str, owner: ClaimOwner, session: &str) -> Claim {
    Claim {
        request: request(name),
        body: BodyHash([7; 32]),
        owner,
        session: SessionId::new(session).unwrap(),
        lease: LEASE,
    }
}

/// Claims a request, and brings the turn that completes it.
pub(crate) async fn claimed(store: &PostgresStore, name: &str, session: &str) -> Append {
    let owner = ClaimOwner::generate();
    let granted = store.claim(&claim(name, owner, session)).await.unwrap();
    assert!(matches!(granted, Claimed::Granted { .. }), "{granted:?}");
    completing(name, owner, session)
}

pub(crate) fn completing(name: &str, owner: ClaimOwner, session: &str) -> Append {
    let completion = Completion {
        request: request(name),
        owner,
        answer: json!({ "response": format!("to {name}") }),
    };
    Append {
        completes: Some(completion),
        ..append(session, name)
    }
}

pub(crate) async fn repeated(store: &PostgresStore, name: &str) -> Claimed {
    let repeat = claim(name, ClaimOwner::generate(), "made up anew");
    store.claim(&repeat).await.unwrap()
}

fn answered(name: &str, session: &str, committed: &Committed) -> Claimed {
    Claimed::Answered(PastAnswer {
        session: SessionId::new(session).unwrap(),
        answer: json!({ "response": format!("to {name}") }),
        committed: Some(committed.clone()),
    })
}

#[tokio::test]
async fn turns_of_many_requests_and_sessions_are_one_batch_and_each_gets_its_own_rows() {
    let (store, database) = open().await;
    append_one(&store, append("a", "before")).await.unwrap();
    let batches = store.commit_status().batches;
    let single = PostgresConfig {
        pool_size: 1,
        ..PostgresConfig::new(database.url())
    };
    let one_committer = PostgresStore::open(&single, Handle::current()).unwrap();
    let turns = [
        claimed(&store, "z", "a").await,
        append("a", "without a key"),
        claimed(&store, "y", "b").await,
        claimed(&store, "x", "a").await,
        append("c", "another"),
    ];
    let outcomes = one_committer.append(&turns).await;
    let committed: Vec<Committed> = outcomes.into_iter().map(Result::unwrap).collect();
    let versions: Vec<u64> = committed.iter().map(|turn| turn.version.get()).collect();
    assert_eq!(versions, [2, 3, 1, 4, 1]);
    assert_eq!(one_committer.commit_status().batches, 1);
    assert_eq!(store.commit_status().batches, batches);
    for (name, session, place) in [("z", "a", 0), ("y", "b", 2), ("x", "a", 3)] {
        let answer = repeated(&store, name).await;
        assert_eq!(answer, answered(name, session, &committed[place]), "{name}");
    }
}

#[tokio::test]
async fn a_lost_claim_fails_alone_in_its_batch() {
    let (store, _database) = open().await;
    let lost = claimed(&store, "lost", "a").await;
    let owner = lost.completes.as_ref().unwrap().owner;
    store.release(&request("lost"), owner).await.unwrap();
    let held = claimed(&store, "held", "a").await;
    let turns = [append("a", "first"), lost, held, append("b", "other")];
    let outcomes = store.append(&turns).await;
    let versions: Vec<Option<u64>> = outcomes
        .iter()
        .map(|outcome| outcome.as_ref().ok().map(|turn| turn.version.get()))
        .collect();
    assert_eq!(versions, [Some(1), None, Some(2), Some(1)], "{outcomes:?}");
    assert!(matches!(outcomes[1], Err(AppendError::ClaimLost)), "{outcomes:?}");
    let granted = repeated(&store, "lost").await;
    let session = SessionId::new("a").unwrap();
    assert_eq!(granted, Claimed::Granted { session }, "of the first attempt");
}

#[tokio::test]
async fn a_request_is_completed_once_however_often_it_is_sent() {
    let (store, database) = open().await;
    let turn = claimed(&store, "k", "s").await;
    let other = store_on(&database);
    let outcomes = store.append(&[turn.clone(), turn.clone()]).await;
    let again = append_one(&other, turn).await;
    assert!(outcomes[0].is_ok(), "{outcomes:?}");
    for refused in [&outcomes[1], &again] {
        assert!(matches!(refused, Err(AppendError::ClaimLost)), "{refused:?}");
    }
    assert_eq!(contents(&store, "s").await, ["k", "answer"]);
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_completes_its_request_once() {
    let database = migrated().await;
    let proxy = Proxy::in_front_of(&database.url()).await;
    let store = PostgresStore::open(&PostgresConfig::new(proxy.url()), Handle::current()).unwrap();
    let turn = claimed(&store, "unheard", "s").await;
    proxy.cut("unheard", Cut::AfterAnswer);
    let committed = append_one(&store, turn).await.unwrap();
    assert!(!proxy.is_waiting());
    assert_eq!(
        repeated(&store, "unheard").await,
        answered("unheard", "s", &committed)
    );
    assert_eq!(contents(&store, "s").await, ["unheard", "answer"]);
}

#[tokio::test]
async fn a_keyed_turn_that_arrives_late_is_not_committed_again() {
    let database = migrated().await;
    let proxy = Proxy::in_front_of(&database.url()).await;
    let store = PostgresStore::open(&PostgresConfig::new(proxy.url()), Handle::current()).unwrap();
    let turn = claimed(&store, "held-back", "s").await;
    proxy.cut("held-back", Cut::BeforeDelivery);
    let committed = append_one(&store, turn).await.unwrap();
    let answer = proxy.deliver().await;
    assert!(answer.contains("chatbot_commits_once"), "{answer}");
    assert_eq!(
        repeated(&store, "held-back").await,
        answered("held-back", "s", &committed)
    );
    assert_eq!(contents(&store, "s").await, ["held-back", "answer"]);
}

#[tokio::test]
async fn a_claim_that_runs_out_is_taken_over_and_the_first_owner_commits_nothing() {
    let (store, database) = open().await;
    let first = claimed(&store, "k", "s").await;
    assert_eq!(repeated(&store, "k").await, Claimed::Running);
    let client = database.client().await.unwrap();
    client
        .batch_execute("UPDATE chatbot_requests SET lease_until = now() - interval '1 second'")
        .await
        .unwrap();
    let second = claimed(&store_on(&database), "k", "made up anew").await;
    let refused = append_one(&store, first).await;
    assert!(matches!(refused, Err(AppendError::ClaimLost)), "{refused:?}");
    let owner = second.completes.as_ref().unwrap().owner;
    append_one(&store, completing("k", owner, "s")).await.unwrap();
    assert_eq!(contents(&store, "s").await, ["k", "answer"]);
}

#[tokio::test]
async fn a_lease_that_ran_out_is_still_its_owners_while_nobody_takes_it() {
    let (store, database) = open().await;
    let turn = claimed(&store, "k", "s").await;
    let client = database.client().await.unwrap();
    client
        .batch_execute("UPDATE chatbot_requests SET lease_until = now() - interval '1 second'")
        .await
        .unwrap();
    append_one(&store, turn).await.unwrap();
}

#[tokio::test]
async fn a_take_over_and_a_commit_at_the_same_time_are_one_or_the_other() {
    let (store, database) = open().await;
    append_one(&store, append("s", "first")).await.unwrap();
    let turn = claimed(&store, "k", "s").await;
    let client = database.client().await.unwrap();
    client
        .batch_execute("UPDATE chatbot_requests SET lease_until = now() - interval '1 second'")
        .await
        .unwrap();
    let mut other = database.client().await.unwrap();
    let holding = other.transaction().await.unwrap();
    holding
        .execute("SELECT FROM chatbot_sessions FOR UPDATE", &[])
        .await
        .unwrap();
    // The commit has its request, and waits for its session; the claim waits for the commit.
    let take_over = async {
        until(&client, WAITS_FOR_LOCK).await;
        repeated(&store, "k").await
    };
    let let_go = async {
        until(&client, &WAITS_FOR_LOCK.replace("> 0", "= 2")).await;
        holding.rollback().await.unwrap();
    };
    let (committed, claimed, ()) = tokio::join!(append_one(&store, turn), take_over, let_go);
    assert_eq!(claimed, answered("k", "s", &committed.unwrap()));
}

#[tokio::test]
async fn an_erase_blanks_what_was_committed_while_it_waited() {
    let (store, database) = open().await;
    append_one(&store, append("s", "first")).await.unwrap();
    let turn = claimed(&store, "k", "s").await;
    let client = database.client().await.unwrap();
    let mut other = database.client().await.unwrap();
    let holding = other.transaction().await.unwrap();
    holding
        .execute("SELECT FROM chatbot_sessions FOR UPDATE", &[])
        .await
        .unwrap();
    let session = key("s");
    let erase = async {
        until(&client, WAITS_FOR_LOCK).await;
        store.erase(&session).await.unwrap()
    };
    let let_go = async {
        until(&client, &WAITS_FOR_LOCK.replace("> 0", "= 2")).await;
        holding.rollback().await.unwrap();
    };
    let (committed, _, ()) = tokio::join!(append_one(&store, turn), erase, let_go);
    committed.unwrap();
    assert_eq!(repeated(&store, "k").await, Claimed::Erased);
    let left = client
        .query_one("SELECT count(answer) + count(ids) FROM chatbot_requests", &[])
        .await
        .unwrap();
    assert_eq!(left.get::<_, i64>(0), 0);
}

#[tokio::test]
async fn old_requests_are_forgotten_in_steps_and_running_ones_are_not() {
    let (store, database) = open().await;
    for number in 0..5 {
        let turn = claimed(&store, &format!("k{number}"), "s").await;
        append_one(&store, turn).await.unwrap();
    }
    claimed(&store, "running", "s").await;
    let client = database.client().await.unwrap();
    client
        .batch_execute("UPDATE chatbot_requests SET created_at = now() - interval '2 days' WHERE key <> 'k4'")
        .await
        .unwrap();
    let day = Duration::from_secs(86_400);
    assert_eq!(store.forget_requests(day, 3).await.unwrap(), 3);
    assert_eq!(store.forget_requests(day, 3).await.unwrap(), 1);
    assert_eq!(store.forget_requests(day, 3).await.unwrap(), 0);
    assert_eq!(store.forget_requests(Duration::MAX, 3).await.unwrap(), 0);
    until(
        &client,
        "SELECT array_agg(key ORDER BY key) = '{k4,running}'::text[] FROM chatbot_requests",
    )
    .await;
}
