//! The window that a load cuts.

use hearth_domain::ports::HistoryStore;
use hearth_domain::{ConversationKey, MemoryStore, WindowLimits};

use super::Store;
use super::observe::{at, commit, commit_all, contents, history, limits, lookup, seen};
use super::random::Random;
use crate::build::{append, assistant, exchange, key, message, turn, user};

/// Thirty responses, unless configured otherwise.
pub async fn no_more_than_the_responses_are_kept(store: impl Store) {
    let key = key("d", "u", "s");
    let appends: Vec<_> = (1..=45)
        .map(|n| append(&key, exchange(&format!("q{n}"), &format!("a{n}"))))
        .collect();
    commit_all(&store, &appends).await;
    let history = history(&store, &key).await;
    let expected: Vec<_> = (16..=45)
        .flat_map(|n| [format!("q{n}"), format!("a{n}")])
        .collect();
    assert_eq!(contents(&history), expected);
    assert_eq!(history.responses(), 30);
    assert!(history.is_truncated());
}

/// 240 messages, unless configured otherwise; one less is not truncated, one more is.
pub async fn no_more_than_the_messages_are_kept(store: impl Store) {
    let key = key("d", "u", "s");
    let turns: Vec<_> = (0..16)
        .map(|n| {
            let messages: Vec<_> = (0..15).map(|m| user(&format!("{n}.{m}"))).collect();
            append(&key, turn(&messages))
        })
        .collect();
    commit_all(&store, &turns).await;
    let all = history(&store, &key).await;
    assert_eq!((all.len(), all.is_truncated()), (240, false));
    commit(&store, &key, turn(&[user("one more")])).await;
    let cut = history(&store, &key).await;
    assert_eq!((cut.len(), cut.is_truncated()), (240, true));
    assert_eq!(contents(&cut).first().unwrap(), "0.1");
    assert_eq!(contents(&cut).last().unwrap(), "one more");
}

/// A window begins with no answer whose question it does not hold, and ends with whatever came last.
pub async fn orphaned_answers_are_cut_and_a_last_question_is_kept(store: impl Store) {
    let key = key("d", "u", "s");
    commit(&store, &key, exchange("q1", "a1")).await;
    commit(
        &store,
        &key,
        turn(&[user("q2"), assistant("a2"), assistant("a2, again")]),
    )
    .await;
    commit(&store, &key, turn(&[user("q3")])).await;
    let small = |responses, messages| {
        let (store, key) = (&store, &key);
        async move {
            let history = lookup(store, key, limits(responses, messages))
                .await
                .into_history();
            (contents(&history), history.is_truncated())
        }
    };
    let texts = |texts: &[&str]| -> Vec<String> { texts.iter().map(|text| (*text).to_owned()).collect() };
    assert_eq!(
        small(3, 6).await,
        (texts(&["q1", "a1", "q2", "a2", "a2, again", "q3"]), false)
    );
    assert_eq!(small(2, 6).await, (texts(&["q2", "a2", "a2, again", "q3"]), true));
    assert_eq!(small(1, 6).await, (texts(&["q3"]), true));
    assert_eq!(small(3, 5).await, (texts(&["q2", "a2", "a2, again", "q3"]), true));
    assert_eq!(small(3, 1).await, (texts(&["q3"]), true));
    commit(&store, &key, turn(&[assistant("a3")])).await;
    assert_eq!(
        small(1, 1).await,
        (Vec::new(), true),
        "an answer alone is no history, but there is more"
    );
}

/// Nothing is missing before it, so it says what it says.
pub async fn a_session_that_fits_keeps_its_leading_answer(store: impl Store) {
    let key = key("d", "u", "s");
    commit(
        &store,
        &key,
        turn(&[assistant("welcome"), user("hello"), assistant("how are you?")]),
    )
    .await;
    let history = lookup(&store, &key, limits(2, 3)).await.into_history();
    assert_eq!(contents(&history), ["welcome", "hello", "how are you?"]);
    assert!(!history.is_truncated());
}

/// Random turns, random limits, several sessions a call: the same windows as [`MemoryStore`]'s.
pub async fn any_turns_give_the_window_of_the_reference(store: impl Store) {
    let reference = MemoryStore::default();
    let mut random = Random::seeded(0x5EED);
    let keys: Vec<_> = (0..6).map(|n| key("d", "u", &format!("s{n}"))).collect();
    for round in 0..40 {
        let appends: Vec<_> = (0..=random.below(8))
            .map(|number| {
                let chosen = keys.get(usize::from(random.below(6))).unwrap();
                let messages: Vec<_> = (0..=random.below(5))
                    .map(|part| {
                        let said = format!("{round}.{number}.{part}");
                        message(random.role(), &said).at(at(i64::from(random.below(1_000))))
                    })
                    .collect();
                append(chosen, turn(&messages))
            })
            .collect();
        let (ours, theirs) = (
            commit_all(&store, &appends).await,
            commit_all(&reference, &appends).await,
        );
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert_eq!(ours.version, theirs.version);
        }
        let limits = limits(1 + random.below(12), 1 + random.below(40));
        assert_equal_windows(&store, &reference, &keys, limits).await;
    }
    assert_equal_windows(&store, &reference, &keys, WindowLimits::default()).await;
}

async fn assert_equal_windows(
    store: &impl HistoryStore,
    reference: &MemoryStore,
    keys: &[ConversationKey],
    limits: WindowLimits,
) {
    let ours = store.load(keys, limits).await.unwrap();
    let theirs = reference.load(keys, limits).await.unwrap();
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.into_iter().zip(theirs) {
        let (ours, theirs) = (ours.into_history(), theirs.into_history());
        assert_eq!(seen(&ours), seen(&theirs), "{limits:?}");
        assert_eq!(ours.version(), theirs.version());
        assert_eq!(ours.is_truncated(), theirs.is_truncated());
        assert_eq!(ours.responses(), theirs.responses());
    }
}
