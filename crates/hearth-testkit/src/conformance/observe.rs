//! How the cases look at a store: ids left out, since a store may leave gaps.

use chrono::{DateTime, Utc};
use hearth_domain::ports::{HistoryStore, Lookup};
use hearth_domain::{Append, Committed, ConversationKey, History, Role, Status, Turn, Version, WindowLimits};

use crate::build;

/// A message of a history without its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) role: Role,
    pub(super) content: String,
    pub(super) created_at: DateTime<Utc>,
    pub(super) status: Status,
}

/// The messages of a history.
pub(super) fn seen(history: &History) -> Vec<Seen> {
    history
        .messages()
        .map(|message| Seen {
            role: message.role,
            content: message.content.into_owned(),
            created_at: message.created_at,
            status: message.status,
        })
        .collect()
}

/// The contents of a history.
pub(super) fn contents(history: &History) -> Vec<String> {
    history
        .messages()
        .map(|message| message.content.into_owned())
        .collect()
}

/// Loads one session.
pub(super) async fn lookup(store: &impl HistoryStore, key: &ConversationKey, limits: WindowLimits) -> Lookup {
    let lookups = store.load(std::slice::from_ref(key), limits).await.unwrap();
    let [lookup] = <[Lookup; 1]>::try_from(lookups).unwrap();
    lookup
}

/// Loads one session within the default limits.
pub(super) async fn load(store: &impl HistoryStore, key: &ConversationKey) -> Lookup {
    lookup(store, key, WindowLimits::default()).await
}

/// Loads one session that has messages.
pub(super) async fn history(store: &impl HistoryStore, key: &ConversationKey) -> History {
    let lookup = load(store, key).await;
    assert!(matches!(lookup, Lookup::Found(_)), "{key} has messages");
    lookup.into_history()
}

/// Commits one turn.
pub(super) async fn commit(store: &impl HistoryStore, key: &ConversationKey, turn: Turn) -> Committed {
    let mut committed = commit_all(store, &[build::append(key, turn)]).await;
    committed.pop().unwrap()
}

/// Commits turns, none of which may fail.
pub(super) async fn commit_all(store: &impl HistoryStore, appends: &[Append]) -> Vec<Committed> {
    let results = store.append(appends).await;
    assert_eq!(results.len(), appends.len(), "one answer a turn");
    results.into_iter().map(Result::unwrap).collect()
}

/// The version of a number.
pub(super) fn version(number: u64) -> Version {
    Version::new(number).unwrap()
}

/// The limits of two numbers: responses and messages.
pub(super) fn limits(responses_max: u16, messages_max: u16) -> WindowLimits {
    WindowLimits::new(responses_max, messages_max).unwrap()
}

/// A time of day in whole seconds after the year 2020 began, for messages that carry their own.
pub(super) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_577_836_800 + seconds, 0).unwrap()
}
