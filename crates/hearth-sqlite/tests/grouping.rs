//! Group commit as callers see it: turns that arrive together share a transaction, in their order, whoever still waits.
#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected stops")]

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use hearth_domain::ports::{AppendError, Claimed, HistoryStore, PageFrom, RequestLog, StoreError};
use hearth_domain::{Append, Committed, ConversationKey};
use hearth_sqlite::{CommitStatus, SqliteConfig, SqliteStore};
use hearth_testkit::build::{append, claim, exchange, key};
use hearth_testkit::poll;
use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

/// Longer than any test takes: nothing here is about deadlines.
const AMPLE: Duration = Duration::from_secs(60);

struct Opened {
    store: SqliteStore,
    config: SqliteConfig,
    _directory: TempDir,
}

async fn open(commit_queue: usize) -> Opened {
    let directory = tempfile::tempdir().unwrap();
    let config = SqliteConfig {
        commit_timeout: AMPLE,
        commit_queue,
        ..SqliteConfig::new(directory.path().join("hearth.db"))
    };
    Opened {
        store: SqliteStore::open(config.clone(), Handle::current())
            .await
            .unwrap(),
        config,
        _directory: directory,
    }
}

impl Opened {
    /// Another program that holds the database's write lock until it is dropped: the writer waits at the beginning of a transaction.
    fn hold(&self) -> SqliteConnection {
        let mut program = SqliteConnection::establish(self.config.path.to_str().unwrap()).unwrap();
        program
            .batch_execute("pragma busy_timeout = 60000; begin immediate")
            .unwrap();
        program
    }

    async fn until_queued(&self, writes: usize) {
        poll::until(AMPLE, async || self.store.commit_status().queued == writes).await;
    }

    /// Starts a write, and waits until it has its place behind those that are queued.
    async fn enqueue<T: Send + 'static>(
        &self,
        tasks: &mut JoinSet<T>,
        write: impl Future<Output = T> + Send + 'static,
    ) {
        let queued = self.store.commit_status().queued;
        tasks.spawn(write);
        self.until_queued(queued + 1).await;
    }

    fn since(&self, before: CommitStatus) -> (u64, u64) {
        let now = self.store.commit_status();
        (now.transactions - before.transactions, now.writes - before.writes)
    }
}

async fn append_one(store: SqliteStore, one: Append) -> Result<Committed, AppendError> {
    store.append(&[one]).await.pop().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn many_callers_share_few_transactions() {
    let opened = open(1_000).await;
    let before = opened.store.commit_status();
    let program = opened.hold();
    let mut callers = JoinSet::new();
    for n in 0..64 {
        let turn = append(&key("d", "u", &format!("s{}", n % 4)), exchange("q", "a"));
        callers.spawn(append_one(opened.store.clone(), turn));
    }
    opened.until_queued(64).await;
    drop(program);
    let committed = callers.join_all().await;
    assert!(committed.iter().all(Result::is_ok), "{committed:?}");
    let (transactions, writes) = opened.since(before);
    assert_eq!(writes, 64);
    // What had come when the writer began, and all that came while it waited.
    assert!(transactions <= 2, "{transactions}");
}

#[tokio::test(flavor = "multi_thread")]
async fn turns_erases_and_claims_are_done_in_the_order_of_arrival() {
    let opened = open(1_000).await;
    let store = &opened.store;
    let key = key("d", "u", "s");
    let before = store.commit_status();
    let program = opened.hold();
    let mut tasks = JoinSet::new();
    for _ in 0..2 {
        let erased = append_one(store.clone(), append(&key, exchange("erased", "a")));
        opened
            .enqueue(&mut tasks, async { drop(erased.await.unwrap()) })
            .await;
    }
    let (erasing, erased) = (store.clone(), key.clone());
    let erase = async move { assert_eq!(erasing.erase(&erased).await.unwrap().get(), 3) };
    opened.enqueue(&mut tasks, erase).await;
    let (claiming, claimed) = (store.clone(), claim(&key, "k"));
    let claim = async move {
        let claimed = claiming.claim(&claimed).await.unwrap();
        assert!(matches!(claimed, Claimed::Granted { .. }));
    };
    opened.enqueue(&mut tasks, claim).await;
    let kept = append_one(store.clone(), append(&key, exchange("kept", "a")));
    let kept = async { assert_eq!(kept.await.unwrap().version.get(), 4) };
    opened.enqueue(&mut tasks, kept).await;
    drop(program);
    tasks.join_all().await;
    assert_eq!(contents(store, &key).await, ["kept", "a"]);
    let (transactions, writes) = opened.since(before);
    assert_eq!(writes, 5);
    assert!(transactions <= 2, "{transactions}");
}

async fn contents(store: &SqliteStore, key: &ConversationKey) -> Vec<String> {
    let page = store.page(key, PageFrom::Oldest, 200).await.unwrap();
    page.messages.into_iter().map(|message| message.content).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_leaves_takes_no_turn_back() {
    let opened = open(1_000).await;
    let key = key("d", "u", "s");
    let program = opened.hold();
    let mut callers = JoinSet::new();
    for n in 0..3 {
        let turn = append(&key, exchange(&n.to_string(), "a"));
        opened
            .enqueue(&mut callers, append_one(opened.store.clone(), turn))
            .await;
    }
    callers.shutdown().await;
    drop(program);
    opened.until_queued(0).await;
    assert_eq!(
        contents(&opened.store, &key).await,
        ["0", "a", "1", "a", "2", "a"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_turns_at_once_and_takes_them_again() {
    let opened = open(2).await;
    let key = key("d", "u", "s");
    let program = opened.hold();
    let mut callers = JoinSet::new();
    for n in 0..2 {
        let turn = append(&key, exchange(&n.to_string(), "a"));
        callers.spawn(append_one(opened.store.clone(), turn));
    }
    opened.until_queued(2).await;
    let refused = append_one(opened.store.clone(), append(&key, exchange("too many", "a"))).await;
    assert!(matches!(refused, Err(AppendError::Overloaded)), "{refused:?}");
    drop(program);
    let committed = callers.join_all().await;
    assert!(committed.iter().all(Result::is_ok), "{committed:?}");
    append_one(opened.store.clone(), append(&key, exchange("again", "a")))
        .await
        .unwrap();
    assert_eq!(contents(&opened.store, &key).await.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_that_passes_in_the_queue_commits_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let config = SqliteConfig {
        commit_timeout: Duration::ZERO,
        ..SqliteConfig::new(directory.path().join("hearth.db"))
    };
    let store = SqliteStore::open(config, Handle::current()).await.unwrap();
    let key = key("d", "u", "s");
    let refused = append_one(store.clone(), append(&key, exchange("q", "a"))).await;
    assert!(
        matches!(refused, Err(AppendError::NotCommitted(StoreError::TimedOut))),
        "{refused:?}"
    );
    poll::until(AMPLE, async || store.commit_status().queued == 0).await;
    assert_eq!(contents(&store, &key).await, Vec::<String>::new());
}

/// What one process claimed and answered, the next one knows: requests outlive a restart.
#[tokio::test(flavor = "multi_thread")]
async fn requests_and_answers_outlive_a_restart() {
    let opened = open(10).await;
    let key = key("d", "u", "s");
    let (answered, running) = (claim(&key, "answered"), claim(&key, "running"));
    for claim in [&answered, &running] {
        opened.store.claim(claim).await.unwrap();
    }
    let answer = serde_json::json!({"response": "a"});
    assert!(
        opened
            .store
            .complete(&answered.request, answered.owner, &answer)
            .await
            .unwrap()
    );
    let Opened {
        store,
        config,
        _directory,
    } = opened;
    drop(store);
    let store = SqliteStore::open(config, Handle::current()).await.unwrap();
    let repeated = store.claim(&answered).await.unwrap();
    assert!(
        matches!(&repeated, Claimed::Answered(past) if past.answer == answer),
        "{repeated:?}"
    );
    let other = claim(&key, "running");
    assert_eq!(store.claim(&other).await.unwrap(), Claimed::Running);
}
