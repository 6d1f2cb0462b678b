//! Loading sessions.

use hearth_domain::Version;
use hearth_domain::ports::Lookup;
use hearth_domain::{Role, Status, WindowLimits};

use super::Store;
use super::observe::{commit, contents, history, load, version};
use crate::build::{exchange, key, turn, user};

/// Nobody wrote to it: that is an answer, not an error.
pub async fn an_unknown_session_is_new_at_version_zero(store: impl Store) {
    assert_eq!(
        load(&store, &key("d", "u", "s")).await,
        Lookup::New(Version::ZERO)
    );
}

/// Roles, contents, ids and times come back as the commit gave them.
pub async fn what_was_appended_is_loaded(store: impl Store) {
    let key = key("d", "u", "s");
    let turn = exchange("a latte, please", "coming up");
    let committed = commit(&store, &key, turn.clone()).await;
    assert_eq!(committed.version, version(1));

    let history = history(&store, &key).await;
    assert_eq!(history.version(), version(1));
    assert_eq!(history.responses(), 1);
    assert!(!history.is_truncated());
    let loaded: Vec<_> = history.messages().collect();
    let expected: Vec<_> = committed.views(&turn).collect();
    assert_eq!(loaded, expected);
    let roles: Vec<_> = loaded
        .iter()
        .map(|message| (message.role, message.status))
        .collect();
    assert_eq!(
        roles,
        [
            (Role::User, Status::Complete),
            (Role::Assistant, Status::Complete)
        ]
    );
}

/// Known, unknown and repeated keys in one call.
pub async fn many_keys_are_answered_in_their_order(store: impl Store) {
    let known: Vec<_> = (0..40).map(|n| key("d", "u", &format!("s{n}"))).collect();
    for (n, key) in known.iter().enumerate() {
        commit(&store, key, turn(&[user(&n.to_string())])).await;
    }
    let unknown = key("d", "u", "unknown");
    // Every third key backwards, with a stranger before each and the first one again after it.
    let mut keys = Vec::new();
    let mut expected: Vec<Option<String>> = Vec::new();
    for (n, known_key) in known.iter().enumerate().rev().step_by(3) {
        keys.extend([unknown.clone(), known_key.clone(), key("d", "u", "s0")]);
        expected.extend([None, Some(n.to_string()), Some("0".to_owned())]);
    }
    let lookups = store.load(&keys, WindowLimits::default()).await.unwrap();
    let found: Vec<_> = lookups
        .into_iter()
        .map(|lookup| match lookup {
            Lookup::Found(history) => contents(&history).pop(),
            Lookup::New(version) => {
                assert_eq!(version, Version::ZERO);
                None
            }
        })
        .collect();
    assert_eq!(found, expected);
}

/// The empty call is legal.
pub async fn no_keys_get_no_answers(store: impl Store) {
    assert_eq!(store.load(&[], WindowLimits::default()).await.unwrap(), []);
}
