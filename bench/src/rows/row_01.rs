//! Warm reads of short sessions over HTTP, against a bare handler.

use anyhow::Result;

use super::warm_reads;
use crate::bench::Bench;
use crate::measure::Figure;

const SESSIONS: u64 = 1_000;

pub(crate) fn measure(bench: &mut Bench) -> Result<Vec<Figure>> {
    let dataset = bench.synthetic(SESSIONS);
    warm_reads::measure(bench, "1", &dataset, "10 × 200 bytes")
}
