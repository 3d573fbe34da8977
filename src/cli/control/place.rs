//! Where the control sockets of sessions are: in a directory that only their user can open.

use std::fs::{DirBuilder, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use crate::cli::Environment;
use crate::domain::{RunId, sha256};
use crate::journal::Location;

/// The longest path of a socket, in bytes; the kernel has room for one more, which ends it.
const LONGEST: usize = 107;

/// This process's user.
pub(super) fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Whether a process of the user `peer` may control, or be controlled by, one of `own`.
pub(super) fn may_control(peer: u32, own: u32) -> bool {
    peer == own || peer == 0
}

/// The directory of the sockets, and what is wrong with the place for it.
pub(super) fn directory(environment: &Environment) -> Result<PathBuf, String> {
    let runtime = environment.variable("XDG_RUNTIME_DIR").ok_or("XDG_RUNTIME_DIR is not set")?;
    let path = Path::new(runtime);
    if !path.is_absolute() {
        return Err(format!("XDG_RUNTIME_DIR is not an absolute path: {runtime}"));
    }
    let about =
        path.metadata().map_err(|error| format!("XDG_RUNTIME_DIR names {runtime}, which is unusable: {error}"))?;
    // Root controls the sessions of others, in their directories.
    check(runtime, &about, |owner| own_uid() == 0 || owner == own_uid(), 0o022)?;
    Ok(path.join("keybatch"))
}

/// Makes the directory if it is not there, for this user alone.
pub(super) fn prepare(directory: &Path) -> Result<(), String> {
    let named = directory.display();
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(format!("the directory {named} cannot be made: {error}"));
        }
        _ => {}
    }
    let about = directory.symlink_metadata().map_err(|error| format!("the directory {named} is unusable: {error}"))?;
    check(&named.to_string(), &about, |owner| owner == own_uid(), 0o077)
}

fn check(named: &str, about: &Metadata, is_owner: impl Fn(u32) -> bool, others: u32) -> Result<(), String> {
    if !about.is_dir() {
        return Err(format!("{named} is not a directory"));
    }
    if !is_owner(about.uid()) {
        return Err(format!("{named} belongs to another user (uid {})", about.uid()));
    }
    if about.mode() & others != 0 {
        return Err(format!("other users may use {named} (mode {:o})", about.mode() & 0o777));
    }
    Ok(())
}

/// The journal by the one name that it has: of a file, that of the file system.
pub(super) fn real(journal: &Location) -> String {
    let real = journal.file().and_then(|path| path.canonicalize().ok());
    real.map_or_else(|| journal.to_string(), |path| path.display().to_string())
}

/// The socket of the session that executes this run of this journal. Copies of a journal have the same runs.
pub(super) fn socket(directory: &Path, journal: &Location, run: RunId) -> Result<PathBuf, String> {
    let hash = sha256(format!("{run}\n{}", real(journal)).as_bytes());
    let path = directory.join(format!("{}.sock", &hash[..32]));
    if path.as_os_str().len() > LONGEST {
        return Err(format!("{} is too long a path for a socket", path.display()));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn only_the_same_user_and_root_may_control_a_session() {
        assert!(may_control(1000, 1000) && may_control(0, 1000) && may_control(0, 0));
        assert!(!may_control(1001, 1000) && !may_control(1000, 0) && !may_control(u32::MAX, 1000));
    }

    #[test]
    fn the_directory_is_one_that_only_its_user_can_open() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("keybatch");
        prepare(&directory).unwrap();
        prepare(&directory).unwrap();
        assert_eq!(directory.metadata().unwrap().mode() & 0o777, 0o700);
        fs::set_permissions(&directory, Permissions::from_mode(0o750)).unwrap();
        assert!(prepare(&directory).unwrap_err().contains("other users may use"));
        fs::remove_dir(&directory).unwrap();
        std::os::unix::fs::symlink(root.path(), &directory).unwrap();
        assert!(prepare(&directory).unwrap_err().contains("not a directory"));
        fs::remove_file(&directory).unwrap();
        fs::write(&directory, "").unwrap();
        assert!(prepare(&directory).unwrap_err().contains("not a directory"));
    }

    #[test]
    fn a_place_that_is_missing_or_of_others_is_none() {
        assert!(directory(&Environment::default()).unwrap_err().contains("not set"));
    }

    #[test]
    fn each_journal_and_run_has_a_socket_of_its_own() {
        let root = tempfile::tempdir().unwrap();
        let journals = ["one.db", "other.db"].map(|name| root.path().join(name));
        journals.iter().for_each(|journal| fs::write(journal, "").unwrap());
        let link = root.path().join("link.db");
        std::os::unix::fs::symlink(&journals[0], &link).unwrap();
        let runs = [1, 2].map(|number| RunId(uuid::Uuid::from_u128(number)));
        let of = |journal: &Path, run| socket(Path::new("/run/user/1000/keybatch"), &journal.into(), run).unwrap();
        assert_eq!(of(&journals[0], runs[0]), of(&link, runs[0]));
        assert_ne!(of(&journals[0], runs[0]), of(&journals[1], runs[0]));
        assert_ne!(of(&journals[0], runs[0]), of(&journals[0], runs[1]));
        assert!(
            socket(&root.path().join("d".repeat(90)), &Location::from(&link), runs[0])
                .unwrap_err()
                .contains("too long")
        );
    }
}
