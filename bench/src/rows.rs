//! The rows of the list of figures, one a file.

mod row_01;
mod row_02;
mod row_03;
mod row_04;
mod row_05;
mod row_05b;
mod row_06;
mod row_07;
mod row_08;
mod row_09;
mod row_09s;
mod row_10;
mod row_11;
mod row_12;
mod row_13;
mod row_14;
mod row_15;
mod row_latency;
mod row_slow;
mod row_trigger;
mod warm_reads;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use crate::bench::Bench;
use crate::measure::Figure;
use crate::progress::say;

/// Measures a row: one figure or several.
type Measure = fn(&mut Bench) -> Result<Vec<Figure>>;

const ROWS: &[(&str, Measure)] = &[
    ("1", row_01::measure),
    ("2", row_02::measure),
    ("slow", row_slow::measure),
    ("3", row_03::measure),
    ("4", row_04::measure),
    ("5", row_05::measure),
    ("5b", row_05b::measure),
    ("6", row_06::measure),
    ("7", row_07::measure),
    ("8", row_08::measure),
    ("latency", row_latency::measure),
    ("9", row_09::measure),
    ("9s", row_09s::measure),
    ("10", row_10::measure),
    ("11", row_11::measure),
    ("12", row_12::measure),
    ("13", row_13::measure),
    ("14", row_14::measure),
    ("15", row_15::measure),
    ("trigger", row_trigger::measure),
];

/// A row that could not be measured.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Failure {
    pub(crate) row: &'static str,
    /// With its causes.
    pub(crate) error: String,
}

/// Measures the rows that are asked for, in the order of the list. A row that cannot be measured is told of and does not end the run.
///
/// # Errors
///
/// Where an unknown row is asked for.
pub(crate) fn measure(bench: &mut Bench) -> Result<(Vec<Figure>, Vec<Failure>)> {
    for asked in &bench.arguments.rows {
        let names: Vec<&str> = ROWS.iter().map(|(name, _)| *name).collect();
        ensure!(
            names.contains(&asked.as_str()),
            "there is no row {asked}; there are {}",
            names.join(", ")
        );
    }
    let (mut figures, mut failures) = (Vec::new(), Vec::new());
    for (row, measure) in ROWS {
        if !bench.arguments.ask_for(row) {
            continue;
        }
        say(format_args!("row {row}"));
        match measure(bench).context("it could not be measured") {
            Ok(measured) => figures.extend(measured),
            Err(error) => {
                let error = format!("{error:#}");
                say(format_args!("row {row}: {error}"));
                failures.push(Failure { row, error });
            }
        }
    }
    Ok((figures, failures))
}
