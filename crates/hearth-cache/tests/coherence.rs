//! A cache that follows a change feed: what other writers do is seen, what was missed is read again, and memory is trusted for as long as
//! heartbeats vouch for it.

use std::time::Duration;

use chrono::DateTime;
use hearth_cache::{Coherence, ReadError, Source};
use hearth_domain::ports::{Change, Clock, HistoryStore, Notice, NullFeed};
use hearth_domain::{ConversationKey, MessageId, MessageView, Role, Status};
use hearth_testkit::faulty_store::{Call, Point};
use hearth_testkit::manual_feed::{Teller, manual_feed};
use hearth_testkit::poll;

use crate::setup::{HANG, Setup, arrived, contents, patient, says, session, sessions, version};

const BOUND: Duration = Duration::from_secs(1);

/// A cache whose feed listens, and has just said that it keeps up.
async fn followed() -> (Setup, Teller) {
    let setup = Setup::with(patient());
    let (teller, feed) = manual_feed();
    setup.cache.follow(feed, BOUND);
    teller.tell(Notice::Gap).await;
    heartbeat(&setup, &teller).await;
    (setup, teller)
}

async fn heartbeat(setup: &Setup, teller: &Teller) {
    teller.tell(Notice::FreshAsOf(setup.clock.now())).await;
}

fn committed(key: &ConversationKey, number: u64, own: bool) -> Change {
    Change::Committed {
        key: key.clone(),
        version: version(number),
        own,
    }
}

fn gone(key: &ConversationKey, own: bool) -> Change {
    Change::Gone {
        key: key.clone(),
        own,
    }
}

async fn read(setup: &Setup, key: &ConversationKey) -> (Source, bool, u64) {
    let reading = setup.read(key).await;
    (
        reading.source(),
        reading.is_degraded(),
        reading.history().version().get(),
    )
}

#[tokio::test]
async fn a_turn_of_another_replica_is_read_once_when_it_is_told() {
    let (setup, teller) = followed().await;
    let key = setup.loaded("s").await;
    setup.write_behind(&key, "from elsewhere").await;
    assert_eq!(read(&setup, &key).await, (Source::Memory, false, 1));
    teller.tell_change(committed(&key, 2, false)).await;
    assert_eq!(read(&setup, &key).await, (Source::Store, false, 2));
    teller.tell_change(committed(&key, 2, false)).await;
    teller.tell_change(committed(&key, 1, false)).await;
    assert_eq!(
        read(&setup, &key).await,
        (Source::Memory, false, 2),
        "memory has it"
    );
    assert_eq!(setup.loads(), 2);
    setup.cache.validate();
}

#[tokio::test]
async fn a_notice_during_a_load_raises_its_floor() {
    let (setup, teller) = followed().await;
    let key = session("s");
    setup.write_behind(&key, "the first").await;
    let gate = setup.store.hold(Point::AfterLoad);
    let reader = setup.waiting_reader(&key).await;
    arrived(&gate, 1).await;
    setup.write_behind(&key, "from elsewhere").await;
    teller.tell_change(committed(&key, 2, false)).await;
    gate.open();
    assert_eq!(reader.await.unwrap().unwrap().history().version(), version(2));
    assert_eq!(setup.loads(), 2);
}

#[tokio::test]
async fn a_foreign_change_is_seen_whatever_the_version_and_overtakes_a_load() {
    let (setup, teller) = followed().await;
    let key = setup.loaded("s").await;
    let insert = |id| {
        let row = MessageView {
            id: MessageId(id),
            role: Role::User,
            content: "from elsewhere".into(),
            created_at: DateTime::UNIX_EPOCH,
            status: Status::Complete,
        };
        setup.store.inner().insert_foreign(&key, &row);
    };
    insert(100);
    teller.tell_change(Change::Foreign(key.clone())).await;
    assert_eq!(setup.read(&key).await.history().len(), 3);
    insert(101);
    teller.tell_change(Change::Foreign(key.clone())).await;
    let gate = setup.store.hold(Point::AfterLoad);
    let reader = setup.waiting_reader(&key).await;
    arrived(&gate, 1).await;
    insert(102);
    teller.tell_change(Change::Foreign(key.clone())).await;
    gate.open();
    assert_eq!(reader.await.unwrap().unwrap().history().len(), 5);
    assert_eq!(setup.loads(), 4);
}

#[tokio::test]
async fn an_own_commit_is_not_told_twice() {
    let (setup, teller) = followed().await;
    let key = setup.loaded("s").await;
    let gate = setup.store.hold(Point::AfterAppend);
    let (cache, append) = (setup.cache.clone(), says(&key, "mine"));
    let writer = tokio::runtime::Handle::current().spawn(async move { cache.append(append).await });
    arrived(&gate, 1).await;
    teller.tell_change(committed(&key, 2, true)).await;
    assert_eq!(
        read(&setup, &key).await,
        (Source::Memory, false, 1),
        "the commit itself will tell"
    );
    gate.open();
    writer.await.unwrap().unwrap();
    assert_eq!(read(&setup, &key).await, (Source::Memory, false, 2));
    teller.tell_change(committed(&key, 2, true)).await;
    assert_eq!(read(&setup, &key).await, (Source::Memory, false, 2));
    assert_eq!((setup.loads(), setup.figures().invalidated), (1, 0));
    setup.cache.validate();
}

#[tokio::test]
async fn an_own_commit_that_nobody_waits_for_any_more_is_told_by_its_notice() {
    let (setup, teller) = followed().await;
    let key = setup.loaded("s").await;
    // A commit whose outcome was unknown, and that took place after memory was read again.
    setup.write_behind(&key, "a late commit").await;
    teller.tell_change(committed(&key, 2, true)).await;
    assert_eq!(read(&setup, &key).await, (Source::Store, false, 2));

    // The same while another turn is under way, which is not committed in the end.
    setup.write_behind(&key, "another late commit").await;
    let gate = setup.store.hold(Point::BeforeAppend);
    let (cache, append) = (setup.cache.clone(), says(&key, "mine"));
    let writer = tokio::runtime::Handle::current().spawn(async move { cache.append(append).await });
    arrived(&gate, 1).await;
    setup.store.fail(Call::Append, 1);
    teller.tell_change(committed(&key, 3, true)).await;
    gate.open();
    assert!(writer.await.unwrap().is_err());
    assert_eq!(read(&setup, &key).await, (Source::Store, false, 3));
}

#[tokio::test]
async fn what_is_gone_elsewhere_is_gone_here_and_is_never_served_again() {
    let (setup, teller) = followed().await;
    let (erased, mine) = (setup.loaded("erased").await, setup.loaded("mine").await);
    setup.store.inner().erase(&erased).await.unwrap();
    teller.tell_change(gone(&erased, false)).await;
    assert_eq!(setup.loaded_sessions(), 1);
    setup.store.fail_everything();
    assert!(matches!(
        setup.cache.history(&erased).await,
        Err(ReadError::Store(_))
    ));
    teller.tell_change(gone(&mine, true)).await;
    assert_eq!(
        setup.loaded_sessions(),
        0,
        "its own, too, unless it is under way here"
    );
}

#[tokio::test]
async fn an_own_end_that_is_under_way_is_not_told_twice() {
    let (setup, teller) = followed().await;
    let key = setup.loaded("s").await;
    let gate = setup.store.hold(Point::AfterErase);
    let (cache, own) = (setup.cache.clone(), key.clone());
    let eraser = tokio::runtime::Handle::current().spawn(async move { cache.erase(own).await });
    arrived(&gate, 1).await;
    teller.tell_change(gone(&key, true)).await;
    assert_eq!(setup.loaded_sessions(), 1);
    gate.open();
    eraser.await.unwrap().unwrap();
    assert_eq!(setup.loaded_sessions(), 0);
    assert_eq!(read(&setup, &key).await, (Source::New, false, 2));
    setup.cache.validate();
}

#[tokio::test]
async fn when_anything_may_have_changed_every_session_is_read_again_once() {
    let (setup, teller) = followed().await;
    let keys = [setup.loaded("1").await, setup.loaded("2").await];
    for (round, notice) in [Notice::Changes(vec![Change::Everything]), Notice::Gap]
        .into_iter()
        .enumerate()
    {
        let expected = u64::try_from(round).unwrap() + 2;
        for key in &keys {
            setup.write_behind(key, "missed").await;
        }
        teller.tell(notice).await;
        for key in &keys {
            assert_eq!(read(&setup, key).await, (Source::Store, false, expected));
            assert_eq!(read(&setup, key).await, (Source::Memory, false, expected));
        }
    }
    let coherence = setup.cache.performance().coherence.unwrap();
    assert_eq!(
        (coherence.suspected, coherence.gaps, coherence.changes),
        (4, 2, 1)
    );
}

#[tokio::test]
async fn silence_past_the_bound_makes_every_read_ask_until_a_heartbeat_comes_back() {
    let (setup, teller) = followed().await;
    let key = setup.loaded("s").await;
    setup.clock.advance(BOUND);
    assert_eq!(read(&setup, &key).await.0, Source::Memory);
    setup.clock.advance(Duration::from_nanos(1));
    setup.write_behind(&key, "missed").await;
    assert_eq!(read(&setup, &key).await, (Source::Store, false, 2));
    assert_eq!(read(&setup, &key).await, (Source::Store, false, 2));

    // A feed that lags: what it says is old, be it ever so much.
    teller.tell_change(committed(&session("another"), 9, false)).await;
    teller
        .tell(Notice::FreshAsOf(
            setup.clock.now() - BOUND - Duration::from_nanos(1),
        ))
        .await;
    assert_eq!(read(&setup, &key).await.0, Source::Store);
    heartbeat(&setup, &teller).await;
    assert_eq!(
        read(&setup, &key).await.0,
        Source::Memory,
        "all that was told since it was loaded is known"
    );
}

#[tokio::test]
async fn a_load_that_began_before_a_gap_serves_who_waited_and_is_read_again() {
    let (setup, teller) = followed().await;
    let key = session("s");
    setup.write_behind(&key, "the first").await;
    let gate = setup.store.hold(Point::AfterLoad);
    let early = setup.waiting_reader(&key).await;
    arrived(&gate, 1).await;
    setup.write_behind(&key, "missed").await;
    teller.tell(Notice::Gap).await;
    gate.let_one_pass();
    assert_eq!(early.await.unwrap().unwrap().history().version(), version(1));
    gate.open();
    assert_eq!(read(&setup, &key).await, (Source::Store, false, 2));
    assert_eq!(read(&setup, &key).await, (Source::Memory, false, 2));
}

#[tokio::test]
async fn who_came_while_nobody_vouched_is_not_served_what_was_asked_for_before() {
    let (setup, teller) = followed().await;
    let key = session("s");
    setup.write_behind(&key, "the first").await;
    let gate = setup.store.hold(Point::AfterLoad);
    let early = setup.waiting_reader(&key).await;
    arrived(&gate, 1).await;
    setup.write_behind(&key, "acknowledged elsewhere").await;
    teller.tell(Notice::Gap).await;
    let late = setup.waiting_reader(&key).await;
    gate.let_one_pass();
    assert_eq!(early.await.unwrap().unwrap().history().version(), version(1));
    arrived(&gate, 2).await;
    setup.cache.validate();
    gate.open();
    assert_eq!(late.await.unwrap().unwrap().history().version(), version(2));
    assert_eq!(setup.loads(), 2);
}

#[tokio::test]
async fn suspect_sessions_are_read_again_together() {
    let (setup, teller) = followed().await;
    let keys = sessions(20);
    setup.cache.warm_up_many(&keys).await;
    let before = setup.loads();
    teller.tell(Notice::Gap).await;
    let gate = setup.store.hold(Point::BeforeLoad);
    let mut readers = Vec::new();
    for key in &keys {
        readers.push(setup.waiting_reader(key).await);
        readers.push(setup.waiting_reader(key).await);
    }
    setup.cache.validate();
    gate.open();
    for reader in readers {
        assert_eq!(reader.await.unwrap().unwrap().source(), Source::New);
    }
    assert!(
        setup.loads() - before <= 3,
        "{} calls for 20 sessions",
        setup.loads() - before
    );
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_is_asked_once_and_then_by_a_probe_alone() {
    let (setup, teller) = followed().await;
    let keys = [setup.loaded("1").await, setup.loaded("2").await];
    setup.store.fail_everything();
    assert_eq!(
        read(&setup, &keys[0]).await,
        (Source::Memory, false, 1),
        "a heartbeat vouches for it"
    );
    teller.tell(Notice::Lost).await;
    setup.clock.advance(BOUND * 2);
    for _ in 0..5 {
        for key in &keys {
            assert_eq!(read(&setup, key).await, (Source::Memory, true, 1));
        }
    }
    assert_eq!(setup.loads(), 3, "two that loaded them, and one that failed");
    let outcome = setup.cache.history_since(&keys[0], version(2)).await;
    assert!(matches!(outcome, Err(ReadError::NotFresh { held }) if held == version(1)));
    assert!(setup.cache.history(&session("cold")).await.is_err());
    let coherence = setup.cache.performance().coherence.unwrap();
    assert!(coherence.store_is_away && !coherence.connected);

    poll::until(HANG, async || setup.store.calls(Call::Ping) >= 5).await;
    let loads = setup.loads();
    setup.store.recover();
    poll::until(HANG, async || {
        !setup.cache.performance().coherence.unwrap().store_is_away
    })
    .await;
    assert_eq!(setup.loads(), loads, "the probe loads nothing");
    assert_eq!(read(&setup, &keys[0]).await, (Source::Store, false, 1));
}

#[tokio::test(start_paused = true)]
async fn a_commit_proves_that_the_store_is_back() {
    let (setup, teller) = followed().await;
    let key = setup.loaded("s").await;
    setup.store.fail_everything();
    teller.tell(Notice::Gap).await;
    assert_eq!(read(&setup, &key).await, (Source::Memory, true, 1));
    setup.store.recover();
    setup.store.fail(Call::Ping, usize::MAX);
    assert_eq!(read(&setup, &key).await, (Source::Memory, true, 1));
    assert_eq!(setup.append(&key, "the second").await, version(2));
    assert_eq!(read(&setup, &key).await, (Source::Store, false, 2));
    setup.store.fail(Call::Ping, 0);

    setup.store.fail(Call::Load, 1);
    teller.tell(Notice::Gap).await;
    assert!(read(&setup, &key).await.1, "another outage is found as the first");
    let pings = setup.store.calls(Call::Ping);
    poll::until(HANG, async || {
        !setup.cache.performance().coherence.unwrap().store_is_away
    })
    .await;
    assert!(setup.store.calls(Call::Ping) > pings, "and ends by the probe");
}

#[tokio::test(start_paused = true)]
async fn what_is_fresh_by_the_feed_is_not_degraded_while_the_store_is_away() {
    let (setup, _teller) = followed().await;
    let (fresh, stale) = (setup.loaded("fresh").await, setup.loaded("stale").await);
    setup.cache.invalidate(&stale);
    setup.store.fail_everything();
    assert_eq!(read(&setup, &stale).await, (Source::Memory, true, 1));
    assert_eq!(read(&setup, &stale).await, (Source::Memory, true, 1));
    assert_eq!(read(&setup, &fresh).await, (Source::Memory, false, 1));
    assert_eq!(setup.loads(), 3);
}

#[tokio::test]
async fn the_figures_say_how_well_memory_keeps_up() {
    let (setup, teller) = followed().await;
    setup.clock.advance(BOUND / 4);
    teller.tell_change(committed(&session("s"), 1, false)).await;
    let expected = Coherence {
        connected: true,
        staleness: Some(BOUND / 4),
        max_staleness: BOUND,
        store_is_away: false,
        changes: 1,
        gaps: 1,
        suspected: 0,
    };
    assert_eq!(setup.cache.performance().coherence, Some(expected));
    teller.tell(Notice::Lost).await;
    assert!(!setup.cache.performance().coherence.unwrap().connected);
    assert_eq!(Setup::new().cache.performance().coherence, None);
}

#[tokio::test]
async fn a_store_with_one_writer_is_trusted_for_ever() {
    let setup = Setup::new();
    setup.cache.follow(NullFeed, Duration::MAX);
    let key = setup.loaded("s").await;
    setup.clock.advance(Duration::from_mins(29));
    assert_eq!(contents(&setup.read(&key).await), ["the first", "an answer"]);
    assert_eq!(setup.loads(), 1);
}
