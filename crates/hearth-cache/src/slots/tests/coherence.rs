//! Epochs, heartbeats and floors.

use hearth_domain::ports::{Change, Notice};

use super::*;

const BOUND: Duration = Duration::from_secs(1);

fn followed() -> (Slots, ConversationKey) {
    let slots = slots();
    slots.freshness.follow(BOUND);
    slots.heed(&Notice::Gap);
    slots.heed(&Notice::FreshAsOf(NOW));
    (slots, key("d", "u", "s"))
}

fn tell(slots: &Slots, change: Change) {
    slots.heed(&Notice::Changes(vec![change]));
}

fn told(key: &ConversationKey, number: u64, own: bool) -> Change {
    Change::Committed {
        key: key.clone(),
        version: version(number),
        own,
    }
}

#[test]
fn after_a_gap_a_lower_version_replaces_memorys() {
    let (slots, key) = followed();
    load(&slots, &key, 9);
    slots.heed(&Notice::Gap);
    assert_eq!(served(&slots, &key), None);
    load(&slots, &key, 4);
    assert_eq!(served(&slots, &key), Some(4));
    commit(&slots, &key, 5);
    assert_eq!(served(&slots, &key), Some(5));
}

#[test]
fn a_gap_resets_the_floor_of_a_load_under_way_once_it_is_repeated() {
    let (slots, key) = followed();
    let mut waiting = lead(&slots, &key);
    tell(&slots, told(&key, 9, false));
    slots.heed(&Notice::Gap);
    assert_eq!(
        slots.landed(&key, stored(&key, 4), NOW),
        Landed::Again,
        "it was asked for before"
    );
    ask(&slots, &key);
    assert_eq!(slots.landed(&key, stored(&key, 4), NOW), Landed::Done);
    assert_eq!(
        waiting.try_recv().unwrap().unwrap().history().version(),
        version(4)
    );
    assert_eq!(served(&slots, &key), Some(4));
}

#[test]
fn a_commit_on_top_of_a_suspect_session_does_not_make_it_trusted() {
    let (slots, key) = followed();
    load(&slots, &key, 1);
    slots.heed(&Notice::Gap);
    commit(&slots, &key, 2);
    assert_eq!(served(&slots, &key), None);
    load(&slots, &key, 2);
    assert_eq!(slots.statistics.total(Count::Suspected), 1);
    slots.validate();
}

#[test]
fn a_reload_that_is_led_goes_on_when_the_heartbeat_comes_back() {
    let (slots, key) = followed();
    load(&slots, &key, 1);
    let later = NOW + BOUND * 2;
    assert!(slots.served(&key, later, IDLE).is_none());
    let Joined::Leads(mut waiting) = slots.join(&key, later) else {
        panic!("nobody vouches for it")
    };
    ask(&slots, &key);
    slots.heed(&Notice::FreshAsOf(later));
    slots.validate();
    commit(&slots, &key, 2);
    assert_eq!(slots.landed(&key, stored(&key, 1), later), Landed::Again);
    ask(&slots, &key);
    assert_eq!(slots.landed(&key, stored(&key, 2), later), Landed::Done);
    assert!(waiting.try_recv().unwrap().is_ok());
    assert!(slots.served(&key, later, IDLE).is_some());
}

#[test]
fn what_commits_keep_passing_serves_those_who_waited_and_is_not_kept() {
    let (slots, key) = followed();
    let mut early = lead(&slots, &key);
    for number in 1..=5 {
        ask(&slots, &key);
        tell(&slots, told(&key, number + 1, false));
        let mut late = match slots.join(&key, NOW) {
            Joined::Follows(waiting) => waiting,
            Joined::Served(_) | Joined::Leads(_) => panic!("it is being loaded"),
        };
        assert_eq!(slots.landed(&key, stored(&key, number), NOW), Landed::Again);
        assert!(late.try_recv().is_err(), "whoever came later asked for more");
        if number < 5 {
            late.close();
        } else {
            assert_eq!(early.try_recv().unwrap().unwrap().history().version(), version(5));
            ask(&slots, &key);
            assert_eq!(slots.landed(&key, stored(&key, 6), NOW), Landed::Done);
            assert_eq!(late.try_recv().unwrap().unwrap().history().version(), version(6));
        }
    }
    assert_eq!(served(&slots, &key), Some(6));
}

#[test]
fn an_own_notice_waits_for_what_is_under_way_and_is_not_forgotten() {
    let (slots, key) = followed();
    load(&slots, &key, 1);
    let working = slots.begin(&key);
    tell(&slots, told(&key, 2, true));
    assert_eq!(served(&slots, &key), Some(1));
    drop(working);
    assert_eq!(
        served(&slots, &key),
        None,
        "it was committed, and not by that call"
    );

    load(&slots, &key, 2);
    let working = slots.begin(&key);
    tell(&slots, told(&key, 3, true));
    let (append, committed) = turn(&key, 3);
    assert!(working.committed(&append, &committed, NOW).is_none());
    assert_eq!(served(&slots, &key), Some(3));

    let working = slots.begin(&key);
    tell(
        &slots,
        Change::Gone {
            key: key.clone(),
            own: true,
        },
    );
    assert_eq!(slots.memory.len(), 1);
    drop(working);
    assert_eq!(slots.memory.len(), 0);
    slots.validate();
}

#[test]
fn what_was_deferred_in_an_earlier_epoch_binds_nobody() {
    let (slots, key) = followed();
    let working = slots.begin(&key);
    tell(&slots, told(&key, 9, true));
    slots.heed(&Notice::Gap);
    let mut waiting = lead(&slots, &key);
    drop(working);
    assert_eq!(slots.landed(&key, stored(&key, 2), NOW), Landed::Done);
    assert!(waiting.try_recv().unwrap().is_ok());
}
