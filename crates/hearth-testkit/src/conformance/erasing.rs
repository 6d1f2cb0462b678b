//! Erasing sessions and users.

use std::collections::BTreeSet;

use hearth_domain::ports::{Lookup, PageFrom};
use hearth_domain::{ConversationKey, MessageId};

use super::Store;
use super::observe::{commit, contents, history, load, version};
use crate::build::{exchange, key, turn, user};

async fn newest_id(store: &impl Store, key: &ConversationKey) -> MessageId {
    let page = store.page(key, PageFrom::Newest, 1).await.unwrap();
    page.messages.last().unwrap().id
}

/// Its rows are gone, its version is raised, and the next turn goes on from there with ids that were never used.
pub async fn an_erased_session_is_new_at_a_raised_version(store: impl Store) {
    let key = key("d", "u", "s");
    for _ in 0..3 {
        commit(&store, &key, exchange("q", "a")).await;
    }
    let newest = newest_id(&store, &key).await;
    let raised = store.erase(&key).await.unwrap();
    assert_eq!(raised, version(4));
    assert_eq!(load(&store, &key).await, Lookup::New(raised));
    let page = store.page(&key, PageFrom::Oldest, 10).await.unwrap();
    assert_eq!((page.messages.len(), page.more), (0, false));

    let committed = commit(&store, &key, exchange("q2", "a2")).await;
    assert_eq!(committed.version, version(5));
    let history = history(&store, &key).await;
    assert_eq!(contents(&history), ["q2", "a2"]);
    assert_eq!(history.version(), version(5));
    assert!(
        newest_id(&store, &key).await > newest,
        "an id is never used again"
    );
}

/// A repetition raises the version again or leaves it, never lowers it; an unknown session stays without messages.
pub async fn an_erase_may_be_repeated_and_of_the_unknown(store: impl Store) {
    let (known, unknown) = (key("d", "u", "known"), key("d", "u", "unknown"));
    commit(&store, &known, exchange("q", "a")).await;
    let first = store.erase(&known).await.unwrap();
    let second = store.erase(&known).await.unwrap();
    assert!(second >= first);
    assert_eq!(load(&store, &known).await, Lookup::New(second));

    let raised = store.erase(&unknown).await.unwrap();
    assert_eq!(load(&store, &unknown).await, Lookup::New(raised));
    let committed = commit(&store, &unknown, exchange("q", "a")).await;
    assert_eq!(committed.version, raised.next());
}

/// Neither the user's other sessions nor anybody else's.
pub async fn an_erase_leaves_other_sessions_alone(store: impl Store) {
    let erased = key("d", "u", "s");
    let others = [key("d", "u", "s2"), key("d", "u2", "s"), key("d2", "u", "s")];
    for key in others.iter().chain([&erased]) {
        commit(&store, key, exchange("q", "a")).await;
    }
    store.erase(&erased).await.unwrap();
    for other in &others {
        let history = history(&store, other).await;
        assert_eq!((history.len(), history.version()), (2, version(1)), "{other:?}");
    }
}

/// All of the user's sessions that have messages are named, once; each goes on from a raised version.
pub async fn a_user_is_erased_alone_and_whole(store: impl Store) {
    let mine: Vec<_> = (0..12).map(|n| key("d", "u", &format!("s{n}"))).collect();
    let others = [key("d", "u2", "s0"), key("d2", "u", "s0"), key("d", "U", "s0")];
    for key in mine.iter().chain(&others) {
        commit(&store, key, exchange("q", "a")).await;
    }
    let [first, ..] = &*mine else {
        panic!("there are twelve")
    };
    let already_erased = key("d", "u", "already erased");
    commit(&store, &already_erased, exchange("q", "a")).await;
    store.erase(&already_erased).await.unwrap();

    let erased = store.erase_user(&first.department, &first.user).await.unwrap();
    assert_eq!(erased.len(), mine.len());
    let erased: BTreeSet<_> = erased.into_iter().collect();
    assert_eq!(erased, mine.iter().cloned().collect());
    for key in &mine {
        assert_eq!(load(&store, key).await, Lookup::New(version(2)), "{key:?}");
    }
    for other in &others {
        assert_eq!(history(&store, other).await.len(), 2, "{other:?}");
    }
    assert_eq!(
        store.erase_user(&first.department, &first.user).await.unwrap(),
        []
    );
    let unknown = key("d", "nobody", "s");
    assert_eq!(
        store
            .erase_user(&unknown.department, &unknown.user)
            .await
            .unwrap(),
        []
    );

    let before = load(&store, first).await.into_history().version();
    let committed = commit(&store, first, turn(&[user("back again")])).await;
    assert_eq!(committed.version, before.next());
}

/// What has no messages is listed nowhere.
pub async fn an_erased_session_is_in_no_list(store: impl Store) {
    let (erased, kept) = (key("d", "u", "a"), key("d", "u", "b"));
    for key in [&kept, &erased] {
        commit(&store, key, exchange("q", "a")).await;
    }
    store.erase(&erased).await.unwrap();
    let list = store.list(&kept.department, &kept.user, None, 10).await.unwrap();
    let listed: Vec<_> = list.sessions.iter().map(|summary| &summary.session).collect();
    assert_eq!(listed, [&kept.session]);
    assert!(!list.more);
    assert_eq!(
        store.keys(None, None, 10).await.unwrap(),
        std::slice::from_ref(&kept)
    );
    assert_eq!(store.recent(10).await.unwrap(), [kept]);
}
