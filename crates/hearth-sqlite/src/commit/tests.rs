use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use diesel::Connection;
use diesel::connection::{InstrumentationEvent, SimpleConnection};
use hearth_domain::WindowLimits;
use hearth_domain::ports::Claimed;
use hearth_testkit::build::{append as turn_for, assistant, claim, completion, exchange, key, turn, user};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::*;
use crate::config::SqliteConfig;
use crate::connection::Place;
use crate::file_lock::FileLock;
use crate::migrate::run_pending;
use crate::read;
use crate::writer::held::Held;

/// Longer than any test takes.
const AMPLE: Duration = Duration::from_secs(60);

/// A writer on a database that is migrated.
struct Spoilt {
    writer: Arc<Writer>,
    /// Whether its connections are made worse.
    spoils: Arc<AtomicBool>,
    place: Place,
    _directory: tempfile::TempDir,
}

impl Spoilt {
    /// One whose connections are made worse by these statements until that is switched off.
    fn by(spoil: &'static str) -> Self {
        Self::with_queue(spoil, 100)
    }

    fn with_queue(spoil: &'static str, commit_queue: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut config = SqliteConfig {
            commit_timeout: Duration::from_millis(2),
            commit_queue,
            ..SqliteConfig::new(directory.path().join("hearth.db"))
        };
        let place = Place::prepare(&config).unwrap();
        // Another program's lock is waited for by the millisecond, the writer for as long as it takes.
        config.commit_timeout = AMPLE;
        let lock = Arc::new(FileLock::take(place.path()).unwrap());
        run_pending(&mut place.open_writer().unwrap(), &place).unwrap();
        let spoils = Arc::new(AtomicBool::new(true));
        let open = {
            let (spoils, place) = (Arc::clone(&spoils), place.clone());
            move || {
                let mut connection = place.open_writer()?;
                if spoils.load(Ordering::SeqCst) {
                    connection.batch_execute(spoil).unwrap();
                }
                Ok(connection)
            }
        };
        let writer = Arc::new(Writer::new(&config, Handle::current(), Box::new(open), lock));
        Self {
            writer,
            spoils,
            place,
            _directory: directory,
        }
    }

    async fn append(&self, appends: &[Append]) -> Vec<Outcome> {
        append(&self.writer, appends).await
    }

    fn stored_sessions(&self) -> usize {
        let mut reader = self.place.open_reader().unwrap();
        read::keys(&mut reader, None, None, 100).unwrap().len()
    }

    /// Writes that the outside prevents are certainly not committed.
    async fn assert_unavailable(&self) {
        let content = "x".repeat(32_768);
        let turns: Vec<_> = (0..8)
            .map(|n| turn_for(&key("d", "u", &n.to_string()), exchange("q", &content)))
            .collect();
        for outcome in self.append(&turns).await {
            assert!(
                matches!(
                    outcome,
                    Err(AppendError::NotCommitted(StoreError::Unavailable(_)))
                ),
                "{outcome:?}"
            );
        }
        assert_eq!(self.stored_sessions(), 0);
    }

    async fn assert_writes(&self) {
        let turns = [turn_for(&key("d", "u", "s"), exchange("q", "a"))];
        let outcomes = self.append(&turns).await;
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        assert_eq!(self.stored_sessions(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_turn_fails_alone() {
    let store = Spoilt::by("");
    // Deeper than SQLite takes JSON to be.
    let deep = (0..1_200).fold(json!(1), |inner, _| Value::Array(vec![inner]));
    let bad = turn(&[user("q"), assistant("a").with_metadata(deep)]);
    let (one, other, spoilt) = (
        key("d", "u", "one"),
        key("d", "u", "other"),
        key("d", "u", "spoilt"),
    );
    let turns = [
        turn_for(&one, exchange("q1", "a1")),
        turn_for(&spoilt, bad.clone()),
        turn_for(&one, bad),
        turn_for(&other, exchange("q", "a")),
        turn_for(&one, exchange("q2", "a2")),
    ];
    let outcomes = store.append(&turns).await;
    let versions: Vec<_> = outcomes
        .iter()
        .map(|outcome| match outcome {
            Ok(committed) => Some(committed.version.get()),
            Err(AppendError::NotCommitted(StoreError::Failed(_))) => None,
            Err(error) => panic!("{error:?}"),
        })
        .collect();
    assert_eq!(versions, [Some(1), None, None, Some(1), Some(2)]);
    assert_eq!(store.stored_sessions(), 2);
    assert_eq!(store.writer.status().writes, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_cleanly_and_recovers() {
    let store = Spoilt::by("pragma max_page_count = 30");
    store.assert_unavailable().await;
    store.spoils.store(false, Ordering::SeqCst);
    store.assert_writes().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_database_refuses_cleanly_and_recovers() {
    let store = Spoilt::by("pragma query_only = on");
    store.assert_unavailable().await;
    store.spoils.store(false, Ordering::SeqCst);
    store.assert_writes().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_another_program_holds_refuses_cleanly_and_recovers() {
    let store = Spoilt::by("");
    let mut intruder = store.place.open_writer().unwrap();
    intruder.batch_execute("begin immediate").unwrap();
    let turns = [turn_for(&key("d", "u", "s"), exchange("q", "a"))];
    let outcomes = store.append(&turns).await;
    assert!(
        matches!(
            *outcomes,
            [Err(AppendError::NotCommitted(StoreError::Unavailable(_)))]
        ),
        "{outcomes:?}"
    );
    intruder.batch_execute("rollback").unwrap();
    store.assert_writes().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_turns_than_there_are_places_are_refused_at_once() {
    let store = Spoilt::with_queue("", 3);
    let held = Held::on(&store.writer).await;
    let turn = turn_for(&key("d", "u", "s"), exchange("q", "a"));
    let refused = store.append(&[turn.clone(), turn.clone(), turn.clone()]).await;
    assert!(
        refused
            .iter()
            .all(|outcome| matches!(outcome, Err(AppendError::Overloaded))),
        "{refused:?}"
    );
    let two = [turn.clone(), turn.clone()];
    let mut accepted = std::pin::pin!(store.append(&two));
    let pending =
        std::future::poll_fn(|context| std::task::Poll::Ready(accepted.as_mut().poll(context).is_pending()));
    assert!(pending.await);
    assert!(matches!(
        *store.append(&[turn]).await,
        [Err(AppendError::Overloaded)]
    ));
    held.release(&store.writer).await;
    assert!(accepted.await.iter().all(Result::is_ok));
    store.assert_writes().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_of_more_turns_than_the_queue_has_places_goes_in_steps() {
    let store = Spoilt::with_queue("", 4);
    let key = key("d", "u", "s");
    let turns: Vec<_> = (0..50)
        .map(|n| turn_for(&key, exchange(&n.to_string(), "a")))
        .collect();
    let outcomes = store.append(&turns).await;
    let versions: Vec<_> = outcomes
        .into_iter()
        .map(|outcome| outcome.unwrap().version.get())
        .collect();
    assert_eq!(versions, (1..=50).collect::<Vec<_>>());
}

#[test]
fn what_is_told_is_what_is_certain() {
    let told = |undone: Undone| match refused(undone) {
        AppendError::NotCommitted(StoreError::TimedOut) => "not committed, late",
        AppendError::NotCommitted(_) => "not committed",
        AppendError::Unknown(StoreError::TimedOut) => "unknown, late",
        AppendError::Unknown(_) => "unknown",
        AppendError::VersionConflict { .. }
        | AppendError::Erased
        | AppendError::ClaimLost
        | AppendError::Overloaded => "something else",
    };
    assert_eq!(told(Undone::NotBegun), "not committed, late");
    assert_eq!(told(Undone::StillRunning), "unknown, late");
    assert_eq!(told(Fault::KeyTaken.into()), "not committed");
    assert_eq!(told(Fault::BrokeOff.into()), "unknown");
}

/// Diesel tells of each statement that it keeps; one that it does not keep would be prepared anew without a word.
#[tokio::test(flavor = "multi_thread")]
async fn every_statement_of_a_turn_is_prepared_once() {
    let store = Spoilt::by("");
    let kept = Arc::new(Mutex::new(Vec::new()));
    let key = key("d", "u", "s");
    let turns: Vec<_> = (0..3)
        .map(|n: u64| {
            let claim = claim(&key, &n.to_string());
            let append = Append {
                if_version: Some(Version::new(n).unwrap()),
                read_version: Some(Version::new(n).unwrap()),
                completes: Some(completion(&claim, json!("a"))),
                ..turn_for(&key, exchange("q", "a"))
            };
            (claim, append)
        })
        .collect();
    let noted = Arc::clone(&kept);
    let work = move |connection: &mut SqliteConnection| {
        let noted = Arc::clone(&noted);
        connection.set_instrumentation(move |event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::CacheQuery { sql, .. } = event {
                noted.lock().unwrap().push(sql.to_owned());
            }
        });
        for (claim, append) in &turns {
            let claimed = requests::claim(connection, claim)?;
            assert!(matches!(claimed, Claimed::Granted { .. }));
            assert!(write(connection, append)?.is_ok());
            let keys = std::slice::from_ref(&append.key);
            read::load(connection, keys, WindowLimits::default())?;
        }
        Ok(())
    };
    store.writer.run(work).await.unwrap();
    let kept = kept.lock().unwrap();
    // Find and insert a request; fence, owner, version, row, completion; version and rows of the history.
    assert_eq!(kept.len(), 9, "{kept:#?}");
}
