//! Cargo's commands and what it knows of the workspace.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// The cargo that runs this task, so that its toolchain is used throughout.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(arguments);
    command
}

/// What `cargo metadata` says, as far as it is used here.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    /// Every package of the lock file.
    pub(crate) packages: Vec<Package>,
    /// The ids of our own.
    workspace_members: Vec<String>,
    /// Where cargo builds.
    pub(crate) target_directory: PathBuf,
}

/// One package.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    id: String,
    /// Its name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// Its licence as an SPDX expression.
    pub(crate) license: Option<String>,
    /// Its manifest.
    pub(crate) manifest_path: PathBuf,
    /// The registries that it may be published to; none at all where the list is empty.
    publish: Option<Vec<String>>,
    /// What its manifest depends on.
    pub(crate) dependencies: Vec<Dependency>,
}

/// One line of a manifest's dependencies.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Dependency {
    /// The package's name.
    pub(crate) name: String,
    /// The name that the code knows it by, where that is another.
    pub(crate) rename: Option<String>,
    /// What it is needed for.
    #[serde(default, deserialize_with = "kind")]
    pub(crate) kind: Kind,
}

/// What a dependency is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// The product.
    #[default]
    Normal,
    /// The build script.
    Build,
    /// Tests, examples and benchmarks.
    Dev,
}

/// Cargo writes the normal kind as null.
fn kind<'de, D: serde::Deserializer<'de>>(source: D) -> Result<Kind, D::Error> {
    Option::<Kind>::deserialize(source).map(Option::unwrap_or_default)
}

impl Metadata {
    /// Asks cargo; refuses a lock file that does not fit the manifests.
    pub(crate) fn read() -> Result<Self> {
        let output = command(&["metadata", "--format-version", "1", "--locked"])
            .stderr(std::process::Stdio::inherit())
            .output()
            .context("failed to run cargo metadata")?;
        ensure!(
            output.status.success(),
            "cargo metadata failed: {}",
            output.status
        );
        serde_json::from_slice(&output.stdout).context("failed to read what cargo metadata says")
    }

    /// Our own packages.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages
            .iter()
            .filter(|package| self.workspace_members.contains(&package.id))
    }
}

impl Package {
    /// Whether it is meant for a registry.
    pub(crate) fn is_published(&self) -> bool {
        self.publish
            .as_ref()
            .is_none_or(|registries| !registries.is_empty())
    }
}

impl Dependency {
    /// The name that the code knows it by.
    pub(crate) fn identifier(&self) -> String {
        self.rename.as_ref().unwrap_or(&self.name).replace('-', "_")
    }
}
