//! Warm reads of long sessions over HTTP, against a bare handler.

use anyhow::Result;

use super::warm_reads;
use crate::bench::Bench;
use crate::measure::Figure;

const SESSIONS: u64 = 1_000;

pub(crate) fn measure(bench: &mut Bench) -> Result<Vec<Figure>> {
    let dataset = bench.sized("long", SESSIONS, 60, 1_024);
    warm_reads::measure(bench, "2", &dataset, "60 × 1 KiB")
}
