#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected stops")]

use hearth_domain::{Append, Committed, CommittedMessage, MessageId};
use hearth_testkit::build::{append, exchange, key};

use super::*;

mod coherence;
mod order;

const NOW: Duration = Duration::from_secs(3_600);
const IDLE: Duration = Duration::from_mins(30);

fn slots() -> Slots {
    Slots::new(1 << 20, WindowLimits::default(), true)
}

fn version(number: u64) -> Version {
    Version::new(number).unwrap()
}

/// The `number`th turn of a session in which every turn is one exchange.
fn turn(key: &ConversationKey, number: u64) -> (Append, Committed) {
    let first = i64::try_from(number * 2).unwrap();
    let row = |id| CommittedMessage {
        id: MessageId(id),
        created_at: chrono::DateTime::UNIX_EPOCH,
    };
    let committed = Committed {
        version: version(number),
        messages: vec![row(first), row(first + 1)],
    };
    (append(key, exchange("query", "response")), committed)
}

fn commit(slots: &Slots, key: &ConversationKey, number: u64) {
    let (append, committed) = turn(key, number);
    let waiting = slots.begin(key).committed(&append, &committed, NOW);
    assert!(waiting.is_none(), "nothing else is under way");
}

/// The session as the store has it after `turns` turns.
fn stored(key: &ConversationKey, turns: u64) -> Lookup {
    let mut history = History::empty(Version::ZERO);
    for number in 1..=turns {
        let (append, committed) = turn(key, number);
        history = history
            .extended(
                committed.views(&append.turn),
                committed.version,
                WindowLimits::default(),
            )
            .unwrap();
    }
    Lookup::of(history)
}

fn lead(slots: &Slots, key: &ConversationKey) -> oneshot::Receiver<Outcome> {
    match slots.join(key, NOW) {
        Joined::Leads(waiting) => {
            ask(slots, key);
            waiting
        }
        Joined::Served(_) | Joined::Follows(_) => panic!("nobody else reads {key}"),
    }
}

/// The loader asks the store.
fn ask(slots: &Slots, key: &ConversationKey) {
    slots.asking(std::slice::from_ref(key));
}

fn load(slots: &Slots, key: &ConversationKey, turns: u64) {
    let mut waiting = lead(slots, key);
    assert_eq!(slots.landed(key, stored(key, turns), NOW), Landed::Done);
    let reading = waiting.try_recv().unwrap().unwrap();
    assert_eq!(reading.history().version(), version(turns));
}

fn served(slots: &Slots, key: &ConversationKey) -> Option<u64> {
    let session = slots.served(key, NOW, IDLE)?;
    Some(session.history().version().get())
}

#[test]
fn two_commits_that_are_heard_of_in_the_wrong_order_make_one_reload() {
    let (slots, key) = (slots(), key("d", "u", "s"));
    load(&slots, &key, 1);
    commit(&slots, &key, 3);
    assert_eq!(served(&slots, &key), None, "a turn is missing");
    commit(&slots, &key, 2);
    assert_eq!(
        served(&slots, &key),
        None,
        "the missing turn does not mend it: the third is not there"
    );
    load(&slots, &key, 3);
    commit(&slots, &key, 3);
    assert_eq!(
        served(&slots, &key),
        Some(3),
        "a turn that was loaded is not added again"
    );
    assert_eq!(slots.statistics.snapshot().invalidated, 1);
    slots.validate();
}

#[test]
fn nothing_below_a_commit_that_was_heard_of_is_published() {
    let (slots, key) = (slots(), key("d", "u", "s"));
    let mut waiting = lead(&slots, &key);
    commit(&slots, &key, 2);
    assert_eq!(slots.landed(&key, stored(&key, 1), NOW), Landed::Again);
    assert!(waiting.try_recv().is_err(), "nobody is told of it");
    assert_eq!(served(&slots, &key), None);
    assert_eq!(slots.landed(&key, stored(&key, 2), NOW), Landed::Done);
    assert_eq!(
        waiting.try_recv().unwrap().unwrap().history().version(),
        version(2)
    );
    slots.validate();
}

#[test]
fn what_the_store_said_binds_a_load_and_what_a_caller_claims_does_not() {
    let (slots, key) = (slots(), key("d", "u", "s"));
    let _waiting = lead(&slots, &key);
    slots.outdated(&key, version(9));
    slots.heard_of(&key, version(2));
    assert_eq!(slots.landed(&key, stored(&key, 1), NOW), Landed::Again);
    assert_eq!(slots.landed(&key, stored(&key, 2), NOW), Landed::Done);
    slots.heard_of(&key, version(2));
    slots.outdated(&key, version(2));
    assert_eq!(served(&slots, &key), Some(2));
    slots.heard_of(&key, version(3));
    assert_eq!(served(&slots, &key), None);
}

#[test]
fn a_load_that_is_always_overtaken_gives_up_and_keeps_nothing() {
    let (slots, key) = (slots(), key("d", "u", "s"));
    let mut waiting = lead(&slots, &key);
    let landings: Vec<Landed> = (0..5)
        .map(|_| {
            ask(&slots, &key);
            slots.invalidate(&key);
            slots.landed(&key, stored(&key, 1), NOW)
        })
        .collect();
    let mut expected: Vec<Landed> = (0..4).map(|_| Landed::Again).collect();
    expected.push(Landed::Done);
    assert_eq!(landings, expected);
    let outcome = waiting.try_recv().unwrap();
    assert!(matches!(outcome, Err(ReadError::NotFresh { held }) if held == version(1)));
    assert_eq!(served(&slots, &key), None);
    load(&slots, &key, 1);
}

#[test]
fn a_session_with_a_row_of_another_program_in_between_leaves_memory() {
    let (slots, key) = (slots(), key("d", "u", "s"));
    load(&slots, &key, 4);
    let (append, mut committed) = turn(&key, 5);
    for row in &mut committed.messages {
        row.id = MessageId(1);
    }
    assert!(slots.begin(&key).committed(&append, &committed, NOW).is_none());
    assert_eq!(
        served(&slots, &key),
        None,
        "ids that do not follow are not put at the end"
    );
    assert_eq!(slots.memory.len(), 0);
}

#[test]
fn a_stale_session_leaves_memory_with_a_turn_that_it_does_not_get() {
    let (slots, key) = (slots(), key("d", "u", "s"));
    load(&slots, &key, 4);
    slots.invalidate(&key);
    commit(&slots, &key, 4);
    assert_eq!(slots.memory.len(), 1, "it has this turn");
    commit(&slots, &key, 5);
    assert!(
        slots.degraded(&key, NOW).is_none(),
        "whoever was told 5 is not shown 4"
    );
}

#[test]
fn a_session_on_its_way_is_not_opened_over() {
    let (slots, key) = (slots(), key("d", "u", "s"));
    let _waiting = lead(&slots, &key);
    assert_eq!(slots.open(&key, NOW).source(), Source::New);
    assert_eq!(slots.memory.len(), 0);
    slots.validate();
    assert_eq!(slots.landed(&key, stored(&key, 2), NOW), Landed::Done);
    let opened = slots.open(&key, NOW);
    assert_eq!(
        (opened.source(), opened.history().version()),
        (Source::Memory, version(2))
    );
}

#[test]
fn a_session_that_changed_since_it_was_found_idle_does_not_expire() {
    let (slots, key) = (slots(), key("d", "u", "s"));
    load(&slots, &key, 1);
    let idle = slots.memory.peek(&key).unwrap();
    commit(&slots, &key, 2);
    assert!(!slots.expire(&key, &idle));
    assert_eq!(served(&slots, &key), Some(2));
    let idle = slots.memory.peek(&key).unwrap();
    assert!(slots.expire(&key, &idle));
    assert!(!slots.expire(&key, &idle), "nothing expires twice");
    assert_eq!(slots.statistics.snapshot().expired, 1);
    slots.validate();
}
