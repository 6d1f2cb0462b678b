//! Turns that are committed together: in order, each with its own outcome, never more than there is room for.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hearth_domain::ports::{AppendError, HistoryStore, PageFrom, StoreError};
use hearth_domain::{Append, Committed};
use hearth_postgres::{ConfigError, PostgresConfig, PostgresStore};
use hearth_testkit::poll;
use hearth_testkit::postgres::TestDatabase;
use tokio::runtime::{Builder, Handle};
use tokio::task::JoinSet;
use tokio_postgres::{Client, Transaction};

use crate::support::{migrated, open};
use crate::{WAITS_FOR_LOCK, append, append_one, contents, key, until};

/// Ten times what anything here takes.
const HANG: Duration = Duration::from_secs(60);

fn store_with(database: &TestDatabase, change: impl FnOnce(&mut PostgresConfig)) -> PostgresStore {
    let mut config = PostgresConfig::new(database.url());
    change(&mut config);
    PostgresStore::open(&config, Handle::current()).unwrap()
}

/// Locks a session's row, which must be there.
async fn lock<'a>(client: &'a mut Client, session: &str) -> Transaction<'a> {
    let transaction = client.transaction().await.unwrap();
    let locked = transaction
        .execute(
            "SELECT FROM chatbot_sessions WHERE session_id = $1 FOR UPDATE",
            &[&session],
        )
        .await
        .unwrap();
    assert_eq!(locked, 1);
    transaction
}

async fn queued(store: &PostgresStore, turns: usize) {
    poll::until(HANG, async || store.commit_status().queued_turns == turns).await;
}

fn spawn(
    store: &PostgresStore,
    turns: impl IntoIterator<Item = Append>,
) -> JoinSet<Result<Committed, AppendError>> {
    let mut set = JoinSet::new();
    for turn in turns {
        let store = store.clone();
        set.spawn_on(async move { append_one(&store, turn).await }, &Handle::current());
    }
    set
}

#[tokio::test(flavor = "multi_thread")]
async fn what_gathers_while_a_batch_is_under_way_is_the_next_batch() {
    let (store, database) = open().await;
    append_one(&store, append("s", "first")).await.unwrap();
    let mut other = database.client().await.unwrap();
    let holding = lock(&mut other, "s").await;
    let mut turns = spawn(&store, [append("s", "second")]);
    until(&database.client().await.unwrap(), WAITS_FOR_LOCK).await;
    let question = |number| append("s", &format!("question {number}"));
    for number in 0..63 {
        turns.spawn_on(
            {
                let store = store.clone();
                async move { append_one(&store, question(number)).await }
            },
            &Handle::current(),
        );
    }
    queued(&store, 64).await;
    holding.rollback().await.unwrap();
    let mut committed: Vec<Committed> = turns.join_all().await.into_iter().map(Result::unwrap).collect();
    committed.sort_by_key(|turn| turn.version);
    let versions: Vec<u64> = committed.iter().map(|turn| turn.version.get()).collect();
    assert_eq!(versions, (2..=65).collect::<Vec<_>>());

    let page = store.page(&key("s"), PageFrom::Oldest, 500).await.unwrap();
    let stored: Vec<_> = page.messages.iter().skip(2).map(|message| message.id).collect();
    let answered: Vec<_> = committed.iter().flat_map(|turn| &turn.messages).collect();
    assert_eq!(stored, answered.iter().map(|row| row.id).collect::<Vec<_>>());
    let status = store.commit_status();
    assert_eq!((status.queued_turns, status.batches, status.turns), (0, 3, 65));
}

/// On one thread, tasks go on in the order in which they were answered.
#[tokio::test]
async fn turns_of_one_session_are_answered_in_the_order_of_their_versions() {
    let (store, database) = open().await;
    append_one(&store, append("s", "first")).await.unwrap();
    let mut other = database.client().await.unwrap();
    let holding = lock(&mut other, "s").await;
    let answered = Arc::new(Mutex::new(Vec::new()));
    let mut turns = JoinSet::new();
    for number in 0..40 {
        let (store, answered) = (store.clone(), Arc::clone(&answered));
        let turn = async move {
            let committed = append_one(&store, append("s", &format!("question {number}"))).await;
            answered.lock().unwrap().push(committed.unwrap().version.get());
        };
        turns.spawn_on(turn, &Handle::current());
    }
    queued(&store, 40).await;
    holding.rollback().await.unwrap();
    turns.join_all().await;
    assert_eq!(*answered.lock().unwrap(), (2..=41).collect::<Vec<_>>());
}

#[tokio::test]
async fn past_its_limit_the_queue_refuses_at_once_and_loses_nothing() {
    let database = migrated().await;
    let store = store_with(&database, |config| config.commit_queue = 4);
    append_one(&store, append("s", "first")).await.unwrap();
    let mut other = database.client().await.unwrap();
    let holding = lock(&mut other, "s").await;
    let turns = spawn(&store, (0..4).map(|_| append("s", "accepted")));
    queued(&store, 4).await;
    for refused in store
        .append(&[append("s", "refused"), append("other", "refused")])
        .await
    {
        assert!(matches!(refused, Err(AppendError::Overloaded)), "{refused:?}");
    }
    holding.rollback().await.unwrap();
    for outcome in turns.join_all().await {
        outcome.unwrap();
    }
    append_one(&store, append("s", "last")).await.unwrap();
    let said = contents(&store, "s").await;
    let questions: Vec<&str> = said.iter().step_by(2).map(String::as_str).collect();
    assert_eq!(
        questions,
        ["first", "accepted", "accepted", "accepted", "accepted", "last"]
    );
    assert!(contents(&store, "other").await.is_empty());
}

#[tokio::test]
async fn a_call_with_more_turns_than_there_are_places_is_taken_in_steps() {
    let database = migrated().await;
    let store = store_with(&database, |config| config.commit_queue = 7);
    let turn = |number: usize| append(&format!("session {}", number % 3), &format!("question {number}"));
    let outcomes = store.append(&(0..60).map(turn).collect::<Vec<_>>()).await;
    for (number, outcome) in outcomes.into_iter().enumerate() {
        let version = outcome.unwrap().version.get();
        assert_eq!(version, u64::try_from(number / 3 + 1).unwrap());
    }
}

#[tokio::test]
async fn a_queue_has_places() {
    let mut config = PostgresConfig::new("postgres://somebody@localhost/database");
    for places in [0, usize::MAX] {
        config.commit_queue = places;
        let refused = PostgresStore::open(&config, Handle::current()).err().unwrap();
        assert!(matches!(refused, ConfigError::CommitQueue), "{refused:?}");
    }
}

/// Holds up whoever commits for as long as this session has its lock, before they have any and without making them wait for one.
const HELD_UP: &str = "
    SELECT pg_advisory_lock(7);
    CREATE FUNCTION be_held_up() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        WHILE EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 7
                      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) LOOP
            PERFORM pg_sleep(0.01);
        END LOOP;
        RETURN NULL;
    END
    $$;
    CREATE TRIGGER held_up BEFORE INSERT ON chatbot_sessions
    FOR EACH STATEMENT EXECUTE FUNCTION be_held_up();";

#[tokio::test]
async fn a_turn_that_waited_too_long_is_certainly_not_committed() {
    let database = migrated().await;
    let store = store_with(&database, |config| {
        config.commit_timeout = Duration::from_millis(1_500);
        // Statements may take longer than the turns wait.
        config.load_timeout = Duration::from_secs(30);
    });
    append_one(&store, append("s", "first")).await.unwrap();
    let client = database.client().await.unwrap();
    client.batch_execute(HELD_UP).await.unwrap();
    let mut sent = spawn(&store, [append("s", "sent")]);
    until(
        &client,
        "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()",
    )
    .await;
    let waited = append_one(&store, append("s", "waited")).await.unwrap_err();
    assert!(
        matches!(waited, AppendError::NotCommitted(StoreError::TimedOut)),
        "{waited:?}"
    );
    let sent = sent.join_next().await.unwrap().unwrap().unwrap_err();
    assert!(
        matches!(sent, AppendError::Unknown(StoreError::TimedOut)),
        "{sent:?}"
    );
    client
        .batch_execute("SELECT pg_advisory_unlock(7)")
        .await
        .unwrap();
    until(
        &client,
        "SELECT count(*) = 1 FROM chatbot_messages WHERE content = 'sent'",
    )
    .await;
    append_one(&store, append("s", "last")).await.unwrap();
    let said = contents(&store, "s").await;
    assert_eq!(said, ["first", "answer", "sent", "answer", "last", "answer"]);
}

#[tokio::test]
async fn a_locked_session_holds_up_nobody_else() {
    let (store, database) = open().await;
    append_one(&store, append("locked", "first")).await.unwrap();
    let mut other = database.client().await.unwrap();
    let holding = lock(&mut other, "locked").await;
    let mut locked = spawn(&store, [append("locked", "second")]);
    until(&database.client().await.unwrap(), WAITS_FOR_LOCK).await;
    for number in 0..20 {
        append_one(&store, append(&format!("session {number}"), "q"))
            .await
            .unwrap();
    }
    assert!(locked.try_join_next().is_none());
    holding.rollback().await.unwrap();
    let locked = locked.join_next().await.unwrap().unwrap().unwrap();
    assert_eq!(locked.version.get(), 2);
}

#[tokio::test]
async fn turns_that_share_a_batch_with_a_locked_session_are_committed() {
    let database = migrated().await;
    let store = store_with(&database, |config| {
        config.commit_timeout = Duration::from_secs(3);
    });
    let sessions: Vec<String> = (0..10).map(|number| format!("session {number}")).collect();
    append_one(&store, append("session 3", "first")).await.unwrap();
    let mut other = database.client().await.unwrap();
    let holding = lock(&mut other, "session 3").await;
    let turns: Vec<Append> = sessions.iter().map(|session| append(session, "q")).collect();
    let outcomes = store.append(&turns).await;
    holding.rollback().await.unwrap();
    let refused: Vec<usize> = (0..10).filter(|number| outcomes[*number].is_err()).collect();
    assert_eq!(refused, [3], "{outcomes:?}");
    assert!(matches!(
        outcomes[3],
        Err(AppendError::NotCommitted(StoreError::TimedOut))
    ));
}

#[tokio::test]
async fn a_store_that_is_away_says_no_at_once() {
    let database = migrated().await;
    let (address, name) = database
        .url()
        .rsplit_once('/')
        .map(|(a, n)| (a.to_owned(), n.to_owned()))
        .unwrap();
    let (host, _) = address.rsplit_once(':').unwrap();
    let mut config = PostgresConfig::new(format!("{host}:1/{name}"));
    config.commit_timeout = 10 * HANG;
    let store = PostgresStore::open(&config, Handle::current()).unwrap();
    let turns: Vec<Append> = (0..1_000).map(|_| append("s", "q")).collect();
    let outcomes = tokio::time::timeout(HANG, store.append(&turns)).await.unwrap();
    for outcome in outcomes {
        assert!(
            matches!(
                outcome,
                Err(AppendError::NotCommitted(StoreError::Unavailable(_)))
            ),
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn accepted_turns_outlive_the_store() {
    let (store, database) = open().await;
    append_one(&store, append("s", "first")).await.unwrap();
    let client = database.client().await.unwrap();
    let mut other = database.client().await.unwrap();
    let holding = lock(&mut other, "s").await;
    let turns = spawn(&store, (0..8).map(|_| append("s", "q")));
    queued(&store, 8).await;
    drop(store);
    drop(turns);
    holding.rollback().await.unwrap();
    until(&client, "SELECT version = 9 FROM chatbot_sessions").await;
}

#[test]
fn the_end_of_the_runtime_leaves_nobody_waiting() {
    let worker = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let storage = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let handle = storage.handle().clone();
    let (database, store) = worker.block_on(async {
        let database = migrated().await;
        let store = PostgresStore::open(&PostgresConfig::new(database.url()), handle).unwrap();
        append_one(&store, append("s", "first")).await.unwrap();
        (database, store)
    });
    let mut other = worker.block_on(database.client()).unwrap();
    let holding = worker.block_on(lock(&mut other, "s"));
    let turns = worker.block_on(async {
        let turns = spawn(&store, (0..3).map(|_| append("s", "sent or waiting")));
        until(&database.client().await.unwrap(), WAITS_FOR_LOCK).await;
        turns
    });
    storage.shutdown_background();
    for outcome in worker.block_on(turns.join_all()) {
        let error = outcome.unwrap_err();
        assert!(
            matches!(
                error,
                AppendError::Unknown(StoreError::Unavailable(_))
                    | AppendError::NotCommitted(StoreError::Unavailable(_))
            ),
            "{error:?}"
        );
    }
    let error = worker
        .block_on(append_one(&store, append("s", "too late")))
        .unwrap_err();
    assert!(
        matches!(error, AppendError::NotCommitted(StoreError::Unavailable(_))),
        "{error:?}"
    );
    drop(worker.block_on(async { holding.rollback().await }));
}

#[tokio::test]
async fn old_batches_are_forgotten_and_new_ones_are_not() {
    let (store, database) = open().await;
    let client = database.client().await.unwrap();
    client
        .batch_execute(
            "INSERT INTO chatbot_commits (batch_id, committed_at, messages, versions, ids, times)
             SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid,
                    now() - CASE WHEN n <= 300 THEN interval '2 hours' ELSE interval '10 minutes' END,
                    0, '{}', '{}', '{}'
             FROM generate_series(1, 310) n",
        )
        .await
        .unwrap();
    for _ in 0..128 {
        append_one(&store, append("s", "q")).await.unwrap();
    }
    // Those that the server's clock calls young stay, whatever their ids say.
    until(&client, "SELECT count(*) = 128 + 10 FROM chatbot_commits").await;
}
