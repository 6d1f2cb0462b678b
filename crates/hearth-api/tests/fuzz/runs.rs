//! How long a property is tried.

use std::time::Duration;

use hearth_domain::ports::{Clock, SystemClock};
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestCaseResult, TestRunner};

/// Minutes that each test goes on for, beyond its first run.
const MINUTES: &str = "HEARTH_FUZZ_MINUTES";

/// Cases of a run where `PROPTEST_CASES` does not say.
const CASES: u32 = 192;

/// Tries a property; stops the test at the smallest input that breaks it.
pub(crate) fn fuzz<S: Strategy>(strategy: &S, property: impl Fn(S::Value) -> TestCaseResult) {
    let clock = SystemClock::default();
    let length = std::env::var(MINUTES).map_or(Duration::ZERO, |minutes| {
        Duration::from_secs(minutes.parse::<u64>().unwrap() * 60)
    });
    let end = clock.now() + length;
    loop {
        let defaults = Config::default();
        let named = std::env::var_os("PROPTEST_CASES").is_some();
        let config = Config {
            cases: if named { defaults.cases } else { CASES },
            // What was stored is part of a case, so that an input alone does not replay it.
            failure_persistence: None,
            ..defaults
        };
        if let Err(failure) = TestRunner::new(config).run(strategy, &property) {
            panic!("{failure}");
        }
        if clock.now() >= end {
            return;
        }
    }
}
