//! Appending onto exactly one version.

use hearth_domain::ports::{AppendError, Lookup, PageFrom};
use hearth_domain::{Append, Committed, ConversationKey, Version};

use super::Store;
use super::observe::{commit, contents, history, load, version};
use crate::build::{append, exchange, key};

fn onto(key: &ConversationKey, expected: u64, query: &str) -> Append {
    Append {
        if_version: Some(version(expected)),
        ..append(key, exchange(query, "yes"))
    }
}

/// The version that a turn got, or the one that its session had instead.
fn outcome(result: Result<Committed, AppendError>) -> Result<u64, u64> {
    match result {
        Ok(committed) => Ok(committed.version.get()),
        Err(AppendError::VersionConflict { current }) => Err(current.get()),
        Err(
            error @ (AppendError::Erased
            | AppendError::ClaimLost
            | AppendError::NotCommitted(_)
            | AppendError::Unknown(_)
            | AppendError::Overloaded),
        ) => {
            panic!("neither committed nor refused: {error:?}")
        }
    }
}

async fn outcomes(store: &impl Store, appends: &[Append]) -> Vec<Result<u64, u64>> {
    store.append(appends).await.into_iter().map(outcome).collect()
}

/// Zero is the version of a session that nobody wrote to.
pub async fn the_right_version_is_committed_onto(store: impl Store) {
    let key = key("d", "u", "s");
    for expected in 0..3 {
        let outcomes = outcomes(&store, &[onto(&key, expected, "more?")]).await;
        assert_eq!(outcomes, [Ok(expected + 1)]);
    }
    assert_eq!(history(&store, &key).await.len(), 6);
}

/// The refusal names the version that the session has, and nothing is created.
pub async fn a_wrong_version_changes_nothing(store: impl Store) {
    let (known, unknown) = (key("d", "u", "known"), key("d", "u", "unknown"));
    commit(&store, &known, exchange("q1", "a1")).await;
    for expected in [0, 2, i64::MAX.cast_unsigned()] {
        assert_eq!(outcomes(&store, &[onto(&known, expected, "no")]).await, [Err(1)]);
    }
    assert_eq!(outcomes(&store, &[onto(&unknown, 1, "no")]).await, [Err(0)]);

    assert_eq!(contents(&history(&store, &known).await), ["q1", "a1"]);
    assert_eq!(history(&store, &known).await.version(), version(1));
    assert_eq!(load(&store, &unknown).await, Lookup::New(Version::ZERO));
    assert!(
        store
            .page(&unknown, PageFrom::Newest, 10)
            .await
            .unwrap()
            .messages
            .is_empty()
    );
    assert_eq!(
        store.keys(None, None, 10).await.unwrap(),
        std::slice::from_ref(&known)
    );
    let next = commit(&store, &known, exchange("q2", "a2")).await;
    assert_eq!(next.version, version(2), "a refusal takes no version");
}

/// One turn's refusal is not another's.
pub async fn a_wrong_version_disturbs_nobody_else_in_the_call(store: impl Store) {
    let keys: Vec<_> = (0..5).map(|n| key("d", "u", &format!("s{n}"))).collect();
    let appends: Vec<_> = keys
        .iter()
        .zip([0, 7, 0, 7, 0])
        .map(|(key, expected)| onto(key, expected, "q"))
        .collect();
    assert_eq!(
        outcomes(&store, &appends).await,
        [Ok(1), Err(0), Ok(1), Err(0), Ok(1)]
    );
    for (key, committed) in keys.iter().zip([true, false, true, false, true]) {
        assert_eq!(
            matches!(load(&store, key).await, Lookup::Found(_)),
            committed,
            "{key}"
        );
    }
}

/// A turn's expectation sees the turns before it in the same call.
pub async fn a_call_is_its_turns_one_by_one(store: impl Store) {
    let (one, other) = (key("d", "u", "one"), key("d", "u", "other"));
    let appends = [
        onto(&one, 0, "q1"),
        onto(&one, 0, "refused"),
        onto(&other, 5, "refused"),
        onto(&one, 1, "q2"),
        append(&other, exchange("o1", "yes")),
        onto(&one, 1, "refused"),
        append(&one, exchange("q3", "yes")),
    ];
    let outcomes = outcomes(&store, &appends).await;
    assert_eq!(outcomes, [Ok(1), Err(1), Err(0), Ok(2), Ok(1), Err(2), Ok(3)]);
    let history = history(&store, &one).await;
    assert_eq!(contents(&history), ["q1", "yes", "q2", "yes", "q3", "yes"]);
    assert_eq!(history.version(), version(3));
}
