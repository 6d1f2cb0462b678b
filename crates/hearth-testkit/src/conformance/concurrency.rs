//! Many callers at once.

use std::sync::Arc;

use hearth_domain::ports::{AppendError, Lookup, PageFrom};
use hearth_domain::{Append, Committed, Version, WindowLimits};
use tokio::task::JoinSet;

use super::Store;
use super::observe::{commit, limits};
use crate::build::{append, assistant, exchange, key, turn, user};

/// The answers of a call for one turn.
async fn append_one(store: Arc<impl Store>, one: Append) -> Result<Committed, AppendError> {
    store.append(&[one]).await.pop().unwrap()
}

/// 32 writers of one session: versions 1 to 32, ids and rows in the order of the versions.
pub async fn turns_of_one_session_get_versions_without_gaps(store: impl Store) {
    let store = Arc::new(store);
    let key = key("d", "u", "s");
    let mut writers = JoinSet::new();
    for n in 0..32 {
        let (store, said) = (Arc::clone(&store), format!("q{n}"));
        let one = append(&key, exchange(&said, "a"));
        writers.spawn(async move { (append_one(store, one).await.unwrap(), said) });
    }
    let mut committed = writers.join_all().await;
    committed.sort_by_key(|(committed, _)| committed.version);
    let versions: Vec<_> = committed
        .iter()
        .map(|(committed, _)| committed.version.get())
        .collect();
    assert_eq!(versions, (1..=32).collect::<Vec<_>>());

    let page = store.page(&key, PageFrom::Oldest, 200).await.unwrap();
    let stored: Vec<_> = page
        .messages
        .iter()
        .map(|message| (message.id, message.content.as_str()))
        .collect();
    let expected: Vec<_> = committed
        .iter()
        .flat_map(|(committed, said)| {
            let ids = committed.messages.iter().map(|row| row.id);
            ids.zip([said.as_str(), "a"])
        })
        .collect();
    assert_eq!(stored, expected, "rows lie in the order of versions");
}

/// Of many writers onto one version, exactly one is committed.
pub async fn one_expected_version_is_won_once(store: impl Store) {
    let store = Arc::new(store);
    let key = key("d", "u", "s");
    let mut writers = JoinSet::new();
    for n in 0..16 {
        let one = Append {
            if_version: Some(Version::ZERO),
            ..append(&key, exchange(&n.to_string(), "a"))
        };
        writers.spawn(append_one(Arc::clone(&store), one));
    }
    let (won, lost): (Vec<_>, Vec<_>) = writers.join_all().await.into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, 15));
    for refused in lost {
        assert!(
            matches!(&refused, Err(AppendError::VersionConflict { current }) if current.get() == 1),
            "{refused:?}"
        );
    }
    let page = store.page(&key, PageFrom::Oldest, 200).await.unwrap();
    assert_eq!(page.messages.len(), 2);
}

/// Whoever reads while turns are committed sees whole turns, and the version that belongs to them.
pub async fn no_load_sees_half_a_turn(store: impl Store) {
    const TURNS: u64 = 40;
    let store = Arc::new(store);
    let key = key("d", "u", "s");
    let four = turn(&[user("q"), assistant("a"), user("q"), assistant("a")]);
    commit(&*store, &key, four.clone()).await;
    let mut writers = JoinSet::new();
    for _ in 1..TURNS {
        writers.spawn(append_one(Arc::clone(&store), append(&key, four.clone())));
    }
    let wide: WindowLimits = limits(1_000, 8_000);
    loop {
        let lookups = store.load(&[key.clone(), key.clone()], wide).await.unwrap();
        let mut versions = Vec::new();
        for lookup in lookups {
            let Lookup::Found(history) = lookup else {
                panic!("the session has messages")
            };
            let turns = history.version().get();
            assert_eq!(
                history.len(),
                usize::try_from(turns * 4).unwrap(),
                "at version {turns}"
            );
            versions.push(turns);
        }
        if versions == [TURNS, TURNS] {
            break;
        }
        while let Some(committed) = writers.try_join_next() {
            committed.unwrap().unwrap();
        }
    }
    for committed in writers.join_all().await {
        committed.unwrap();
    }
}

/// It answers, and before anything is written too.
pub async fn a_running_store_answers_a_ping(store: impl Store) {
    store.ping().await.unwrap();
    commit(&store, &key("d", "u", "s"), exchange("q", "a")).await;
    store.ping().await.unwrap();
}
