//! Ending sessions.

use hearth_domain::ConversationKey;
use hearth_domain::Version;
use hearth_domain::ports::{Lookup, SessionSummary};

use super::Store;
use super::observe::{commit, history, load, version};
use crate::build::{exchange, key};

async fn summary(store: &impl Store, key: &ConversationKey) -> SessionSummary {
    let page = store.list(&key.department, &key.user, None, 100).await.unwrap();
    let mut sessions = page.sessions.into_iter();
    sessions.find(|summary| summary.session == key.session).unwrap()
}

/// There is nothing to end.
pub async fn an_unknown_session_is_not_created(store: impl Store) {
    let key = key("d", "u", "s");
    store.end(&key).await.unwrap();
    assert_eq!(load(&store, &key).await, Lookup::New(Version::ZERO));
    let list = store.list(&key.department, &key.user, None, 10).await.unwrap();
    assert!(list.sessions.is_empty());
    let first = commit(&store, &key, exchange("q", "a")).await;
    assert_eq!(first.version, version(1));
    assert_eq!(summary(&store, &key).await.ended_at, None);
}

/// The list shows the end; messages and version are as before; a repetition does not move it.
pub async fn an_ended_session_keeps_its_messages_and_its_first_end(store: impl Store) {
    let (ended, open) = (key("d", "u", "ended"), key("d", "u", "open"));
    for key in [&ended, &open] {
        commit(&store, key, exchange("q", "a")).await;
    }
    let before = history(&store, &ended).await;
    store.end(&ended).await.unwrap();
    let first = summary(&store, &ended).await;
    assert!(first.ended_at.is_some());
    store.end(&ended).await.unwrap();
    assert_eq!(summary(&store, &ended).await, first);
    assert_eq!(history(&store, &ended).await, before);
    assert_eq!(summary(&store, &open).await.ended_at, None);
}

/// Whoever goes on talking has not ended.
pub async fn a_turn_reopens_an_ended_session(store: impl Store) {
    let key = key("d", "u", "s");
    commit(&store, &key, exchange("q1", "a1")).await;
    store.end(&key).await.unwrap();
    let committed = commit(&store, &key, exchange("q2", "a2")).await;
    assert_eq!(committed.version, version(2));
    assert_eq!(summary(&store, &key).await.ended_at, None);
    assert_eq!(history(&store, &key).await.len(), 4);
    store.end(&key).await.unwrap();
    assert!(summary(&store, &key).await.ended_at.is_some());
}
