//! Commits that come back in another order than that of their versions.

use super::*;

#[test]
fn a_commit_that_comes_back_early_waits_for_the_one_before_it() {
    let (slots, key) = (slots(), key("d", "u", "s"));
    load(&slots, &key, 1);
    let working = [slots.begin(&key), slots.begin(&key), slots.begin(&key)];
    let [second, third, fourth] = working;
    let (append, committed) = turn(&key, 4);
    let mut last = fourth.committed(&append, &committed, NOW).unwrap();
    let (append, committed) = turn(&key, 3);
    let mut middle = third.committed(&append, &committed, NOW).unwrap();
    assert!(
        last.try_recv().is_err() && middle.try_recv().is_err(),
        "nobody is told of what memory lacks"
    );
    assert_eq!(served(&slots, &key), Some(1));
    slots.validate();
    let (append, committed) = turn(&key, 2);
    assert!(second.committed(&append, &committed, NOW).is_none());
    assert!(last.try_recv().is_ok() && middle.try_recv().is_ok());
    assert_eq!(served(&slots, &key), Some(4));
    assert_eq!(slots.statistics.snapshot().invalidated, 0);
    slots.validate();
}

#[test]
fn a_turn_that_is_not_ours_is_waited_for_no_longer_than_ours_are_under_way() {
    let (slots, key) = (slots(), key("d", "u", "s"));
    load(&slots, &key, 1);
    let (earlier, mine) = (slots.begin(&key), slots.begin(&key));
    let (append, committed) = turn(&key, 3);
    let mut waiting = mine.committed(&append, &committed, NOW).unwrap();
    let later = slots.begin(&key);
    drop(earlier);
    assert!(waiting.try_recv().is_ok());
    assert_eq!(served(&slots, &key), None, "the second turn is another replica's");
    drop(later);
    slots.validate();
}

#[test]
fn a_commit_does_not_wait_for_ever() {
    let (slots, key) = (slots(), key("d", "u", "s"));
    load(&slots, &key, 1);
    let (hangs, mine) = (slots.begin(&key), slots.begin(&key));
    let (append, committed) = turn(&key, 3);
    let mut waiting = mine.committed(&append, &committed, NOW).unwrap();
    slots.stop_waiting(&key, version(3));
    assert!(waiting.try_recv().is_ok());
    assert_eq!(served(&slots, &key), None);
    slots.stop_waiting(&key, version(3));
    drop(hangs);
    slots.validate();
}

#[test]
fn a_commit_to_what_is_not_held_waits_for_nobody() {
    let (slots, key) = (slots(), key("d", "u", "s"));
    let (_under_way, mine) = (slots.begin(&key), slots.begin(&key));
    let (append, committed) = turn(&key, 3);
    assert!(mine.committed(&append, &committed, NOW).is_none());
}
