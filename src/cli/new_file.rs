//! Files that are written once and never changed: plans, approvals, signatures, checkpoints, exports.
//!
//! Each gets its name only once it is whole and durable. Until then it is called `.NAME-UUID.unfinished`.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::{CliError, Code, Exit, shown};

/// How many characters of its name an unfinished file is named by.
const NAMED_BY: usize = 40;

/// Writes a file that must not exist yet, for this user alone. It appears whole, and is durable when this returns.
///
/// # Errors
/// `AlreadyExists` where it exists; it is then as it was.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut unfinished = Unfinished::beside(path)?;
    unfinished.file.write_all(bytes)?;
    unfinished.keep(path)
}

/// Refuses a name that is taken, before anything is read for what it would get.
///
/// # Errors
/// If it is.
pub(super) fn refuse_existing(path: &Path) -> Result<(), CliError> {
    match path.symlink_metadata() {
        Ok(_) => Err(unwritten(path, &io::ErrorKind::AlreadyExists.into())),
        Err(_) => Ok(()),
    }
}

/// The error for such a file that could not be written.
pub(super) fn unwritten(path: &Path, error: &io::Error) -> CliError {
    let named = shown(&path.to_string_lossy());
    if error.kind() == io::ErrorKind::AlreadyExists {
        return CliError::new(Exit::Usage, format!("{named} already exists"))
            .code(Code::FileExists)
            .hint("name a file that does not exist yet");
    }
    CliError::new(Exit::Environment, format!("{named} could not be written: {error}"))
        .code(Code::Output)
        .hint("no file was left; free space or name another file, and run the same command again")
}

/// A file that is being written; it is removed unless it is kept.
pub(super) struct Unfinished {
    /// Where it is until it has its name.
    pub(super) path: PathBuf,
    /// The file, open to be written.
    pub(super) file: File,
    kept: bool,
}

impl Unfinished {
    /// An empty one beside `to`, for this user alone.
    ///
    /// # Errors
    /// If `to` names no file, or there can be none in its directory.
    pub(super) fn beside(to: &Path) -> io::Result<Self> {
        let name = to.file_name().ok_or_else(|| io::Error::other("it names no file"))?.to_string_lossy();
        // Shortened, so that a name as long as file systems take leaves room for the rest: 255 bytes.
        let name: String = name.chars().take(NAMED_BY).collect();
        let path = directory(to).join(format!(".{name}-{}.unfinished", uuid::Uuid::new_v4()));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self { path, file, kept: false })
    }

    /// A file that is there already, under a name that nobody else uses; it is removed unless it gets its name back.
    ///
    /// # Errors
    /// If it cannot be renamed.
    pub(super) fn taken(path: &Path) -> io::Result<Self> {
        let unfinished = Self::beside(path)?;
        // The empty file was there for its name alone.
        std::fs::rename(path, &unfinished.path)?;
        Ok(unfinished)
    }

    /// From now on, nobody may write to it who does not change its mode first.
    pub(super) fn seal(&self) -> io::Result<()> {
        self.file.set_permissions(Permissions::from_mode(0o400))
    }

    /// Makes it durable, and gives it the name `to`.
    ///
    /// # Errors
    /// `AlreadyExists` if that name is taken; it is then as it was.
    pub(super) fn keep(mut self, to: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        put(&self.path, to)?;
        self.kept = true;
        sync_directory(directory(to))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.kept
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::debug!(%error, path = %self.path.display(), "an unfinished file stays");
        }
    }
}

/// The name with more at its end.
pub(super) fn with_more(path: &Path, more: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(more);
    name.into()
}

/// The directory of a file.
pub(super) fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the names in a directory durable.
fn sync_directory(directory: &Path) -> io::Result<()> {
    match File::open(directory).and_then(|directory| directory.sync_all()) {
        // A directory that may only be written to, or a file system without this: the file itself is synchronised.
        Err(error) if !matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput) => {
            Err(error)
        }
        _ => Ok(()),
    }
}

/// Gives the file its name, unless that is taken.
fn put(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        // A file system that cannot do that can mostly do this, which never replaces anything either.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            std::fs::hard_link(from, to)?;
            std::fs::remove_file(from)
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_is_written_once_and_nothing_stays_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("plan.alice.sig");
        write_new(&path, b"one").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let again = write_new(&path, b"two").unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        // Nor is what a link leads to replaced.
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(write_new(&link, b"three").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        assert!(write_new(&directory.path().join("no/such"), b"x").is_err());
        assert!(write_new(Path::new("/"), b"x").is_err());
        // As long as file systems take, in letters of three bytes, too.
        write_new(&directory.path().join("x".repeat(255)), b"long").unwrap();
        write_new(&directory.path().join("\u{9375}".repeat(85)), b"long").unwrap();
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 4);
    }
}
