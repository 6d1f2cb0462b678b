//! Committing turns.

use hearth_domain::{Committed, MessageId};

use super::Store;
use super::observe::{commit, commit_all, contents, history, version};
use crate::build::{append, assistant, exchange, key, turn, user};

fn ids(committed: &[Committed]) -> Vec<MessageId> {
    let rows = committed.iter().flat_map(|committed| &committed.messages);
    rows.map(|row| row.id).collect()
}

fn versions(committed: &[Committed]) -> Vec<u64> {
    committed
        .iter()
        .map(|committed| committed.version.get())
        .collect()
}

fn assert_growing(ids: &[MessageId]) {
    assert!(ids.is_sorted_by(|one, next| one < next), "{ids:?} grow");
}

/// One call after the other: 1, 2, 3, with growing ids.
pub async fn versions_grow_by_one_with_each_turn(store: impl Store) {
    let key = key("d", "u", "s");
    let mut committed = Vec::new();
    for n in 1..=5 {
        committed.push(commit(&store, &key, exchange(&format!("q{n}"), &format!("a{n}"))).await);
    }
    assert_eq!(versions(&committed), [1, 2, 3, 4, 5]);
    assert_growing(&ids(&committed));
    let history = history(&store, &key).await;
    assert_eq!(history.version(), version(5));
    assert_eq!(
        contents(&history),
        ["q1", "a1", "q2", "a2", "q3", "a3", "q4", "a4", "q5", "a5"]
    );
}

/// k turns of one session in one call get the versions v + 1 to v + k, in their order.
pub async fn turns_of_one_session_in_one_call_follow_each_other(store: impl Store) {
    let key = key("d", "u", "s");
    commit(&store, &key, exchange("q0", "a0")).await;
    let appends: Vec<_> = (1..=20)
        .map(|n| append(&key, exchange(&format!("q{n}"), &format!("a{n}"))))
        .collect();
    let committed = commit_all(&store, &appends).await;
    assert_eq!(versions(&committed), (2..=21).collect::<Vec<_>>());
    assert_growing(&ids(&committed));
    let expected: Vec<_> = (0..=20)
        .flat_map(|n| [format!("q{n}"), format!("a{n}")])
        .collect();
    assert_eq!(contents(&history(&store, &key).await), expected);
}

/// Turns of several sessions and of several lengths, mixed in one call: each session gets its own, in order.
pub async fn sessions_in_one_call_do_not_mix(store: impl Store) {
    let (one, other) = (key("d", "u", "one"), key("d", "u", "other"));
    let appends = [
        append(&other, turn(&[user("o1")])),
        append(&one, exchange("q1", "a1")),
        append(&other, turn(&[assistant("o2"), user("o3"), assistant("o4")])),
        append(&one, turn(&[user("q2")])),
    ];
    let committed = commit_all(&store, &appends).await;
    assert_eq!(versions(&committed), [1, 1, 2, 2]);
    let rows: Vec<_> = committed
        .iter()
        .map(|committed| committed.messages.len())
        .collect();
    assert_eq!(rows, [1, 2, 3, 1]);

    let (one, other) = (history(&store, &one).await, history(&store, &other).await);
    assert_eq!(contents(&one), ["q1", "a1", "q2"]);
    assert_eq!(contents(&other), ["o1", "o2", "o3", "o4"]);
    let loaded = |history: &hearth_domain::History| -> Vec<MessageId> {
        history.messages().map(|message| message.id).collect()
    };
    let of = |turns: [usize; 2]| -> Vec<MessageId> {
        let turns = turns.iter().filter_map(|turn| committed.get(*turn));
        turns.flat_map(|turn| &turn.messages).map(|row| row.id).collect()
    };
    assert_eq!(
        loaded(&one),
        of([1, 3]),
        "each answer names the rows of its own turn"
    );
    assert_eq!(loaded(&other), of([0, 2]));
}

/// The empty call is legal.
pub async fn no_turns_get_no_answers(store: impl Store) {
    assert!(store.append(&[]).await.is_empty());
}
