//! `hearth config print`: the settings as they are, and where each came from.

use std::io::{self, Write};

use crate::settings::Loaded;

/// Writes the settings as TOML that a file of settings takes back, each with a comment that names its source. A password is
/// written as `***`, which a start refuses rather than tries.
///
/// # Errors
///
/// Whatever `out` fails with.
pub fn run(loaded: &Loaded, out: &mut impl Write) -> io::Result<()> {
    let mut current = None;
    for entry in loaded.entries() {
        if current != Some(entry.section) {
            let gap = if current.is_some() { "\n" } else { "" };
            writeln!(out, "{gap}[{}]", entry.section)?;
            current = Some(entry.section);
        }
        let (mark, origin) = if entry.in_use {
            ("", entry.origin.to_string())
        } else {
            ("# ", "read from url_file".to_owned())
        };
        writeln!(out, "{mark}{} = {} # {origin}", entry.key, entry.value)?;
    }
    out.flush()
}
