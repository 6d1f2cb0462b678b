//! Every published crate packages and builds alone, from nothing but what the package holds.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::cargo::{self, Metadata};
use crate::child;

/// The command that packages them and builds each from its package; what is not committed yet counts as well.
///
/// # Errors
///
/// Where what cargo unpacked before cannot be removed.
pub(crate) fn command(metadata: &Metadata) -> Result<Command> {
    if let Some(home) = cargo_home()
        && forget_unpacked(metadata, &home.join("registry/src"))?
    {
        let ended = child::run(&mut of_each(metadata, cargo::command(&["clean"])))?;
        ensure!(
            ended.is_success(),
            "failed to remove what was built of earlier packages"
        );
    }
    Ok(of_each(
        metadata,
        cargo::command(&["package", "--locked", "--allow-dirty"]),
    ))
}

fn of_each(metadata: &Metadata, mut command: Command) -> Command {
    for package in metadata.members().filter(|package| package.is_published()) {
        command.args(["--package", &package.name]);
    }
    command
}

/// Removes the packages that cargo unpacked when it last did this, and says whether there were any. Cargo keeps them, and what it built
/// of them, by name and version alone: it would build one crate against what the crate below it was then.
fn forget_unpacked(metadata: &Metadata, sources: &Path) -> Result<bool> {
    let mut found = false;
    for registry in folders_of_local_registries(sources).unwrap_or_default() {
        for package in metadata.members() {
            let unpacked = registry.join(format!("{}-{}", package.name, package.version));
            match fs::remove_dir_all(&unpacked) {
                Ok(()) => found = true,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("failed to remove {}", unpacked.display()));
                }
            }
        }
    }
    Ok(found)
}

/// Registries that are folders have no host in their name.
fn folders_of_local_registries(sources: &Path) -> io::Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(sources)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with('-') {
            folders.push(entry.path());
        }
    }
    Ok(folders)
}

fn cargo_home() -> Option<PathBuf> {
    let named = env::var_os("CARGO_HOME").map(PathBuf::from);
    named.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")))
}
