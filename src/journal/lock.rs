//! One session at a time: an operating-system lock on a file of its own, which survives nothing but the process.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::JournalError;

/// The lock of a journal; given up when dropped, or when the process ends in whatever way.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of the journal at `path`, without waiting. Never a lock on the database file itself: closing
    /// any handle of that would drop SQLite's own locks.
    ///
    /// # Errors
    /// [`JournalError::Locked`] where another session holds it.
    pub fn take(path: &Path) -> Result<Self, JournalError> {
        let lock_path = lock_path(path);
        let unusable = |error: std::io::Error| JournalError::Unusable {
            path: path.to_owned(),
            reason: format!("its lock file {} cannot be used: {error}", lock_path.display()),
        };
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent).map_err(unusable)?;
        }
        let nofollow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(nofollow);
        let file = options.open(&lock_path).map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(JournalError::Locked { path: lock_path }),
            Err(TryLockError::Error(error)) => Err(unusable(error)),
        }
    }
}

fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_session_is_kept_out_until_the_first_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal.db");
        let first = Lock::take(&path).unwrap();
        assert!(matches!(Lock::take(&path), Err(JournalError::Locked { .. })));
        drop(first);
        assert!(Lock::take(&path).is_ok());
    }

    #[test]
    fn the_directory_is_made_for_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new").join("newer").join("journal.db");
        let _lock = Lock::take(&path).unwrap();
        assert!(path.parent().is_some_and(Path::is_dir));
    }
}
