//! Turns are found by their ids.

use hearth_domain::limits::{TURN_MESSAGES_MAX, TURN_SEARCH_MESSAGES_MAX};
use hearth_domain::ports::KeptTurn;
use hearth_domain::{ConversationKey, TurnId};
use serde_json::json;

use super::Store;
use super::observe::commit;
use crate::build::{assistant, exchange, key, turn, user};

/// Commits a chat turn, whose response has its id among its metadata.
async fn chat(store: &impl Store, key: &ConversationKey, response: &str) -> TurnId {
    let id = TurnId::generate();
    let metadata = json!({"model": "m", "turn_id": id, "status": "incomplete"});
    let messages = [user("q"), assistant(response).with_metadata(metadata)];
    commit(store, key, turn(&messages)).await;
    id
}

async fn find(store: &impl Store, key: &ConversationKey, id: TurnId) -> Option<KeptTurn> {
    store.find_turn(&key.department, &key.user, id).await.unwrap()
}

/// Its conversation comes with it, and all of its row.
pub async fn a_turn_is_found_by_the_id_in_its_metadata(store: impl Store) {
    let (one, other) = (key("d", "u", "1"), key("d", "u", "2"));
    let first = chat(&store, &one, "first").await;
    let second = chat(&store, &one, "second").await;
    commit(&store, &other, exchange("q", "without an id")).await;
    let third = chat(&store, &other, "third").await;
    for (id, key, content) in [
        (first, &one, "first"),
        (second, &one, "second"),
        (third, &other, "third"),
    ] {
        let found = find(&store, key, id).await.unwrap();
        assert_eq!(found.key, *key);
        assert_eq!(found.response.content, content);
        let metadata = json!({"model": "m", "turn_id": id, "status": "incomplete"});
        assert_eq!(found.response.metadata, Some(metadata));
    }
    assert_eq!(find(&store, &one, TurnId::generate()).await, None);
}

/// Whoever else asks is told what is told of an unknown turn.
pub async fn a_turn_is_its_own_users_alone(store: impl Store) {
    let id = chat(&store, &key("d", "u", "1"), "mine").await;
    for other in [key("d", "v", "1"), key("e", "u", "1")] {
        chat(&store, &other, "theirs").await;
        assert_eq!(find(&store, &other, id).await, None, "{other}");
    }
}

/// Nothing of it is left to be found.
pub async fn an_erased_turn_is_not_found(store: impl Store) {
    let key = key("d", "u", "1");
    let id = chat(&store, &key, "gone").await;
    store.erase(&key).await.unwrap();
    assert_eq!(find(&store, &key, id).await, None);
    let next = chat(&store, &key, "there").await;
    assert!(find(&store, &key, next).await.is_some());
}

/// What was said since in the same session is a bound on how far back is looked.
pub async fn a_turn_is_looked_for_among_the_newest_messages(store: impl Store) {
    let key = key("d", "u", "1");
    let id = chat(&store, &key, "old").await;
    let more = vec![user("more"); TURN_MESSAGES_MAX];
    let turns = usize::from(TURN_SEARCH_MESSAGES_MAX).div_ceil(TURN_MESSAGES_MAX);
    for _ in 1..turns {
        commit(&store, &key, turn(&more)).await;
    }
    assert!(find(&store, &key, id).await.is_some());
    commit(&store, &key, turn(&more)).await;
    assert_eq!(find(&store, &key, id).await, None);
}
