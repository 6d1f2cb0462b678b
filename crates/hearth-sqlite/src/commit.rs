//! Committing turns: one transaction a call, whatever the number of its turns.
//!
//! There is one writer, so turns are committed in the order in which their calls reached it. A queue in front of the writer, to commit the
//! turns of many callers with one flush, belongs here.

use std::sync::Arc;
use std::time::Duration;

use diesel::{OptionalExtension, RunQueryDsl, SqliteConnection};
use hearth_domain::ports::{AppendError, Clock, StoreError, SystemClock};
use hearth_domain::{Append, Committed, CommittedMessage, ConversationKey, MessageId, NewMessage, Version};

use crate::error::{Fault, shared};
use crate::lane::{Lane, Undone};
use crate::queries::{messages, sessions};
use crate::rows::{read_time, read_version, stored_time};

/// What became of one turn.
type Outcome = Result<Committed, AppendError>;

/// What became of one turn in a transaction that was committed: it is in, or its session was at another version.
type Attempt = Result<Committed, Version>;

/// Commits turns on the writer.
pub(crate) async fn append(writer: &Arc<Lane>, within: Duration, appends: &[Append]) -> Vec<Outcome> {
    if appends.is_empty() {
        return Vec::new();
    }
    match commit(writer, within, appends).await {
        Ok(attempts) => attempts.into_iter().map(outcome).collect(),
        // One turn's fault is not another's: each gets a transaction of its own, in the order of the call.
        Err(Undone::Failed(fault)) if appends.len() > 1 && !fault.is_of_the_outside() => {
            append_one_by_one(writer, within, appends).await
        }
        Err(undone) => {
            let refusal = Refusal::of(undone);
            appends.iter().map(|_| Err(refusal.for_one())).collect()
        }
    }
}

async fn append_one_by_one(writer: &Arc<Lane>, within: Duration, appends: &[Append]) -> Vec<Outcome> {
    let mut outcomes = Vec::with_capacity(appends.len());
    for append in appends {
        match commit(writer, within, std::slice::from_ref(append)).await {
            Ok(attempts) => outcomes.extend(attempts.into_iter().map(outcome)),
            Err(undone) => outcomes.push(Err(Refusal::of(undone).for_one())),
        }
    }
    outcomes
}

fn outcome(attempt: Attempt) -> Outcome {
    attempt.map_err(|current| AppendError::VersionConflict { current })
}

/// Why a transaction was not committed, for as many turns as were in it.
enum Refusal {
    Certain(Arc<Fault>),
    Open(Arc<Fault>),
    NotInTime,
    StillRunning,
}

impl Refusal {
    fn of(undone: Undone) -> Self {
        match undone {
            Undone::NotBegun => Self::NotInTime,
            Undone::StillRunning => Self::StillRunning,
            Undone::Failed(fault) if fault.leaves_a_commit_open() => Self::Open(Arc::new(fault)),
            Undone::Failed(fault) => Self::Certain(Arc::new(fault)),
        }
    }

    fn for_one(&self) -> AppendError {
        match self {
            Self::Certain(fault) => AppendError::NotCommitted(shared(fault)),
            Self::Open(fault) => AppendError::Unknown(shared(fault)),
            Self::NotInTime => AppendError::NotCommitted(StoreError::TimedOut),
            Self::StillRunning => AppendError::Unknown(StoreError::TimedOut),
        }
    }
}

/// Commits turns in one transaction: all of them, but for those whose session is at another version than they ask for.
async fn commit(writer: &Arc<Lane>, within: Duration, appends: &[Append]) -> Result<Vec<Attempt>, Undone> {
    let appends = appends.to_vec();
    writer
        .run(within, move |connection| {
            let mut written = false;
            let committed = connection.immediate_transaction(|connection| {
                let clock = SystemClock::default();
                let attempts: Result<Vec<Attempt>, Fault> = appends
                    .iter()
                    .map(|append| write(connection, append, stored_time(clock.utc())))
                    .collect();
                written = attempts.is_ok();
                attempts
            });
            committed.map_err(|fault| if written { fault.at_commit() } else { fault })
        })
        .await
}

/// Raises the session's version and adds the turn's rows, in the transaction that is open.
fn write(connection: &mut SqliteConnection, append: &Append, now_us: i64) -> Result<Attempt, Fault> {
    let key = &append.key;
    if let Some(expected) = append.if_version {
        let current = current_version(connection, key)?;
        if current != expected {
            return Ok(Err(current));
        }
    }
    let raised = sessions::RaiseVersion {
        department: key.department.as_str(),
        user: key.user.as_str(),
        session: key.session.as_str(),
        started_at_us: now_us,
        last_active_at_us: now_us,
    };
    let (version,) = raised.get_result::<(i64,)>(connection)?;
    let messages = append.turn.messages().iter();
    Ok(Ok(Committed {
        version: read_version(version)?,
        messages: messages
            .map(|message| insert(connection, key, message, now_us))
            .collect::<Result<_, _>>()?,
    }))
}

fn insert(
    connection: &mut SqliteConnection,
    key: &ConversationKey,
    message: &NewMessage,
    now_us: i64,
) -> Result<CommittedMessage, Fault> {
    let created_at_us = message.created_at().map_or(now_us, stored_time);
    let metadata = message.metadata().map(ToString::to_string);
    let row = messages::Insert {
        department: key.department.as_str(),
        user: key.user.as_str(),
        session: key.session.as_str(),
        role: message.role().as_str(),
        content: message.content(),
        created_at_us,
        metadata: metadata.as_deref(),
    };
    let (id,) = row.get_result::<(i64,)>(connection)?;
    Ok(CommittedMessage {
        id: MessageId(id),
        created_at: read_time(created_at_us).ok_or(Fault::Message {
            id,
            column: "created_at_us",
        })?,
    })
}

/// The version of a session, zero where Hearth never wrote to it.
pub(crate) fn current_version(
    connection: &mut SqliteConnection,
    key: &ConversationKey,
) -> Result<Version, Fault> {
    let current = sessions::CurrentVersion {
        department: key.department.as_str(),
        user: key.user.as_str(),
        session: key.session.as_str(),
    };
    let stored = current.get_result::<(i64,)>(connection).optional()?;
    stored.map_or(Ok(Version::ZERO), |(version,)| read_version(version))
}

#[cfg(test)]
mod tests {
    use diesel::connection::SimpleConnection;
    use hearth_testkit::build::{append as turn_for, assistant, exchange, key, turn, user};
    use serde_json::{Value, json};
    use tokio::runtime::Handle;

    use super::*;
    use crate::config::SqliteConfig;
    use crate::connection::Place;
    use crate::file_lock::FileLock;
    use crate::migrate::run_pending;
    use crate::read;

    const AMPLE: Duration = Duration::from_secs(60);

    /// A writer whose connections are made worse by `spoil`, on a database that is migrated.
    fn writer(directory: &tempfile::TempDir, spoil: &'static str) -> Arc<Lane> {
        let config = SqliteConfig {
            commit_timeout: Duration::from_millis(2),
            ..SqliteConfig::new(directory.path().join("hearth.db"))
        };
        let place = Place::prepare(&config).unwrap();
        let lock = Arc::new(FileLock::take(place.path()).unwrap());
        run_pending(&mut place.open_writer().unwrap(), &place).unwrap();
        let open = move || {
            let mut connection = place.open_writer()?;
            connection.batch_execute(spoil).unwrap();
            Ok(connection)
        };
        Lane::new(Handle::current(), 1, Box::new(open), lock)
    }

    async fn stored_sessions(writer: &Arc<Lane>) -> usize {
        let keys = writer.run(AMPLE, |connection| read::keys(connection, None, None, 100));
        keys.await.unwrap().len()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn one_bad_turn_fails_alone() {
        let directory = tempfile::tempdir().unwrap();
        let writer = writer(&directory, "");
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
        let outcomes = append(&writer, AMPLE, &turns).await;
        let versions: Vec<_> = outcomes
            .iter()
            .map(|outcome| match outcome {
                Ok(committed) => Some(committed.version.get()),
                Err(AppendError::NotCommitted(StoreError::Failed(_))) => None,
                Err(error) => panic!("{error:?}"),
            })
            .collect();
        assert_eq!(versions, [Some(1), None, None, Some(1), Some(2)]);
        assert_eq!(stored_sessions(&writer).await, 2);
    }

    /// Writes that the outside prevents are certainly not committed, and may succeed later.
    async fn assert_unavailable(writer: &Arc<Lane>) {
        let content = "x".repeat(32_768);
        let turns: Vec<_> = (0..8)
            .map(|n| turn_for(&key("d", "u", &n.to_string()), exchange("q", &content)))
            .collect();
        for outcome in append(writer, AMPLE, &turns).await {
            assert!(
                matches!(
                    outcome,
                    Err(AppendError::NotCommitted(StoreError::Unavailable(_)))
                ),
                "{outcome:?}"
            );
        }
        assert_eq!(stored_sessions(writer).await, 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_full_disk_refuses_cleanly() {
        let directory = tempfile::tempdir().unwrap();
        assert_unavailable(&writer(&directory, "pragma max_page_count = 30")).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_read_only_database_refuses_cleanly() {
        let directory = tempfile::tempdir().unwrap();
        assert_unavailable(&writer(&directory, "pragma query_only = on")).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_database_that_another_program_holds_refuses_cleanly_and_recovers() {
        let directory = tempfile::tempdir().unwrap();
        let writer = writer(&directory, "");
        let config = SqliteConfig::new(directory.path().join("hearth.db"));
        let mut intruder = Place::prepare(&config).unwrap().open_writer().unwrap();
        intruder.batch_execute("begin immediate").unwrap();
        assert_unavailable(&writer).await;
        intruder.batch_execute("rollback").unwrap();
        let turns = [turn_for(&key("d", "u", "s"), exchange("q", "a"))];
        assert!(append(&writer, AMPLE, &turns).await.iter().all(Result::is_ok));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_writer_that_is_never_free_commits_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let writer = writer(&directory, "");
        let (release, released) = tokio::sync::oneshot::channel::<()>();
        let holding = writer.run(Duration::ZERO, move |_| {
            released.blocking_recv().map_err(|_| Fault::BrokeOff)
        });
        assert!(matches!(holding.await, Err(Undone::StillRunning)));
        let turns = [turn_for(&key("d", "u", "s"), exchange("q", "a"))];
        let outcomes = append(&writer, Duration::ZERO, &turns).await;
        assert!(
            matches!(*outcomes, [Err(AppendError::NotCommitted(StoreError::TimedOut))]),
            "{outcomes:?}"
        );
        release.send(()).unwrap();
        assert_eq!(stored_sessions(&writer).await, 0);
    }
}
