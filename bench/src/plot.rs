//! A plot of a group of figures: a strip a figure, a dot a round, a tick at the median, a line at the goal.

use std::fmt::Write;

use crate::measure::{Figure, number};

const WIDTH: f64 = 860.0;
const STRIP_HEIGHT: f64 = 74.0;
const LEFT: f64 = 20.0;
const RIGHT: f64 = 840.0;

/// How much room there is beyond the largest value.
const HEADROOM: f64 = 1.15;

const MET: &str = "#1a7f5a";
const MISSED: &str = "#b3261e";
const REPORTED: &str = "#44546a";

/// An SVG of the figures, one beneath the other, each on a scale of its own that begins at zero.
pub(crate) fn svg(figures: &[&Figure]) -> String {
    let strips = u32::try_from(figures.len()).unwrap_or(u32::MAX);
    let height = STRIP_HEIGHT * f64::from(strips) + 10.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    for (index, figure) in (0_u32..).zip(figures) {
        strip(&mut svg, figure, f64::from(index) * STRIP_HEIGHT);
    }
    svg.push_str("</svg>\n");
    svg
}

fn strip(svg: &mut String, figure: &Figure, top: f64) {
    let (_, high) = figure.outcome.range();
    let median = figure.outcome.median();
    let largest = figure.goal.bound().map_or(high, |bound| bound.max(high));
    // Where everything is nothing, any scale will do.
    let full = if largest > 0.0 { largest * HEADROOM } else { 1.0 };
    let place = |value: f64| LEFT + (RIGHT - LEFT) * (value / full).clamp(0.0, 1.0);
    let color = match figure.goal.is_met(median) {
        Some(true) => MET,
        Some(false) => MISSED,
        None => REPORTED,
    };
    let axis = top + 50.0;
    let unit = figure.outcome.unit;
    let title = format!(
        "{} · {} against {}: {} {unit}",
        figure.row,
        figure.figure,
        figure.against,
        number(median)
    );
    text(svg, LEFT, top + 20.0, "#1b1b1b", &title);
    line(svg, (LEFT, axis), (RIGHT, axis), "#c8c8c8", 1.0);
    if let Some(bound) = figure.goal.bound() {
        let x = place(bound);
        line(svg, (x, axis - 18.0), (x, axis + 10.0), "#1b1b1b", 1.5);
        text(svg, x + 4.0, axis + 18.0, "#1b1b1b", &figure.goal.to_string());
    }
    let x = place(median);
    line(svg, (x, axis - 14.0), (x, axis + 14.0), color, 4.0);
    for value in &figure.outcome.values {
        let x = place(*value);
        push(
            svg,
            &format!(
                "<circle cx=\"{x:.1}\" cy=\"{axis:.1}\" r=\"4\" fill=\"{color}\" fill-opacity=\"0.45\"/>"
            ),
        );
    }
}

fn line(svg: &mut String, from: (f64, f64), to: (f64, f64), color: &str, width: f64) {
    push(
        svg,
        &format!(
            "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{color}\" stroke-width=\"{width}\"/>",
            from.0, from.1, to.0, to.1
        ),
    );
}

fn text(svg: &mut String, x: f64, y: f64, color: &str, text: &str) {
    let escaped = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    push(
        svg,
        &format!("<text x=\"{x:.1}\" y=\"{y:.1}\" fill=\"{color}\">{escaped}</text>"),
    );
}

fn push(svg: &mut String, element: &str) {
    // Writing to a string does not fail.
    let _written = writeln!(svg, "{element}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{Goal, Group, Series};

    fn figure(goal: Goal, values: &[f64]) -> Figure {
        Figure {
            row: "10",
            group: Group::Memory,
            figure: "a < b & c".to_owned(),
            against: "contents".to_owned(),
            goal,
            outcome: Series::new("bytes", values.to_vec()),
            ours: None,
            theirs: None,
            notes: Vec::new(),
        }
    }

    #[test]
    fn nothing_and_less_than_nothing_have_places() {
        for (goal, values) in [(Goal::Exactly(0.0), [0.0, 0.0]), (Goal::Reported, [-2.0, -1.0])] {
            let svg = svg(&[&figure(goal, &values)]);
            assert_eq!(svg.matches("cx=\"20.0\"").count(), 2, "{svg}");
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
    }

    #[test]
    fn a_strip_has_a_dot_a_round_and_its_goal() {
        let figure = figure(Goal::AtMost(350.0), &[300.0, 310.0, 400.0]);
        let svg = svg(&[&figure, &figure]);
        assert_eq!(svg.matches("<circle").count(), 6);
        assert_eq!(svg.matches("≤ 350").count(), 2);
        assert!(
            svg.contains("a &lt; b &amp; c against contents: 310 bytes"),
            "{svg}"
        );
        assert!(svg.contains(MET) && !svg.contains(MISSED));
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
    }
}
