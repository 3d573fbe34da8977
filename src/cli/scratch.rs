//! Where temporary files go: the database that `verify` compares with, and the journal of a dry run.

use std::fs::OpenOptions;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::Context;
use super::error::CliError;
use super::exit::Exit;

/// The first directory that can be written to: the one that `TMPDIR` names, the system's own, or the journal's.
///
/// # Errors
/// If none of them can be written to.
pub(super) fn directory(context: &Context) -> Result<PathBuf, CliError> {
    let beside = context.journal.directory();
    let named = context.environment.variable("TMPDIR").map(PathBuf::from);
    let system = [PathBuf::from("/var/tmp"), PathBuf::from("/tmp")];
    let candidates: Vec<_> = named.into_iter().chain(system).chain([beside.to_owned()]).collect();
    if let Some(found) = candidates.iter().find(|path| is_writable(path)) {
        return Ok(found.clone());
    }
    let tried = candidates.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    let message = format!("there is no directory for temporary files: none of these can be written to: {tried}");
    Err(CliError::new(Exit::Environment, message).hint("set TMPDIR to a writable directory"))
}

/// Tried by creating a file: permissions alone say nothing about a read-only file system, or for a superuser.
fn is_writable(path: &Path) -> bool {
    let trial = path.join(format!(".keybatch-{}", Uuid::new_v4()));
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&trial);
    made.is_ok() && std::fs::remove_file(&trial).is_ok()
}

/// A private directory that is removed when this is dropped.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// Creates one.
    ///
    /// # Errors
    /// If there is no place for it.
    pub(super) fn create(context: &Context) -> Result<Self, CliError> {
        let path = directory(context)?.join(format!("keybatch-{}", Uuid::new_v4()));
        std::fs::DirBuilder::new().mode(0o700).create(&path).map_err(|error| {
            let message = format!("cannot create the temporary directory {}: {error}", path.display());
            CliError::new(Exit::Environment, message).hint("set TMPDIR to a writable directory")
        })?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::debug!(%error, path = %self.0.display(), "scratch directory stays");
        }
    }
}
