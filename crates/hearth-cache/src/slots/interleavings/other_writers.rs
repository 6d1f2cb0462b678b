//! Many writers, here and elsewhere, and what the feed tells of them.

use super::*;

#[test]
fn many_writers_never_make_a_session_stale() {
    check(|| {
        let world = World::new(1 << 20);
        world.append();
        world.read().unwrap();
        join([(); 3].map(|()| {
            spawn(&world, |world| {
                let committed = world.append();
                assert!(world.read().unwrap().history().version() >= committed);
            })
        }));
        assert_eq!(world.slots.statistics.snapshot().invalidated, 0);
        assert_eq!(world.store.loads.load(Ordering::SeqCst), 1);
        world.settle();
    });
}

#[test]
fn own_commits_against_their_own_notices() {
    check(|| {
        let world = World::new(1 << 20);
        world.append();
        world.read().unwrap();
        let writer = || {
            spawn(&world, |world| {
                let committed = world.append();
                assert!(world.read().unwrap().history().version() >= committed);
            })
        };
        let feed = || spawn(&world, |world| world.tell(true));
        join([writer(), feed(), writer()]);
        world.tell(true);
        assert_eq!(world.slots.statistics.snapshot().invalidated, 0);
        assert_eq!(world.store.loads.load(Ordering::SeqCst), 1);
        world.settle();
    });
}

#[test]
fn notice_against_load() {
    check(|| {
        let world = World::new(1 << 20);
        world.append();
        join([
            spawn(&world, |world| {
                let seen = world.append_elsewhere();
                world.tell(false);
                assert!(world.read().unwrap().history().version() >= seen);
            }),
            spawn(&world, |world| {
                world.read().unwrap();
            }),
            spawn(&world, |world| {
                let committed = world.append();
                assert!(world.read().unwrap().history().version() >= committed);
            }),
        ]);
        world.tell(false);
        world.settle();
    });
}

#[test]
fn gap_against_load_and_commit() {
    check(|| {
        let world = World::new(1 << 20);
        world.append();
        join([
            spawn(&world, |world| {
                let missed = world.append_elsewhere();
                world.slots.heed(&Notice::Gap);
                assert!(world.read().unwrap().history().version() >= missed);
            }),
            spawn(&world, |world| {
                world.read().unwrap();
                assert!(world.read().unwrap().history().version() >= version(1));
            }),
            spawn(&world, |world| {
                let committed = world.append();
                assert!(world.read().unwrap().history().version() >= committed);
            }),
        ]);
        world.settle();
    });
}

#[test]
fn everything_suspect_against_an_erase_that_is_told() {
    check(|| {
        let world = World::new(1 << 20);
        world.append();
        world.read().unwrap();
        join([
            spawn(&world, |world| {
                let working = world.slots.begin(&world.key);
                world.change(|stored| stored.history = History::empty(stored.history.version().next()));
                let gone = Change::Gone {
                    key: world.key.clone(),
                    own: true,
                };
                world.slots.heed(&Notice::Changes(vec![gone]));
                drop(working);
                assert!(
                    world.read().unwrap().history().is_empty(),
                    "what was erased is back"
                );
            }),
            spawn(&world, |world| {
                world.slots.heed(&Notice::Changes(vec![Change::Everything]));
                world.read().unwrap();
            }),
        ]);
        world.settle();
    });
}
