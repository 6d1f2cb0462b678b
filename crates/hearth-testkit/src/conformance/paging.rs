//! Reading a session of any length in parts.

use hearth_domain::MessageId;
use hearth_domain::ports::{Page, PageFrom};

use super::Store;
use super::observe::{commit, commit_all};
use crate::build::{append, exchange, key, turn, user};

fn numbers(page: &Page) -> Vec<u32> {
    page.messages
        .iter()
        .map(|message| message.content.parse().unwrap())
        .collect()
}

/// A session of the messages 1 to 10, between the turns of another session.
async fn fill(store: &impl Store) -> hearth_domain::ConversationKey {
    let (session, other) = (key("d", "u", "s"), key("d", "u", "other"));
    let appends: Vec<_> = (1..=10)
        .flat_map(|n| {
            let said = append(&session, turn(&[user(&n.to_string())]));
            [append(&other, exchange("0", "0")), said]
        })
        .collect();
    commit_all(store, &appends).await;
    session
}

fn oldest(page: &Page) -> MessageId {
    page.messages.first().unwrap().id
}

fn newest(page: &Page) -> MessageId {
    page.messages.last().unwrap().id
}

/// The newest part, then what is before it, each oldest first, with a true `more`.
pub async fn pages_go_back_from_the_newest(store: impl Store) {
    let key = fill(&store).await;
    let page = store.page(&key, PageFrom::Newest, 4).await.unwrap();
    assert_eq!((numbers(&page), page.more), (vec![7, 8, 9, 10], true));
    let page = store
        .page(&key, PageFrom::Before(oldest(&page)), 4)
        .await
        .unwrap();
    assert_eq!((numbers(&page), page.more), (vec![3, 4, 5, 6], true));
    let page = store
        .page(&key, PageFrom::Before(oldest(&page)), 2)
        .await
        .unwrap();
    assert_eq!(
        (numbers(&page), page.more),
        (vec![1, 2], false),
        "exactly as many as fit"
    );
    let all = store.page(&key, PageFrom::Newest, 200).await.unwrap();
    assert_eq!((numbers(&all), all.more), ((1..=10).collect(), false));
}

/// The oldest part, then what is after it.
pub async fn pages_go_on_from_the_oldest(store: impl Store) {
    let key = fill(&store).await;
    let page = store.page(&key, PageFrom::Oldest, 6).await.unwrap();
    assert_eq!((numbers(&page), page.more), ((1..=6).collect(), true));
    let page = store.page(&key, PageFrom::After(newest(&page)), 3).await.unwrap();
    assert_eq!((numbers(&page), page.more), (vec![7, 8, 9], true));
    let page = store.page(&key, PageFrom::After(newest(&page)), 3).await.unwrap();
    assert_eq!((numbers(&page), page.more), (vec![10], false));
    commit(&store, &key, turn(&[user("11")])).await;
    let page = store.page(&key, PageFrom::After(newest(&page)), 3).await.unwrap();
    assert_eq!(
        (numbers(&page), page.more),
        (vec![11], false),
        "what came meanwhile"
    );
}

/// Unknown sessions, and places beyond either end.
pub async fn pages_of_nothing_are_empty(store: impl Store) {
    let key = fill(&store).await;
    let unknown = crate::build::key("d", "u", "unknown");
    let (first, last) = (MessageId(i64::MIN), MessageId(i64::MAX));
    let nothing = [
        (&unknown, PageFrom::Newest),
        (&unknown, PageFrom::Before(last)),
        (&unknown, PageFrom::Oldest),
        (&unknown, PageFrom::After(first)),
        (&key, PageFrom::Before(first)),
        (&key, PageFrom::After(last)),
    ];
    for (key, from) in nothing {
        let page = store.page(key, from, 10).await.unwrap();
        assert_eq!((page.messages.len(), page.more), (0, false), "{key} {from:?}");
    }
}
