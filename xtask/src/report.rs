//! What a person sees of a task: its progress on standard error, its answer on standard output.

/// A line of progress.
#[expect(clippy::print_stderr, reason = "a task tells a person what it does")]
pub(crate) fn progress(line: impl std::fmt::Display) {
    eprintln!("xtask: {line}");
}

/// The line that was asked for, fit to be read by another program.
#[expect(clippy::print_stdout, reason = "a task's answer goes where answers go")]
pub(crate) fn answer(line: impl std::fmt::Display) {
    println!("{line}");
}
