//! One session at a time: an operating-system lock on a file of its own, which survives nothing but the process.
//!
//! What the file says about its holder is only for people: it remains after the process is gone. The lock itself decides.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::JournalError;
use super::holder::Holder;

/// How much of the text about a holder is read at most.
const MAX_HOLDER_BYTES: u64 = 4096;

/// The lock of a journal. It is released when dropped, or when the process ends in any way.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock of the journal at `path`, without waiting. Never a lock on the database file itself: closing
    /// any handle of that would drop SQLite's own locks.
    ///
    /// # Errors
    /// [`JournalError::Locked`] if another session holds it.
    pub fn take(path: &Path) -> Result<Self, JournalError> {
        let lock_path = lock_path(path);
        let unusable = |error: io::Error| JournalError::Unusable {
            path: path.to_owned(),
            reason: format!("its lock file {} cannot be used: {error}", lock_path.display()),
        };
        // A session needs a file; a lock beside a directory would be left there for nothing.
        if path.is_dir() {
            return Err(JournalError::Unusable { path: path.to_owned(), reason: "it is a directory".into() });
        }
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent).map_err(unusable)?;
        }
        let nofollow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(nofollow);
        let file = options.open(&lock_path).map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { file }),
            Err(TryLockError::WouldBlock) => Err(JournalError::Locked { path: lock_path, holder: holder(&file) }),
            Err(TryLockError::Error(error)) => Err(unusable(error)),
        }
    }

    /// Writes to the file who holds the lock. This only informs people: if it fails, the lock holds nevertheless.
    pub fn sign(&mut self, holder: &Holder) {
        let text = serde_json::to_string(holder).unwrap_or_default();
        let signed = self.file.set_len(0).and_then(|()| writeln!(self.file, "{text}"));
        if let Err(error) = signed {
            tracing::debug!(%error, "the lock file does not say who holds it");
        }
    }

    /// What the lock file of the journal at `path` says of the session that has the lock, or had it last.
    #[must_use]
    pub fn last_holder(path: &Path) -> Option<Box<Holder>> {
        holder(&File::open(lock_path(path)).ok()?)
    }

    /// Whether a session is using the journal at `path` at this moment; `None` if that cannot be determined.
    #[must_use]
    pub fn is_held(path: &Path) -> Option<bool> {
        let file = match File::open(lock_path(path)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Some(false),
            Err(_) => return None,
        };
        // Released at once; a session that begins at this moment tries again.
        match file.try_lock_shared() {
            Ok(()) => Some(false),
            Err(TryLockError::WouldBlock) => Some(true),
            Err(TryLockError::Error(_)) => None,
        }
    }
}

fn holder(file: &File) -> Option<Box<Holder>> {
    let mut text = String::new();
    file.take(MAX_HOLDER_BYTES).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
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
        assert_eq!(Lock::is_held(&path), Some(false));
        let first = Lock::take(&path).unwrap();
        assert_eq!(Lock::is_held(&path), Some(true));
        assert!(matches!(Lock::take(&path), Err(JournalError::Locked { .. })));
        drop(first);
        assert_eq!(Lock::is_held(&path), Some(false));
        assert!(Lock::take(&path).is_ok());
    }

    #[test]
    fn whoever_is_kept_out_learns_by_whom() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal.db");
        let since = "2026-11-29T00:00:00Z".to_owned();
        let holder = Holder { command: "run".into(), pid: 7, host: "web1".into(), since };
        let mut first = Lock::take(&path).unwrap();
        assert!(matches!(Lock::take(&path), Err(JournalError::Locked { holder: None, .. })));
        first.sign(&Holder { host: "a".repeat(100), ..holder.clone() });
        drop(first);
        let mut second = Lock::take(&path).unwrap();
        second.sign(&holder);
        let Err(JournalError::Locked { holder: Some(found), .. }) = Lock::take(&path) else { panic!("not kept out") };
        assert_eq!(*found, holder);
    }

    #[test]
    fn the_directory_is_made_for_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new").join("newer").join("journal.db");
        let _lock = Lock::take(&path).unwrap();
        assert!(path.parent().is_some_and(Path::is_dir));
    }
}
