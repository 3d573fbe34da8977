//! A file that gets its name only once it is whole and durable. Until then it is called `.NAME-UUID.unfinished`.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::new_file::{put, sync_directory};

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
    pub(super) fn beside(to: &Path) -> io::Result<Self> {
        let name = to.file_name().ok_or_else(|| io::Error::other("it names no file"))?.to_string_lossy();
        let path = directory(to).join(format!(".{name}-{}.unfinished", uuid::Uuid::new_v4()));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self { path, file, kept: false })
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

/// The directory of a file.
pub(super) fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
