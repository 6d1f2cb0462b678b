//! Which sessions there are.

use hearth_domain::ports::{SessionCursor, SessionSummary};
use hearth_domain::{ConversationKey, Department};

use super::Store;
use super::observe::{at, commit, version};
use crate::build::{assistant, key, turn, user};

/// Adds an exchange that happened at these seconds.
async fn talk(store: &impl Store, key: &ConversationKey, asked: i64, answered: i64) {
    let messages = [user("q").at(at(asked)), assistant("a").at(at(answered))];
    commit(store, key, turn(&messages)).await;
}

/// The whole list of one user, in pages of `limit`.
async fn list(store: &impl Store, key: &ConversationKey, limit: u16) -> Vec<SessionSummary> {
    let mut sessions = Vec::new();
    let mut after: Option<SessionCursor> = None;
    loop {
        let page = store
            .list(&key.department, &key.user, after.as_ref(), limit)
            .await
            .unwrap();
        assert!(page.sessions.len() <= usize::from(limit));
        assert!(
            !page.more || page.sessions.len() == usize::from(limit),
            "only a full page has more"
        );
        after = page.sessions.last().map(SessionSummary::cursor);
        sessions.extend(page.sessions);
        if !page.more {
            return sessions;
        }
    }
}

fn names(sessions: &[SessionSummary]) -> Vec<&str> {
    sessions.iter().map(|summary| summary.session.as_str()).collect()
}

/// Each with its version, its first and its newest time; another user's are not among them.
pub async fn sessions_come_newest_activity_first(store: impl Store) {
    let [one, two, three] = ["one", "two", "three"].map(|session| key("d", "u", session));
    talk(&store, &one, 10, 11).await;
    talk(&store, &two, 20, 21).await;
    talk(&store, &three, 5, 6).await;
    talk(&store, &one, 30, 31).await;
    talk(&store, &key("d", "u2", "stranger"), 40, 41).await;
    talk(&store, &key("d2", "u", "stranger"), 40, 41).await;

    let listed = list(&store, &one, 50).await;
    let summary = |name: &str, turns, started, last_active| SessionSummary {
        session: key("d", "u", name).session,
        version: version(turns),
        started_at: at(started),
        last_active_at: at(last_active),
        ended_at: None,
    };
    assert_eq!(
        listed,
        [
            summary("one", 2, 10, 31),
            summary("two", 1, 20, 21),
            summary("three", 1, 5, 6)
        ]
    );
    assert_eq!(list(&store, &key("d", "nobody", "s"), 50).await, []);
}

/// Pages of any size, joined, are the whole list.
pub async fn cursors_page_without_gaps_or_repeats(store: impl Store) {
    // Activity in another order than that of the ids and of the commits.
    for n in 0..17_i64 {
        let activity = (n * 7) % 17;
        talk(&store, &key("d", "u", &format!("s{n:02}")), 0, activity).await;
    }
    let user = key("d", "u", "any");
    let whole = list(&store, &user, 200).await;
    assert_eq!(whole.len(), 17);
    assert!(whole.is_sorted_by(|one, next| one.last_active_at > next.last_active_at));
    for limit in [1, 2, 5, 16, 17] {
        assert_eq!(list(&store, &user, limit).await, whole, "in pages of {limit}");
    }
}

/// Ids decide between equal times, byte by byte, and a cursor stands between them.
pub async fn equal_activity_is_ordered_by_id(store: impl Store) {
    for name in ["b", "ä", "B", "a", "_", "a b", "ab"] {
        talk(&store, &key("d", "u", name), 1, 2).await;
    }
    let user = key("d", "u", "any");
    for limit in [1, 2, 3, 50] {
        let listed = list(&store, &user, limit).await;
        assert_eq!(
            names(&listed),
            ["B", "_", "a", "a b", "ab", "b", "ä"],
            "in pages of {limit}"
        );
    }
}

/// By what was committed last, whoever it was.
pub async fn recent_sessions_come_newest_first_of_all_users(store: impl Store) {
    assert_eq!(store.recent(10).await.unwrap(), []);
    let keys = [
        key("d1", "u", "s"),
        key("d1", "u2", "s"),
        key("d2", "u", "s"),
        key("d2", "u", "s2"),
    ];
    for (n, key) in (0..).zip(&keys) {
        talk(&store, key, n, n).await;
    }
    let [first, second, third, fourth] = &keys;
    // The others fall far behind a session that talks much.
    for n in 10..200 {
        talk(&store, second, n, n).await;
    }
    let expected = [second.clone(), fourth.clone(), third.clone(), first.clone()];
    assert_eq!(store.recent(10).await.unwrap(), expected);
    assert_eq!(store.recent(4).await.unwrap(), expected);
    assert_eq!(store.recent(2).await.unwrap(), [second.clone(), fourth.clone()]);
}

/// In the order of the keys, resumed after any key, one that is not there included.
pub async fn keys_page_in_order_and_by_department(store: impl Store) {
    let mut keys = Vec::new();
    for department in ["a", "B", "ä", "a/b"] {
        for user in ["u", "U"] {
            for session in ["2", "10", "1"] {
                keys.push(key(department, user, session));
            }
        }
    }
    for key in &keys {
        talk(&store, key, 1, 2).await;
        talk(&store, key, 3, 4).await;
    }
    keys.sort();
    for limit in [1, 5, 24, 100] {
        assert_eq!(
            pages_of_keys(&store, None, limit).await,
            keys,
            "in pages of {limit}"
        );
        for department in ["a", "ä"] {
            let department = Department::new(department).unwrap();
            let of_it: Vec<_> = keys
                .iter()
                .filter(|key| key.department == department)
                .cloned()
                .collect();
            assert_eq!(pages_of_keys(&store, Some(&department), limit).await, of_it);
        }
    }
    let absent = key("a", "u", "15");
    let after: Vec<_> = keys.iter().filter(|key| **key > absent).cloned().collect();
    assert_eq!(store.keys(None, Some(&absent), 100).await.unwrap(), after);
    let unknown = Department::new("nobody's").unwrap();
    assert_eq!(store.keys(Some(&unknown), None, 10).await.unwrap(), []);
}

async fn pages_of_keys(
    store: &impl Store,
    department: Option<&Department>,
    limit: u16,
) -> Vec<ConversationKey> {
    let mut keys: Vec<ConversationKey> = Vec::new();
    loop {
        let page = store.keys(department, keys.last(), limit).await.unwrap();
        assert!(page.len() <= usize::from(limit));
        if page.is_empty() {
            return keys;
        }
        keys.extend(page);
    }
}
