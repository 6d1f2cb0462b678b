//! Installing PostgreSQL where it is missing.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::programs;

const CREATE_CLUSTER: &str = "/etc/postgresql-common/createcluster.conf";

/// Installs PostgreSQL's programs with `apt-get` where they are missing and this process is root.
///
/// The package is told first not to create a cluster of its own: tests start theirs, and no service is left behind.
///
/// # Errors
///
/// What a person has to install, where this cannot do it.
pub fn install() -> Result<()> {
    let Err(missing) = programs::find() else {
        return Ok(());
    };
    if !programs::is_root()? || !Path::new("/usr/bin/apt-get").exists() {
        bail!(missing);
    }
    if !Path::new(CREATE_CLUSTER).exists() {
        std::fs::create_dir_all("/etc/postgresql-common")
            .and_then(|()| std::fs::write(CREATE_CLUSTER, "create_main_cluster = false\n"))
            .with_context(|| format!("failed to write {CREATE_CLUSTER}"))?;
    }
    let package = ["install", "-y", "--no-install-recommends", "postgresql"];
    if apt_get(&package).is_err() {
        apt_get(&["update"])?;
        apt_get(&package)?;
    }
    programs::find().map(drop)
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let status = Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .status()
        .context("failed to run apt-get")?;
    ensure!(
        status.success(),
        "apt-get {} failed: {status}",
        arguments.join(" ")
    );
    Ok(())
}
