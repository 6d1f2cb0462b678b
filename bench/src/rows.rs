//! The rows of the list of figures, one a file.

mod row_03;
mod row_04;
mod row_05b;
mod row_06;
mod row_10;
mod row_11;

use anyhow::{Context, Result, ensure};

use crate::bench::Bench;
use crate::measure::Figure;
use crate::progress::say;

/// Measures a row: one figure or several.
type Measure = fn(&mut Bench) -> Result<Vec<Figure>>;

const ROWS: &[(&str, Measure)] = &[
    ("3", row_03::measure),
    ("4", row_04::measure),
    ("5b", row_05b::measure),
    ("6", row_06::measure),
    ("10", row_10::measure),
    ("11", row_11::measure),
];

/// Measures the rows that are asked for, in the order of the list.
///
/// # Errors
///
/// Where an unknown row is asked for, or one cannot be measured.
pub(crate) fn measure(bench: &mut Bench) -> Result<Vec<Figure>> {
    for asked in &bench.arguments.rows {
        let names: Vec<&str> = ROWS.iter().map(|(name, _)| *name).collect();
        ensure!(
            names.contains(&asked.as_str()),
            "there is no row {asked}; there are {}",
            names.join(", ")
        );
    }
    let mut figures = Vec::new();
    for (name, row) in ROWS {
        if bench.arguments.ask_for(name) {
            say(format_args!("row {name}"));
            figures.extend(row(bench).with_context(|| format!("row {name}"))?);
        }
    }
    Ok(figures)
}
