//! Every published crate packages and builds alone, from nothing but what the package holds.

use std::process::Command;

use crate::cargo::{self, Metadata};

/// The command that packages them and builds each from its package; what is not committed yet counts as well.
pub(crate) fn command(metadata: &Metadata) -> Command {
    let mut command = cargo::command(&["package", "--locked", "--allow-dirty"]);
    for package in metadata.members().filter(|package| package.is_published()) {
        command.args(["--package", &package.name]);
    }
    command
}
