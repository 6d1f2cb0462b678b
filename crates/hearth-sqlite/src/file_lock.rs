//! One process a database: a lock on a file beside it. The database itself stays unlocked, so that backups and the `sqlite3` shell can
//! read it.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use crate::error::OpenError;

/// The lock, held until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct FileLock {
    _file: File,
}

impl FileLock {
    /// Takes the lock of a database, or says who is in the way.
    pub(crate) fn take(path: &Path) -> Result<Self, OpenError> {
        let lock = lock_path(path);
        let io = |source| OpenError::Lock {
            lock: lock.clone(),
            source,
        };
        // The file stays when the lock goes: deleting it would let a third process lock another file of the same name.
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock)
            .map_err(io)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse {
                path: path.to_owned(),
                lock,
            }),
            Err(TryLockError::Error(source)) => Err(io(source)),
        }
    }
}

/// `hearth.db` has `hearth.db.lock`.
fn lock_path(path: &Path) -> PathBuf {
    let mut lock = path.as_os_str().to_owned();
    lock.push(".lock");
    lock.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holds_it_and_the_next_one_can_when_it_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("hearth.db");
        let held = FileLock::take(&path).unwrap();
        let refused = FileLock::take(&path).unwrap_err();
        assert!(matches!(refused, OpenError::InUse { .. }));
        let message = refused.to_string();
        assert!(
            message.contains("hearth.db is in use") && message.contains("hearth.db.lock"),
            "{message}"
        );
        drop(held);
        FileLock::take(&path).unwrap();
    }
}
