//! What the figures were measured on.

use std::fs;
use std::process::Command;

use serde::Serialize;

/// The machine and the code, as far as they matter to whoever reads the figures later.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) processor: String,
    pub(crate) memory_mb: u64,
    pub(crate) kernel: String,
    /// Where a row asked it.
    pub(crate) postgres: Option<String>,
    /// The commit that was checked out, with a plus sign where files differed from it.
    pub(crate) commit: String,
}

impl Machine {
    pub(crate) fn read(postgres: Option<String>) -> Self {
        let file = |path: &str| fs::read_to_string(path).unwrap_or_default();
        Self {
            cores: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
            processor: field(&file("/proc/cpuinfo"), "model name").unwrap_or_default(),
            memory_mb: field(&file("/proc/meminfo"), "MemTotal")
                .and_then(|amount| kibibytes(&amount))
                .map_or(0, |kibibytes| kibibytes / 1_024),
            kernel: file("/proc/sys/kernel/osrelease").trim().to_owned(),
            postgres,
            commit: commit(),
        }
    }
}

/// The resident memory of a process in bytes, where the system tells.
pub(crate) fn resident_bytes(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    Some(kibibytes(&field(&status, "VmRSS")?)? * 1_024)
}

/// The value of a line `name : value`.
fn field(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    })
}

fn kibibytes(amount: &str) -> Option<u64> {
    amount.strip_suffix("kB")?.trim().parse().ok()
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .args(arguments)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else {
        return "unknown".to_owned();
    };
    let changed =
        git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|files| !files.is_empty());
    if changed { format!("{commit}+") } else { commit }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let text = "MemTotalled:  1 kB\nMemTotal:       24683520 kB\nmodel name\t: Some processor\n";
        assert_eq!(
            field(text, "MemTotal").and_then(|value| kibibytes(&value)),
            Some(24_683_520)
        );
        assert_eq!(field(text, "model name").as_deref(), Some("Some processor"));
        assert_eq!(field(text, "Mem"), None);
    }

    #[test]
    fn this_process_takes_memory() {
        assert!(resident_bytes(std::process::id()).unwrap() > 100_000);
    }
}
