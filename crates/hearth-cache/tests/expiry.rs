//! Idle sessions, by a clock that is moved by hand.

use std::time::Duration;

use hearth_cache::{CacheConfig, Source};
use hearth_testkit::poll;

use crate::setup::{HANG, Setup, patient, sessions};

const IDLE: Duration = Duration::from_mins(30);
const NEARLY: Duration = Duration::from_secs(30 * 60 - 1);
const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_session_that_nobody_used_is_not_served_from_memory() {
    let setup = Setup::new();
    let key = setup.loaded("s").await;
    setup.clock.advance(NEARLY);
    assert_eq!(setup.read(&key).await.source(), Source::Memory);
    setup.clock.advance(NEARLY);
    assert_eq!(
        setup.read(&key).await.source(),
        Source::Memory,
        "the read was a use"
    );
    setup.clock.advance(IDLE);
    assert_eq!(setup.read(&key).await.source(), Source::Store);
    assert_eq!((setup.loads(), setup.figures().expired), (2, 1));
    setup.cache.validate();
}

#[tokio::test]
async fn an_append_is_a_use() {
    let setup = Setup::new();
    let key = setup.loaded("s").await;
    setup.clock.advance(NEARLY);
    setup.append(&key, "hello").await;
    setup.clock.advance(NEARLY);
    assert_eq!(setup.read(&key).await.source(), Source::Memory);
}

#[tokio::test]
async fn a_sweep_takes_the_idle_ones_and_leaves_the_others() {
    let setup = Setup::new();
    let keys = sessions(1_000);
    setup.cache.warm_up_many(&keys).await;
    setup.clock.advance(NEARLY);
    for key in keys.iter().take(100) {
        setup.read(key).await;
    }
    assert_eq!(setup.cache.expire_idle().await, 0);
    setup.clock.advance(SECOND);
    assert_eq!(setup.cache.expire_idle().await, 900);
    assert_eq!((setup.loaded_sessions(), setup.figures().expired), (100, 900));
    setup.cache.validate();
    for key in keys.iter().take(100) {
        assert_eq!(setup.read(key).await.source(), Source::Memory);
    }
}

#[tokio::test(start_paused = true)]
async fn the_cache_sweeps_by_itself() {
    let setup = Setup::new();
    setup.cache.warm_up_many(&sessions(10)).await;
    setup.clock.advance(IDLE);
    poll::until(10 * HANG, async || setup.loaded_sessions() == 0).await;
    assert_eq!(setup.figures().expired, 10);
}

#[tokio::test]
async fn the_idle_time_is_what_was_configured() {
    let setup = Setup::with(CacheConfig {
        idle: SECOND,
        ..patient()
    });
    let key = setup.loaded("s").await;
    setup.clock.advance(SECOND);
    assert_eq!(setup.read(&key).await.source(), Source::Store);
}

#[tokio::test]
async fn the_last_ones_used_come_first() {
    let setup = Setup::new();
    let keys = sessions(5);
    setup.cache.warm_up_many(&keys).await;
    for number in [3, 0, 4, 1, 2, 0] {
        setup.clock.advance(SECOND);
        setup.read(&keys[number]).await;
    }
    let expected = [0, 2, 1, 4, 3].map(|number| keys[number].clone());
    assert_eq!(setup.cache.recently_used(5), expected);
    assert_eq!(setup.cache.recently_used(2), expected[..2]);
    assert_eq!(setup.cache.recently_used(usize::MAX), expected);
    assert_eq!(setup.cache.recently_used(0), []);
}
