//! Where PostgreSQL's programs are, and as whom they can run.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow};

/// Finds the directory with `initdb`, `pg_ctl` and `postgres`: on the `PATH`, where `pg_config` says, or the newest of
/// `/usr/lib/postgresql/*/bin`.
///
/// # Errors
///
/// What to install, where there is none.
pub fn find() -> Result<PathBuf> {
    on_path()
        .or_else(from_pg_config)
        .or_else(newest_packaged)
        .ok_or_else(|| {
            anyhow!(
                "PostgreSQL's programs (initdb, pg_ctl, postgres) were not found: install PostgreSQL 13 or newer \
                 (Debian and Ubuntu: `apt-get install postgresql`; macOS: `brew install postgresql`), \
                 or put the directory that holds them on the PATH"
            )
        })
}

fn holds_programs(directory: &Path) -> bool {
    ["initdb", "pg_ctl", "postgres"]
        .iter()
        .all(|program| directory.join(program).is_file())
}

fn on_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).find(|directory| holds_programs(directory))
}

fn from_pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let directory = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    holds_programs(&directory).then_some(directory)
}

fn newest_packaged() -> Option<PathBuf> {
    let packaged = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    packaged
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let major: u32 = entry.file_name().to_str()?.parse().ok()?;
            Some((major, entry.path().join("bin")))
        })
        .filter(|(_, directory)| holds_programs(directory))
        .max()
        .map(|(_, directory)| directory)
}

/// A user of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// Its user id.
    pub uid: u32,
    /// Its group id.
    pub gid: u32,
}

/// As whom the server must run: it refuses root, so that root's tests run it as `postgres`, or else as `nobody`.
///
/// # Errors
///
/// Where this process is root and there is neither of the two.
pub fn account() -> Result<Option<Account>> {
    if !is_root()? {
        return Ok(None);
    }
    let passwd = std::fs::read_to_string("/etc/passwd").context("failed to read /etc/passwd")?;
    ["postgres", "nobody"]
        .iter()
        .find_map(|name| account_named(&passwd, name))
        .map(Some)
        .ok_or_else(|| {
            anyhow!("PostgreSQL refuses to run as root, and there is no user `postgres` or `nobody`")
        })
}

/// Whether this process runs as root.
///
/// # Errors
///
/// Where `id` cannot be asked.
pub fn is_root() -> Result<bool> {
    let output = Command::new("id")
        .arg("-u")
        .output()
        .context("failed to run `id -u`")?;
    Ok(output.stdout.trim_ascii() == b"0")
}

fn account_named(passwd: &str, name: &str) -> Option<Account> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? != name {
            return None;
        }
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(Account { uid, gid })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_read_from_the_list_of_users() {
        let passwd =
            "root:x:0:0:root:/root:/bin/bash\npostgres:x:101:104:PostgreSQL:/var/lib/postgresql:/bin/bash\n";
        assert_eq!(
            account_named(passwd, "postgres"),
            Some(Account { uid: 101, gid: 104 })
        );
        assert_eq!(account_named(passwd, "nobody"), None);
    }
}
