//! Files that are read and written beside the journal.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::code::Code;
use super::error::{CliError, Sent};
use super::exit::Exit;
use crate::record::plan::file::looks_like_a_plan;

/// A new file: one that replaced an older one could hide what that one said.
pub(super) fn create(path: &Path) -> Result<File, CliError> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|error| {
        let shown = path.display();
        if error.kind() == std::io::ErrorKind::AlreadyExists {
            return CliError::new(Exit::Usage, format!("{shown} already exists"))
                .code(Code::FileExists)
                .hint("name a file that does not exist yet");
        }
        CliError::new(Exit::Environment, format!("{shown} cannot be created: {error}"))
            .code(Code::Output)
            .hint("name another file with --to")
    })
}

/// The error for a file that holds only some of the rows.
pub(super) fn unwritten(path: &Path, error: &std::io::Error) -> CliError {
    let path = super::shown(&path.to_string_lossy());
    CliError::new(Exit::Environment, format!("{path} could not be written: {error}")).code(Code::Output).hint(
        "the file is incomplete: remove it, free space or name another file with --to, and run the same command again",
    )
}

/// A manifest that is read; `-` is standard input.
pub(super) fn open_manifest(path: &Path) -> Result<Box<dyn Read + Send>, CliError> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(std::io::stdin()));
    }
    let opened = File::open(path).and_then(|file| {
        if file.metadata()?.is_dir() { Err(std::io::Error::other("it is a directory")) } else { Ok(file) }
    });
    let file = opened.map_err(|error| {
        CliError::new(Exit::Refused, format!("the manifest {} cannot be read: {error}", path.display()))
            .code(Code::ManifestUnreadable)
            .sent(Sent::Nothing)
    })?;
    Ok(Box::new(file))
}

/// A file that is removed unless what was to be written to it is complete and durable.
pub(super) struct Incomplete<'a> {
    path: &'a Path,
    pub(super) file: File,
    kept: bool,
}

impl<'a> Incomplete<'a> {
    /// A new one.
    pub(super) fn create(path: &'a Path) -> Result<Self, CliError> {
        Ok(Self { path, file: create(path)?, kept: false })
    }

    /// Makes it durable, and keeps it.
    pub(super) fn keep(mut self) -> Result<(), CliError> {
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let durable = self.file.flush().and_then(|()| self.file.sync_all());
        let durable = durable.and_then(|()| File::open(directory)).and_then(|directory| directory.sync_all());
        durable.map_err(|error| unwritten(self.path, &error).sent(Sent::Reads))?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Incomplete<'_> {
    fn drop(&mut self) {
        if !self.kept
            && let Err(error) = std::fs::remove_file(self.path)
        {
            tracing::debug!(%error, path = %self.path.display(), "an incomplete plan stays");
        }
    }
}

/// A manifest or a plan that is read, and whether it is a plan: a manifest is no JSON object. Standard input is a manifest.
pub(super) fn open_manifest_or_plan(path: &Path) -> Result<(Box<dyn BufRead + Send>, bool), CliError> {
    let mut input = BufReader::new(open_manifest(path)?);
    if path.as_os_str() == "-" {
        // Its first byte may be long in coming, and nothing listens to signals yet.
        return Ok((Box::new(input), false));
    }
    let beginning = input.fill_buf().map_err(|error| {
        CliError::new(Exit::Refused, format!("{} cannot be read: {error}", path.display()))
            .code(Code::ManifestUnreadable)
            .sent(Sent::Nothing)
    })?;
    let is_plan = looks_like_a_plan(beginning);
    Ok((Box::new(input), is_plan))
}

/// A plan's file that is read.
pub(super) fn open_plan(path: &Path) -> Result<File, CliError> {
    let opened = File::open(path).and_then(|file| {
        if file.metadata()?.is_dir() { Err(std::io::Error::other("it is a directory")) } else { Ok(file) }
    });
    opened.map_err(|error| {
        let message = format!("the plan {} cannot be read: {error}", path.display());
        CliError::new(Exit::Refused, message).code(Code::PlanUnreadable).sent(Sent::Nothing)
    })
}
