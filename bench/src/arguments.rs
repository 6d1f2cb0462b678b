//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use serde::Serialize;

/// Measures Hearth's figures, each against something measured in the same run, and prints one table of them.
#[derive(Debug, Clone, Parser, Serialize)]
pub(crate) struct Arguments {
    /// The rows to measure, separated by commas; all of them where none is named
    #[arg(long, value_delimiter = ',')]
    pub(crate) rows: Vec<String>,
    /// How often each side of a row is measured; figures that count need five or more
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// How long one side of a round is under load, where it is time that bounds it
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seconds: u64,
    /// Divides the sizes of all data, to try the benchmark itself; figures that count need 1
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) scale_down: u64,
    /// Real dialogues as JSON Lines; else those of ../shared/data beside the checkout, else the sample of hearth-testkit
    #[arg(long)]
    pub(crate) dialogues: Option<PathBuf>,
    /// The folder for the JSON and the plots, instead of bench/results
    #[arg(long)]
    pub(crate) results: Option<PathBuf>,
    /// Serve the answer in this file to every request, and measure nothing: what rows start as their other side
    #[arg(long, hide = true)]
    #[serde(skip)]
    pub(crate) canned: Option<PathBuf>,
}

impl Default for Arguments {
    fn default() -> Self {
        Self::parse_from(["hearth-bench"])
    }
}

impl Arguments {
    /// How long one side of a round is under load.
    pub(crate) const fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// Whether a row is to be measured.
    pub(crate) fn ask_for(&self, row: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|asked| asked == row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_chosen_by_name() {
        let some = Arguments::parse_from(["hearth-bench", "--rows", "3,5b", "--rounds", "7"]);
        assert!(some.ask_for("3") && some.ask_for("5b") && !some.ask_for("5"));
        assert_eq!((some.rounds, some.scale_down), (7, 1));
        assert!(Arguments::default().ask_for("11"));
        assert!(Arguments::try_parse_from(["hearth-bench", "--rounds", "0"]).is_err());
    }
}
