use std::task::Poll;

use diesel::RunQueryDsl;
use diesel::connection::SimpleConnection;
use diesel::sql_types::{BigInt, Text};

use super::held::Held;
use super::*;
use crate::connection::Place;
use crate::error::OpenError;
use crate::statement::statement;

/// Longer than any test takes.
const AMPLE: Duration = Duration::from_secs(60);

statement! {
    /// Fails where the word is there already.
    Note { word: Text } -> (),
    "insert into noted (word) values (?)"
}

statement! {
    CountNoted { at_most: BigInt } -> (BigInt),
    "select count(*) from (select 1 from noted limit ?)"
}

fn writer(directory: &tempfile::TempDir, commit_queue: usize, runtime: Handle) -> Writer {
    let config = SqliteConfig {
        commit_timeout: AMPLE,
        commit_queue,
        ..SqliteConfig::new(directory.path().join("hearth.db"))
    };
    let place = Place::prepare(&config).unwrap();
    let lock = Arc::new(FileLock::take(place.path()).unwrap());
    let mut connection = place.open_writer().unwrap();
    connection
        .batch_execute("create table noted (word text unique)")
        .unwrap();
    let writer = Writer::new(&config, runtime, Box::new(move || place.open_writer()), lock);
    writer.keep(connection);
    writer
}

fn note(word: &'static str) -> impl FnMut(&mut SqliteConnection) -> Result<(), Fault> {
    move |connection| {
        Note { word }.execute(connection)?;
        Ok(())
    }
}

async fn noted(writer: &Writer) -> i64 {
    let count = |connection: &mut SqliteConnection| {
        let count = CountNoted { at_most: 1_000 };
        Ok(count.get_result::<(i64,)>(connection)?.0)
    };
    writer.run(count).await.unwrap()
}

/// Sends one job on its way.
fn submit<T: Send + 'static>(
    writer: &Writer,
    bytes: usize,
    work: impl FnMut(&mut SqliteConnection) -> Result<T, Fault> + Send + 'static,
) -> Submitted<T> {
    let mut room = writer.try_room(1).unwrap();
    let submitted = room.submit(bytes, work);
    room.send();
    submitted
}

#[tokio::test(flavor = "multi_thread")]
async fn what_gathers_shares_a_transaction() {
    let directory = tempfile::tempdir().unwrap();
    let writer = writer(&directory, 100, Handle::current());
    let held = Held::on(&writer).await;
    let waiting = ["a", "b", "c", "d"].map(|word| submit(&writer, 0, note(word)));
    assert_eq!(writer.status().queued, 5);
    held.release(&writer).await;
    for submitted in waiting {
        writer.outcome(submitted).await.unwrap();
    }
    let expected = CommitStatus {
        queued: 0,
        transactions: 2,
        writes: 5,
    };
    assert_eq!(writer.status(), expected);
    assert_eq!(noted(&writer).await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_has_its_limits() {
    let directory = tempfile::tempdir().unwrap();
    let writer = writer(&directory, 10_000, Handle::current());
    let check = async |jobs: usize, bytes: usize, transactions: u64| {
        let held = Held::on(&writer).await;
        let before = writer.status().transactions;
        let waiting: Vec<_> = (0..jobs).map(|_| submit(&writer, bytes, |_| Ok(()))).collect();
        held.release(&writer).await;
        for submitted in waiting {
            writer.outcome(submitted).await.unwrap();
        }
        let took = writer.status().transactions - before;
        assert_eq!(took, 1 + transactions, "{jobs} jobs of {bytes} bytes");
    };
    check(queue::BATCH_JOBS_MAX, 0, 1).await;
    check(queue::BATCH_JOBS_MAX + 1, 0, 2).await;
    check(6, 2 << 20, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_fails_undoes_nothing_of_the_others() {
    let directory = tempfile::tempdir().unwrap();
    let writer = writer(&directory, 100, Handle::current());
    let held = Held::on(&writer).await;
    let waiting = ["a", "b", "a", "c"].map(|word| submit(&writer, 0, note(word)));
    // What it did before it failed is undone with it.
    let half = submit(&writer, 0, |connection| {
        note("half")(connection)?;
        note("a")(connection)
    });
    held.release(&writer).await;
    let mut committed = Vec::new();
    for submitted in waiting {
        committed.push(writer.outcome(submitted).await.is_ok());
    }
    assert_eq!(committed, [true, true, false, true]);
    let refused = writer.outcome(half).await;
    assert!(
        matches!(&refused, Err(Undone::Failed(fault)) if !fault.is_of_the_outside()),
        "{refused:?}"
    );
    assert_eq!((writer.status().transactions, writer.status().writes), (2, 4));
    assert_eq!(noted(&writer).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_tells_what_runs_on_from_what_never_begins() {
    let directory = tempfile::tempdir().unwrap();
    let writer = writer(&directory, 100, Handle::current());
    let held = Held::on(&writer).await;
    let mut late = submit(&writer, 0, note("late"));
    late.deadline = Instant::now();
    assert!(matches!(writer.outcome(late).await, Err(Undone::NotBegun)));
    let in_time = submit(&writer, 0, note("in time"));
    let (release, out_of_time) = held.out_of_time();
    let running = writer.outcome(out_of_time).await;
    assert!(matches!(running, Err(Undone::StillRunning)));
    drop(release);
    writer.outcome(in_time).await.unwrap();
    assert_eq!(noted(&writer).await, 1);
    assert_eq!(writer.status().queued, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_memory_follows_is_waited_for_to_its_end() {
    let directory = tempfile::tempdir().unwrap();
    let writer = writer(&directory, 100, Handle::current());
    let held = Held::on(&writer).await;
    let (release, out_of_time) = held.out_of_time();
    let mut end = std::pin::pin!(writer.end_of(out_of_time));
    let waiting = std::future::poll_fn(|context| Poll::Ready(end.as_mut().poll(context).is_pending()));
    assert!(waiting.await, "its deadline has passed, and it is under way");
    drop(release);
    end.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_leaves_stops_nothing_that_is_queued() {
    let directory = tempfile::tempdir().unwrap();
    let writer = writer(&directory, 100, Handle::current());
    let held = Held::on(&writer).await;
    drop(submit(&writer, 0, note("a")));
    held.release(&writer).await;
    assert_eq!(noted(&writer).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_or_makes_wait() {
    let directory = tempfile::tempdir().unwrap();
    let writer = Arc::new(writer(&directory, 2, Handle::current()));
    let held = Held::on(&writer).await;
    let waiting = submit(&writer, 0, note("a"));
    assert!(writer.try_room(1).is_none());
    let mut patient = std::pin::pin!(writer.run(note("b")));
    let pending =
        std::future::poll_fn(|context| std::task::Poll::Ready(patient.as_mut().poll(context).is_pending()));
    assert!(pending.await, "it waits for a place");
    held.release(&writer).await;
    patient.await.unwrap();
    writer.outcome(waiting).await.unwrap();
    assert_eq!(noted(&writer).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_panics_takes_its_connection_along_and_nobody_who_waits() {
    let directory = tempfile::tempdir().unwrap();
    let writer = writer(&directory, 100, Handle::current());
    let held = Held::on(&writer).await;
    // Its transaction has room for no other.
    let broken = submit(&writer, usize::MAX / 2, |connection| -> Result<(), Fault> {
        note("a")(connection)?;
        panic!("a job's fault")
    });
    let waiting = submit(&writer, 0, note("b"));
    held.release(&writer).await;
    let broken = writer.outcome(broken).await;
    assert!(
        matches!(&broken, Err(Undone::Failed(fault)) if fault.leaves_a_commit_open()),
        "{broken:?}"
    );
    writer.outcome(waiting).await.unwrap();
    assert_eq!(noted(&writer).await, 1, "what the panic broke off is not there");
}

#[test]
fn a_runtime_that_is_gone_refuses_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let [gone, here] = [(); 2].map(|()| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(1).enable_all().build().unwrap()
    });
    let writer = writer(&directory, 100, gone.handle().clone());
    drop(gone);
    for _ in 0..2 {
        let refused = here.block_on(writer.run(note("a")));
        assert!(
            matches!(&refused, Err(Undone::Failed(fault)) if matches!(**fault, Fault::Open(OpenError::RuntimeGone))),
            "{refused:?}"
        );
    }
    assert_eq!(writer.status().queued, 0);
}
