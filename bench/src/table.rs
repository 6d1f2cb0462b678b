//! The table that a run prints.

use std::fmt::Write;

use crate::measure::{Figure, Series, number};
use crate::rows::Failure;

const HEADINGS: [&str; 8] = [
    "row",
    "figure",
    "against",
    "goal",
    "median",
    "spread",
    "ours / theirs",
    "verdict",
];

/// The figures as one aligned table; notes beneath, and what could not be measured.
pub(crate) fn render(figures: &[Figure], failures: &[Failure]) -> String {
    let mut lines = vec![HEADINGS.map(str::to_owned)];
    lines.extend(figures.iter().map(line));
    let widths: [usize; HEADINGS.len()] = std::array::from_fn(|column| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    });
    let mut table = String::new();
    for (index, line) in lines.iter().enumerate() {
        let cells: Vec<String> = line
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        push_line(&mut table, cells.join("  ").trim_end());
        if index == 0 {
            push_line(&mut table, &widths.map(|width| "─".repeat(width)).join("  "));
        }
    }
    for figure in figures {
        for note in &figure.notes {
            push_line(
                &mut table,
                &format!("row {}, {}: {note}", figure.row, figure.figure),
            );
        }
    }
    for Failure { row, error } in failures {
        push_line(&mut table, &format!("row {row} FAILED: {error}"));
    }
    table
}

fn line(figure: &Figure) -> [String; HEADINGS.len()] {
    let (low, high) = figure.outcome.range();
    [
        figure.row.to_owned(),
        figure.figure.clone(),
        figure.against.clone(),
        figure.goal.to_string(),
        figure.outcome.to_string(),
        format!("{} – {}", number(low), number(high)),
        sides(figure.ours.as_ref(), figure.theirs.as_ref()),
        figure.goal.verdict(figure.outcome.median()),
    ]
}

fn sides(ours: Option<&Series>, theirs: Option<&Series>) -> String {
    let side = |series: &Series| series.to_string();
    match (ours.map(side), theirs.map(side)) {
        (Some(ours), Some(theirs)) => format!("{ours} / {theirs}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => String::new(),
    }
}

fn push_line(table: &mut String, line: &str) {
    // Writing to a string does not fail.
    let _written = writeln!(table, "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{Goal, Group};

    #[test]
    fn columns_are_aligned_and_notes_follow() {
        let figure = |row: &'static str, goal: Goal, values: &[f64]| Figure {
            row,
            group: Group::Reads,
            figure: "warm read".to_owned(),
            against: "bare get".to_owned(),
            goal,
            outcome: Series::new("×", values.to_vec()),
            ours: Some(Series::new("ns", vec![120.0])),
            theirs: Some(Series::new("ns", vec![100.0])),
            notes: vec!["a note".to_owned()],
        };
        let figures = [
            figure("3", Goal::AtMost(1.3), &[1.1, 1.2, 1.3]),
            figure("14", Goal::AtLeast(300.0), &[150.0]),
        ];
        let failure = Failure {
            row: "15",
            error: "it broke".to_owned(),
        };
        let table = render(&figures, &[failure]);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(
            lines.get(2).copied(),
            Some("3    warm read  bare get  ≤ 1.3  1.2 ×   1.1 – 1.3  120 ns / 100 ns  met")
        );
        assert!(lines.get(3).unwrap().ends_with("MISSED by 50.0 %"), "{table}");
        assert_eq!(lines.get(4).copied(), Some("row 3, warm read: a note"));
        assert_eq!(lines.last().copied(), Some("row 15 FAILED: it broke"));
    }
}
