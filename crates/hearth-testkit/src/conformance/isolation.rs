//! Nobody else's conversation.

use hearth_domain::ConversationKey;
use hearth_domain::ports::{Lookup, PageFrom};

use super::Store;
use super::observe::{commit, contents, history, load, version};
use crate::build::{exchange, key};

/// Each key gets a turn of its own; then each sees that turn and nothing else, by every way of reading.
async fn assert_apart(store: &impl Store, keys: &[ConversationKey]) {
    for (n, key) in keys.iter().enumerate() {
        let committed = commit(store, key, exchange(&format!("q{n}"), &format!("a{n}"))).await;
        assert_eq!(committed.version, version(1), "{key:?}");
    }
    for (n, key) in keys.iter().enumerate() {
        let expected = [format!("q{n}"), format!("a{n}")];
        assert_eq!(contents(&history(store, key).await), expected, "{key:?}");
        let page = store.page(key, PageFrom::Oldest, 10).await.unwrap();
        let paged: Vec<_> = page
            .messages
            .iter()
            .map(|message| message.content.clone())
            .collect();
        assert_eq!(paged, expected, "{key:?}");
        let list = store.list(&key.department, &key.user, None, 100).await.unwrap();
        let listed: Vec<_> = list.sessions.into_iter().map(|summary| summary.session).collect();
        let same_user =
            |other: &&ConversationKey| other.department == key.department && other.user == key.user;
        assert_eq!(listed.len(), keys.iter().filter(same_user).count(), "{key:?}");
        assert!(listed.contains(&key.session));
    }
    let mut sorted = keys.to_vec();
    sorted.sort();
    assert_eq!(store.keys(None, None, 100).await.unwrap(), sorted);
}

/// A session's id alone opens nothing.
pub async fn equal_sessions_of_other_departments_and_users_never_meet(store: impl Store) {
    let keys = [
        key("d1", "u1", "s"),
        key("d1", "u2", "s"),
        key("d2", "u1", "s"),
        key("d2", "u2", "s"),
    ];
    assert_apart(&store, &keys).await;
    let [first, others @ ..] = &keys;
    store.erase(first).await.unwrap();
    assert!(matches!(load(&store, first).await, Lookup::New(_)));
    for other in others {
        assert_eq!(history(&store, other).await.len(), 2, "{other:?}");
    }
}

/// A key is three texts, never one joined text.
pub async fn keys_of_equal_joined_text_never_meet(store: impl Store) {
    let keys = [
        key("a/b", "c", "d"),
        key("a", "b/c", "d"),
        key("a", "b", "c/d"),
        key("a,b", "c", "d"),
        key("a", "b,c", "d"),
        key("ab", "c", "d"),
        key("a", "bc", "d"),
        key("{a", "b}", "\"d\""),
    ];
    assert_apart(&store, &keys).await;
}

/// Neither case, blanks, nor Unicode's equivalences make two ids one.
pub async fn ids_are_compared_byte_for_byte(store: impl Store) {
    let longest = "ü".repeat(128);
    let keys = [
        key("d", "u", "s"),
        key("d", "u", "S"),
        key("d", "u", " s"),
        key("d", "u", "s "),
        key("d", "u", "%"),
        key("d", "u", "_"),
        key("d", "u", "é"),
        key("d", "u", "e\u{301}"),
        key("d", "u", "\u{1F600}"),
        key("d", "u", "NULL"),
        key("d", "u", "\\N"),
        key(&longest, &longest, &longest),
    ];
    assert_apart(&store, &keys).await;
}
