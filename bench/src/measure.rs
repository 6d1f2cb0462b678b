//! What a row measures: values a round, their median and spread, and the goal that they are held against.

use std::fmt;

use serde::Serialize;

/// The values of one side, one a round, and their unit.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Series {
    /// What one of them is: `ns`, `tps`, `bytes`.
    pub(crate) unit: &'static str,
    /// One a round, in the order of the rounds.
    pub(crate) values: Vec<f64>,
}

impl Series {
    pub(crate) const fn new(unit: &'static str, values: Vec<f64>) -> Self {
        Self { unit, values }
    }

    /// The middle value, or the mean of the two in the middle; not a number where there is none.
    pub(crate) fn median(&self) -> f64 {
        median(&self.values)
    }

    /// The smallest and the largest value.
    pub(crate) fn range(&self) -> (f64, f64) {
        let low = self.values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = self.values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        (low, high)
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", number(self.median()), self.unit)
    }
}

/// What a figure must reach.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Goal {
    AtMost(f64),
    AtLeast(f64),
    Exactly(f64),
    /// Said for whoever reads it; nothing is asked of it.
    Reported,
}

impl Goal {
    /// The number that the goal names.
    pub(crate) const fn bound(self) -> Option<f64> {
        match self {
            Self::AtMost(bound) | Self::AtLeast(bound) | Self::Exactly(bound) => Some(bound),
            Self::Reported => None,
        }
    }

    /// Whether a value reaches it; nothing where nothing is asked.
    pub(crate) fn is_met(self, value: f64) -> Option<bool> {
        match self {
            Self::AtMost(bound) => Some(value <= bound),
            Self::AtLeast(bound) => Some(value >= bound),
            Self::Exactly(bound) => Some((value - bound).abs() < f64::EPSILON),
            Self::Reported => None,
        }
    }

    /// `met`, or by how much it was missed.
    pub(crate) fn verdict(self, value: f64) -> String {
        match (self.is_met(value), self.bound()) {
            (Some(false), Some(0.0)) => "MISSED".to_owned(),
            (Some(false), Some(bound)) => format!("MISSED by {:.1} %", (value - bound).abs() / bound * 100.0),
            (Some(true), _) => "met".to_owned(),
            (Some(false), None) | (None, _) => "reported".to_owned(),
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(bound) => write!(f, "≤ {}", number(*bound)),
            Self::AtLeast(bound) => write!(f, "≥ {}", number(*bound)),
            Self::Exactly(bound) => write!(f, "= {}", number(*bound)),
            Self::Reported => f.write_str("—"),
        }
    }
}

/// Which figures share a plot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Group {
    /// Reads in process.
    Reads,
    /// What loaded sessions take.
    Memory,
    /// Many loaded sessions.
    Scale,
    /// Reads over HTTP.
    Http,
    /// Appends.
    Writes,
    /// Chats.
    Chats,
    /// Several replicas, and other programs.
    Replicas,
    /// Starts and restarts.
    Starts,
}

impl Group {
    /// As it stands in file names.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Reads => "reads",
            Self::Memory => "memory",
            Self::Scale => "scale",
            Self::Http => "http",
            Self::Writes => "writes",
            Self::Chats => "chats",
            Self::Replicas => "replicas",
            Self::Starts => "starts",
        }
    }
}

/// One line of the table.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figure {
    /// The row of the list of figures that it belongs to.
    pub(crate) row: &'static str,
    pub(crate) group: Group,
    /// What is measured.
    pub(crate) figure: String,
    /// What it is held against.
    pub(crate) against: String,
    pub(crate) goal: Goal,
    /// What the goal is about, one a round: most often the ratio of the two sides.
    pub(crate) outcome: Series,
    /// The two sides themselves.
    pub(crate) ours: Option<Series>,
    pub(crate) theirs: Option<Series>,
    /// What else a reader should know.
    pub(crate) notes: Vec<String>,
}

impl Figure {
    pub(crate) fn is_missed(&self) -> bool {
        self.goal.is_met(self.outcome.median()) == Some(false)
    }
}

/// The middle value, or the mean of the two in the middle; not a number where there is none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    if sorted.len() % 2 == 1 {
        at(middle)
    } else {
        f64::midpoint(at(middle.wrapping_sub(1)), at(middle))
    }
}

/// The value that `percent` of 100 values are at or below; sorts them.
pub(crate) fn percentile(values: &mut [u64], percent: usize) -> u64 {
    values.sort_unstable();
    let rank = (values.len() * percent).div_ceil(100);
    values.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

/// A count as a number to calculate with.
#[expect(
    clippy::as_conversions,
    reason = "counts and nanoseconds here stay below 2^53, where every integer is a float"
)]
pub(crate) const fn float(count: u64) -> f64 {
    count as f64
}

/// A length as a count.
pub(crate) fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// A number with about three digits that matter, thousands apart.
pub(crate) fn number(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.digits$}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let mut grouped = String::new();
    let places = whole.chars().count();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (places - index).is_multiple_of(3) && digit.is_ascii_digit() && grouped != "-" {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let fraction = fraction.trim_end_matches('0');
    if !fraction.is_empty() {
        grouped.push('.');
        grouped.push_str(fraction);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_the_middle() {
        let check = |values: &[f64], expected: f64| {
            assert!((median(values) - expected).abs() < f64::EPSILON, "{values:?}");
        };
        check(&[3.0], 3.0);
        check(&[9.0, 1.0, 3.0], 3.0);
        check(&[4.0, 1.0, 3.0, 9.0], 3.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn percentiles_are_values_that_occur() {
        let check = |count: u64, percent: usize, expected: u64| {
            let mut values: Vec<u64> = (1..=count).rev().collect();
            assert_eq!(percentile(&mut values, percent), expected, "{percent} of {count}");
        };
        check(100, 99, 99);
        check(100, 50, 50);
        check(10, 99, 10);
        check(1, 50, 1);
        check(0, 50, 0);
    }

    #[test]
    fn numbers_are_short() {
        for (value, expected) in [
            (1_234_567.4, "1,234,567"),
            (999.6, "1,000"),
            (123.4, "123"),
            (12.34, "12.3"),
            (1.3, "1.3"),
            (1.0, "1"),
            (-1_234.0, "-1,234"),
            (-123.0, "-123"),
            (0.0, "0"),
        ] {
            assert_eq!(number(value), expected);
        }
    }

    #[test]
    fn goals_are_weighed() {
        for (goal, value, verdict) in [
            (Goal::AtMost(1.3), 1.3, "met"),
            (Goal::AtMost(1.3), 1.43, "MISSED by 10.0 %"),
            (Goal::AtLeast(300.0), 450.0, "met"),
            (Goal::AtLeast(300.0), 150.0, "MISSED by 50.0 %"),
            (Goal::Exactly(1.0), 1.0, "met"),
            (Goal::Exactly(1.0), 2.0, "MISSED by 100.0 %"),
            (Goal::Exactly(0.0), 2.0, "MISSED"),
            (Goal::Reported, 7.0, "reported"),
        ] {
            assert_eq!(goal.verdict(value), verdict, "{goal} {value}");
        }
    }
}
