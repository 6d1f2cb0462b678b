//! Many clients that repeat their requests at random and go away at random, against two replicas over one store.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use hearth_chat::{ChatAnswer, ChatConfig, ChatError, ChatRequest};
use hearth_domain::Role;
use hearth_domain::ports::{HistoryStore, PageFrom, SessionIndex};
use hearth_testkit::faulty_store::Call;
use tokio::sync::Barrier;

use crate::stage::{Act, Actor, Scene, Store, asking, content, empty_store, keyed, replica};

const CLIENTS: usize = 500;
const SESSIONS: usize = 50;

/// A client's only request: it says who it is.
fn request_of(client: usize) -> ChatRequest {
    let session = (client % SESSIONS).to_string();
    asking(
        &format!("client {client}"),
        keyed(Some(&session), &client.to_string()),
    )
}

/// What a client does.
#[derive(Clone, Copy)]
struct Habit {
    /// Whether it goes back to the same replica each time: what is held there is committed there.
    loyal: bool,
    seed: u64,
}

/// Sends a request, and repeats it some times whatever it comes to; sometimes without waiting for the answer.
async fn client(
    index: usize,
    habit: Habit,
    replicas: Arc<[Scene; 2]>,
    start: Arc<Barrier>,
) -> Vec<ChatAnswer> {
    let mut random = fastrand::Rng::with_seed(habit.seed.wrapping_add(u64::try_from(index).unwrap()));
    start.wait().await;
    let mut answers = Vec::new();
    let mut repeats = random.usize(1..6);
    while repeats > 0 || answers.is_empty() {
        let [one, other] = &*replicas;
        let goes_to_one = if habit.loyal {
            index.is_multiple_of(2)
        } else {
            random.bool()
        };
        let asking = if goes_to_one { one } else { other }
            .chat
            .answer(request_of(index));
        repeats = repeats.saturating_sub(1);
        let patience = if repeats > 0 && random.f32() < 0.4 {
            Duration::from_micros(random.u64(0..5_000))
        } else {
            Duration::from_mins(10)
        };
        match tokio::time::timeout(patience, asking).await {
            Err(_it_went_away) => {}
            Ok(Ok(answered)) => answers.push(content(&answered)),
            // The store refused it, or did not say: it is asked for again.
            Ok(Err(ChatError::Commit(_))) => {}
            Ok(Err(other)) => panic!("{other:?}"),
        }
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn each_key_is_one_turn_and_one_call_of_a_model() {
    check(false, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_it_is_where_commits_fail() {
    check(true, 60).await;
}

/// Lets a crowd ask; so many commits are refused, and of so many nobody is told.
async fn check(loyal: bool, failures: usize) {
    let store = empty_store();
    let model = Actor::new(&[Act::Count]);
    let replicas = [(); 2].map(|()| replica(&store, model.clone(), ChatConfig::default()));
    let replicas = Arc::new(replicas);
    let start = Arc::new(Barrier::new(CLIENTS));
    store.fail(Call::Append, failures);
    store.forget_commits(failures);
    let seed = fastrand::u64(..);
    let clients = (0..CLIENTS).map(|index| {
        let client = client(
            index,
            Habit { loyal, seed },
            Arc::clone(&replicas),
            Arc::clone(&start),
        );
        tokio::runtime::Handle::current().spawn(client)
    });
    let answers: Vec<_> = join_all(clients).await.into_iter().map(Result::unwrap).collect();

    for (index, answers) in answers.iter().enumerate() {
        let (first, repeats) = answers.split_first().unwrap();
        assert!(
            repeats.iter().all(|answer| answer == first),
            "seed {seed}, client {index}: {answers:?}"
        );
    }
    let turns = turns(&store).await;
    let count = (turns.len(), turns.values().sum::<usize>());
    assert_eq!(count, (CLIENTS, CLIENTS), "one turn a key; seed {seed}");
    let mut queries = model.queries();
    queries.sort();
    queries.dedup();
    assert_eq!(
        (queries.len(), model.calls()),
        (CLIENTS, CLIENTS),
        "one call a key; seed {seed}"
    );
    let held = replicas.each_ref().map(|scene| scene.chat.held_answers());
    assert_eq!(held, [(0, 0); 2]);
}

/// How many turns there are of each query, in all sessions.
async fn turns(store: &Store) -> HashMap<String, usize> {
    let mut turns = HashMap::new();
    for key in store.inner().keys(None, None, 1_000).await.unwrap() {
        let page = store.inner().page(&key, PageFrom::Oldest, 10_000).await.unwrap();
        let (turns_of_two, rest) = page.messages.as_chunks::<2>();
        assert!(rest.is_empty(), "half a turn");
        for [query, response] in turns_of_two {
            assert_eq!((query.role, response.role), (Role::User, Role::Assistant));
            *turns.entry(query.content.clone()).or_default() += 1;
        }
    }
    turns
}
