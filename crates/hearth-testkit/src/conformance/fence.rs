//! What was erased does not come back with a turn that had read it.

use hearth_domain::ports::{AppendError, Lookup};
use hearth_domain::{Append, Committed, ConversationKey, Version};

use super::Store;
use super::observe::{commit, contents, history, load, version};
use crate::build::{append, exchange, key};

/// A turn that answers what its session said at a version.
fn answering(key: &ConversationKey, read: Version, query: &str) -> Append {
    Append {
        read_version: Some(read),
        ..append(key, exchange(query, "yes"))
    }
}

/// Commits one turn, or has it refused by the fence.
async fn passes(store: &impl Store, one: Append) -> bool {
    let outcome = store.append(&[one]).await.pop().unwrap();
    passed(&outcome)
}

fn passed(outcome: &Result<Committed, AppendError>) -> bool {
    let refused = matches!(outcome, Err(AppendError::Erased));
    assert!(outcome.is_ok() || refused, "{outcome:?}");
    !refused
}

/// The refusal changes nothing; a turn that read what the erase left is committed.
pub async fn a_turn_that_read_what_was_erased_is_refused(store: impl Store) {
    let key = key("d", "u", "s");
    for _ in 0..2 {
        commit(&store, &key, exchange("q", "a")).await;
    }
    let raised = store.erase(&key).await.unwrap();
    for read in 0..3 {
        assert!(
            !passes(&store, answering(&key, version(read), "stale")).await,
            "at {read}"
        );
    }
    assert_eq!(load(&store, &key).await, Lookup::New(raised));
    assert!(passes(&store, answering(&key, raised, "fresh")).await);
    let after = history(&store, &key).await;
    assert_eq!(
        (contents(&after), after.version()),
        (vec!["fresh".into(), "yes".into()], raised.next())
    );
    assert!(
        !passes(&store, answering(&key, version(2), "stale")).await,
        "a turn after the erase does not lift the fence"
    );
}

/// The fence asks what was erased, not what is newest: turns that read an older version are committed.
pub async fn a_session_that_was_never_erased_has_no_fence(store: impl Store) {
    let key = key("d", "u", "s");
    for _ in 0..3 {
        assert!(passes(&store, answering(&key, Version::ZERO, "q")).await);
    }
    assert_eq!(history(&store, &key).await.version(), version(3));
}

/// A first turn is under way while the session is erased that has no row yet.
pub async fn an_erase_of_the_unknown_fences_its_first_turn(store: impl Store) {
    let key = key("d", "u", "s");
    let raised = store.erase(&key).await.unwrap();
    assert!(!passes(&store, answering(&key, Version::ZERO, "stale")).await);
    assert_eq!(load(&store, &key).await, Lookup::New(raised));
    assert!(passes(&store, answering(&key, raised, "fresh")).await);
}

/// Each erase moves the fence up to what was there before it.
pub async fn a_repeated_erase_fences_what_was_read_between(store: impl Store) {
    let key = key("d", "u", "s");
    commit(&store, &key, exchange("q", "a")).await;
    let between = store.erase(&key).await.unwrap();
    commit(&store, &key, exchange("q", "a")).await;
    let raised = store.erase(&key).await.unwrap();
    assert!(!passes(&store, answering(&key, between, "stale")).await);
    assert!(!passes(&store, answering(&key, between.next(), "stale")).await);
    assert!(passes(&store, answering(&key, raised, "fresh")).await);
}

/// All of the user's sessions, and nobody else's.
pub async fn an_erased_user_is_fenced_in_every_session(store: impl Store) {
    let mine = [key("d", "u", "s1"), key("d", "u", "s2")];
    let other = key("d", "u2", "s1");
    for key in mine.iter().chain([&other]) {
        commit(&store, key, exchange("q", "a")).await;
    }
    store.erase_user(&other.department, &mine[0].user).await.unwrap();
    for key in &mine {
        assert!(
            !passes(&store, answering(key, version(1), "stale")).await,
            "{key}"
        );
    }
    assert!(passes(&store, answering(&other, version(1), "q")).await);
}

/// A turn that does not say what it read, as an import, is committed; others of the call are too.
pub async fn a_turn_that_is_refused_by_the_fence_disturbs_nobody_else_in_the_call(store: impl Store) {
    let (erased, other) = (key("d", "u", "erased"), key("d", "u", "other"));
    commit(&store, &erased, exchange("q", "a")).await;
    let raised = store.erase(&erased).await.unwrap();
    let call = [
        append(&erased, exchange("q1", "yes")),
        answering(&erased, version(1), "stale"),
        answering(&other, Version::ZERO, "o1"),
        answering(&erased, raised, "q2"),
        answering(&erased, Version::ZERO, "stale"),
        answering(&other, Version::ZERO, "o2"),
    ];
    let outcomes = store.append(&call).await;
    let passed: Vec<_> = outcomes.iter().map(passed).collect();
    assert_eq!(passed, [true, false, true, true, false, true]);
    assert_eq!(
        contents(&history(&store, &erased).await),
        ["q1", "yes", "q2", "yes"]
    );
    assert_eq!(
        contents(&history(&store, &other).await),
        ["o1", "yes", "o2", "yes"]
    );
}
