//! Sources of settings for one test.

use std::fs;
use std::path::PathBuf;

use hearth_api::commands::config_print;
use hearth_api::settings::{Loaded, Sources, load};
use tempfile::TempDir;

/// A folder of settings, an environment and a command line.
pub(crate) struct Setup {
    dir: TempDir,
    pub(crate) sources: Sources,
}

impl Setup {
    /// An empty folder and nothing else.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let sources = Sources {
            dir: Some(dir.path().to_owned()),
            ..Sources::default()
        };
        Self { dir, sources }
    }

    /// Where a file of the folder is.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A file in the folder.
    pub(crate) fn file(self, name: &str, text: &str) -> Self {
        fs::write(self.path(name), text).unwrap();
        self
    }

    /// A variable in the environment.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.sources.environment.push((name.into(), value.into()));
        self
    }

    /// A `--set` on the command line.
    pub(crate) fn set(mut self, argument: &str) -> Self {
        self.sources.overrides.push(argument.to_owned());
        self
    }

    /// The store's URL comes from a file that holds `text`.
    pub(crate) fn url_file(self, text: &str) -> Self {
        let path = self.path("url");
        self.file("url", text)
            .set(&format!("store.url_file={}", path.display()))
    }

    /// The settings, which must be fit.
    pub(crate) fn load(&self) -> Loaded {
        load(&self.sources).unwrap()
    }

    /// What is wrong with the settings, with the folder's name taken out.
    pub(crate) fn problems(&self) -> Vec<String> {
        let refused = load(&self.sources).unwrap_err();
        let dir = format!("{}/", self.dir.path().display());
        let problems = refused.problems().iter();
        problems
            .map(|problem| problem.to_string().replace(&dir, ""))
            .collect()
    }
}

/// What `hearth config print` writes.
pub(crate) fn print(loaded: &Loaded) -> String {
    let mut out = Vec::new();
    config_print::run(loaded, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}
