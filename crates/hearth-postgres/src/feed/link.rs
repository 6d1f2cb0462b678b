//! One connection that listens, until it is lost.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{Fuse, FutureExt};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use tokio_postgres::{AsyncMessage, Client, Notification, SimpleQueryMessage};
use uuid::Uuid;

use crate::connect::{Connector, Messages};
use crate::error::{Fault, FaultKind};
use crate::notice::CHANNEL;

/// Where PostgreSQL's queue of notices is fuller than this, heartbeats stop, and so does the trust in memory: the trigger of
/// other programs adds nothing to a queue that is half full.
const QUEUE_USAGE_MAX: &str = "0.25";

/// The rhythm of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rhythm {
    /// Between two heartbeats.
    pub(super) beat: Duration,
    /// Where no heartbeat came back for so long, the connection is given up.
    pub(super) silence_max: Duration,
}

/// What is told by a connection.
pub(super) trait Hearer {
    /// The time that a heartbeat carries.
    fn now(&self) -> Duration;
    /// The connection listens; comes first, and once.
    fn listens(&mut self);
    /// A payload came on the channel of changes.
    fn changes(&mut self, payload: &str);
    /// A heartbeat came back that was sent at this time.
    fn heartbeat(&mut self, sent: Duration);
}

/// A connection that listens.
struct Link {
    client: Client,
    messages: Messages,
    heartbeat_channel: String,
}

/// Connects, listens, and tells until something breaks: says what.
pub(super) async fn listen(connector: &Connector, rhythm: Rhythm, hearer: &mut impl Hearer) -> Fault {
    match timeout(rhythm.silence_max, open(connector, rhythm, hearer)).await {
        Ok(Ok(link)) => hear(link, rhythm, hearer).await,
        Ok(Err(fault)) => fault,
        Err(_) => Fault::timed_out(),
    }
}

async fn open(connector: &Connector, rhythm: Rhythm, hearer: &mut impl Hearer) -> Result<Link, Fault> {
    let (client, mut messages) = connector.open().await?;
    // This connection's own, so that what an earlier one had on its way is not taken for news.
    let heartbeat_channel = format!("hearth_heartbeat_{}", Uuid::now_v7().simple());
    let setup = setup(&heartbeat_channel, rhythm);
    let mut early = Vec::new();
    {
        let mut listening = std::pin::pin!(client.batch_execute(&setup));
        loop {
            tokio::select! {
                message = messages.next() => early.extend(notification(message)?),
                done = &mut listening => break done.map_err(|error| Fault::of_connecting(&error))?,
            }
        }
    }
    hearer.listens();
    for notification in early.iter().filter(|early| early.channel() == CHANNEL) {
        hearer.changes(notification.payload());
    }
    Ok(Link {
        client,
        messages,
        heartbeat_channel,
    })
}

/// A heartbeat is due at each beat, but never while the one before is being sent: on a connection that is dead or stuck nothing piles
/// up. One limit, on the time since the last one came back, is the deadline of all.
async fn hear(link: Link, rhythm: Rhythm, hearer: &mut impl Hearer) -> Fault {
    let Link {
        client,
        mut messages,
        heartbeat_channel,
    } = link;
    let mut beat = interval(rhythm.beat);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let silence = sleep_until(Instant::now() + rhythm.silence_max);
    let mut silence = std::pin::pin!(silence);
    let mut sending = std::pin::pin!(Fuse::terminated());
    let (mut is_sending, mut newest) = (false, Duration::ZERO);
    loop {
        tokio::select! {
            message = messages.next() => match notification(message) {
                Err(fault) => return fault,
                Ok(None) => {}
                Ok(Some(heard)) if heard.channel() == CHANNEL => hearer.changes(heard.payload()),
                Ok(Some(heard)) if heard.channel() == heartbeat_channel => {
                    // Nothing comes back that was not sent.
                    if let Some(sent) = sent(&heard).filter(|sent| *sent <= newest) {
                        hearer.heartbeat(sent);
                        silence.as_mut().reset(Instant::now() + rhythm.silence_max);
                    }
                }
                Ok(Some(_)) => {}
            },
            _ = beat.tick(), if !is_sending => {
                newest = hearer.now();
                is_sending = true;
                sending.set(send(&client, heartbeat(&heartbeat_channel, newest)).fuse());
            }
            done = &mut sending => {
                is_sending = false;
                if let Err(fault) = done {
                    return fault;
                }
            }
            () = &mut silence => {
                return Fault::new(FaultKind::Unavailable, "no heartbeat came back in time");
            }
        }
    }
}

/// A heartbeat takes the lock that all notices take, for as long as its commit lasts. There is nothing to keep, and so it does not wait
/// for the disk, nor for a standby.
///
/// Where this process hangs, its server's side must not keep the queue from being emptied for ever: the server gives up on
/// what is not taken in time.
fn setup(heartbeat_channel: &str, rhythm: Rhythm) -> String {
    let limit_ms = rhythm.silence_max.as_millis();
    let give_up_ms = (rhythm.silence_max * 10).as_millis();
    format!(
        "SET statement_timeout = {limit_ms}; SET lock_timeout = {limit_ms}; \
         SET synchronous_commit = off; SET default_transaction_read_only = off; \
         SET tcp_keepalives_idle = 15; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; \
         SET tcp_user_timeout = {give_up_ms}; \
         LISTEN {CHANNEL}; LISTEN {heartbeat_channel}"
    )
}

fn heartbeat(channel: &str, now: Duration) -> String {
    format!(
        "SELECT pg_notify('{channel}', '{}') WHERE pg_notification_queue_usage() < {QUEUE_USAGE_MAX}",
        now.as_nanos()
    )
}

async fn send(client: &Client, heartbeat: String) -> Result<(), Fault> {
    let answer = client.simple_query(&heartbeat).await;
    let answer = answer.map_err(|error| Fault::of_connecting(&error))?;
    let is_sent = answer
        .iter()
        .any(|message| matches!(message, SimpleQueryMessage::Row(_)));
    if is_sent {
        Ok(())
    } else {
        Err(Fault::new(
            FaultKind::Unavailable,
            "the server's queue of notices fills up: some listener does not take its own",
        ))
    }
}

fn sent(heartbeat: &Notification) -> Option<Duration> {
    heartbeat.payload().parse().ok().map(Duration::from_nanos)
}

/// What came on the connection, where it is a notification; its end is a fault.
fn notification(
    message: Option<Result<AsyncMessage, tokio_postgres::Error>>,
) -> Result<Option<Notification>, Fault> {
    match message {
        Some(Ok(AsyncMessage::Notification(notification))) => Ok(Some(notification)),
        Some(Ok(_)) => Ok(None),
        Some(Err(error)) => Err(Fault::of_connecting(&error)),
        None => Err(Fault::new(
            FaultKind::Unavailable,
            "the server closed the connection",
        )),
    }
}
