//! Where settings come from, as parameters: the process's own environment and arguments are read in `main` alone.

use std::ffi::OsString;
use std::path::PathBuf;

/// The folder that is read where none is named.
pub(super) const DEFAULT_DIR: &str = "config";

/// The variable that names the profile.
pub(super) const PROFILE_VARIABLE: &str = "HEARTH_PROFILE";

/// What every variable that sets a key begins with.
pub(super) const VARIABLE_PREFIX: &str = "HEARTH__";

/// What the settings are made of, beside the built-in defaults. The empty one gives these defaults and whatever the folder
/// `config` of the working directory holds.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The folder of `default.toml`, `<profile>.toml` and `local.toml`, which must exist; `None` reads `config` where there
    /// is one.
    pub dir: Option<PathBuf>,
    /// The whole environment, as `std::env::vars_os()` yields it: `HEARTH_PROFILE` names the profile, and what begins with
    /// `HEARTH__` sets a key. An empty value counts as not set.
    pub environment: Vec<(OsString, OsString)>,
    /// What `--set` was given: `section.key=value` each, the last one winning.
    pub overrides: Vec<String>,
}

impl Sources {
    /// The profile that the environment names, if any.
    pub(super) fn profile(&self) -> Option<&OsString> {
        self.environment
            .iter()
            .find(|(name, value)| name == PROFILE_VARIABLE && !value.is_empty())
            .map(|(_, value)| value)
    }

    /// The folder to read.
    pub(super) fn dir(&self) -> PathBuf {
        self.dir.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_DIR))
    }
}
