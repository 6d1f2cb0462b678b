//! What a run says while it goes on, on standard error: the table alone is its answer.

use std::fmt::Display;
use std::io::Write;

/// One line for whoever waits.
pub(crate) fn say(line: impl Display) {
    // Nobody may be listening; the measurement goes on.
    let _written = writeln!(std::io::stderr(), "hearth-bench: {line}");
}
