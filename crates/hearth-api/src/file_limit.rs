//! How many files the process may have open: each connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files beside the connections of callers: the store's, the log's, the model's.
const OTHERS: u64 = 512;

/// Raises the soft limit as far as `connections` need it and the hard limit lets it; shells often start programs with 1,024. A process-wide
/// effect, so it is for a program's own start.
pub fn raise_file_limit(connections: usize) {
    let needed = u64::try_from(connections)
        .unwrap_or(u64::MAX)
        .saturating_add(OTHERS);
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return;
    }
    let raised = limit.maximum.map_or(needed, |maximum| maximum.min(needed));
    let set = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(raised),
            maximum: limit.maximum,
        },
    );
    if set.is_err() || raised < needed {
        tracing::warn!(
            connections,
            files = getrlimit(Resource::Nofile).current,
            "limits.connections is more than the system lets this process open; raise the limit of open files (ulimit -n)"
        );
    }
}
