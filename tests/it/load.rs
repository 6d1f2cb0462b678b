//! Clients that write and read at the same time while a test breaks things, and the judgement on what they were told.

mod clients;
mod erasures;
mod judgement;
mod ledger;
mod reply;
mod rows;
mod work;

pub(crate) use clients::{Load, repeat};
pub(crate) use erasures::{Erasure, judge_erased};
pub(crate) use judgement::judge;
pub(crate) use ledger::{Ledger, Outcome, Write};
pub(crate) use rows::rows;
pub(crate) use work::Work;

/// A seed for this run, told on standard error: a test that fails shows it. `HEARTH_TEST_SEED` repeats a run's dice.
pub(crate) fn seed() -> u64 {
    let given = std::env::var("HEARTH_TEST_SEED").ok();
    let seed = given.map_or_else(|| fastrand::u64(..), |seed| seed.parse().unwrap());
    eprintln!("HEARTH_TEST_SEED={seed}");
    seed
}
