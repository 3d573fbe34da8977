//! Where a journal lies: the file itself, created privately; its write-ahead log; its directories; and the file system, which
//! must be a local one.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::journal::JournalError;

/// Creates an empty file that only its owner can read, without following a link. SQLite gives the files beside it
/// the same mode, so the journal must have it first. Returns whether the journal is new.
pub(super) fn create_private(path: &Path) -> Result<bool, JournalError> {
    let unusable = |error: io::Error| JournalError::Unusable {
        path: path.to_owned(),
        reason: format!("it cannot be created: {error}"),
    };
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty())
        && !parent.exists()
    {
        fs::create_dir_all(parent).map_err(unusable)?;
    }
    let nofollow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    match OpenOptions::new().write(true).create_new(true).mode(0o600).custom_flags(nofollow).open(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            refuse_special(path, &fs::symlink_metadata(path).map_err(unusable)?)?;
            let opened = OpenOptions::new().read(true).write(true).custom_flags(nofollow).open(path);
            let file = opened.map_err(|error| JournalError::Unusable {
                path: path.to_owned(),
                reason: format!("it cannot be opened for writing: {error}"),
            })?;
            // A crash right after the creation leaves an empty file.
            let empty = file.metadata().map_err(unusable)?.len() == 0;
            if empty {
                file.set_permissions(fs::Permissions::from_mode(0o600)).map_err(unusable)?;
            }
            Ok(empty)
        }
        Err(error) => Err(unusable(error)),
    }
}

/// A pipe, a device or a directory is not a journal; opening a pipe can block for ever. SQLite treats a file of a single byte
/// as empty.
pub(super) fn refuse_special(path: &Path, metadata: &fs::Metadata) -> Result<(), JournalError> {
    let kind = metadata.file_type();
    let reason = if kind.is_dir() {
        "it is a directory"
    } else if kind.is_symlink() {
        "it is a symbolic link, which is not followed"
    } else if !kind.is_file() {
        "it is not a regular file"
    } else if metadata.len() == 1 {
        let reason = "file is not a database".to_owned();
        return Err(JournalError::Broken { path: path.to_owned(), reason, may_be_the_disk: false });
    } else {
        return Ok(());
    };
    Err(JournalError::Unusable { path: path.to_owned(), reason: reason.into() })
}

/// Makes the directory entry of a new journal durable, and those of the directories above it. They may have been created for
/// the journal, and without them it would be lost, too.
pub(super) fn sync_directories(path: &Path) -> Result<(), JournalError> {
    let unusable = |error: io::Error| JournalError::Unusable {
        path: path.to_owned(),
        reason: format!("its directory cannot be synchronised: {error}"),
    };
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let parent = parent.canonicalize().map_err(unusable)?;
    let sync = |directory: &Path| File::open(directory).and_then(|directory| directory.sync_all());
    sync(&parent).map_err(unusable)?;
    let device = |directory: &Path| directory.metadata().map(|metadata| metadata.dev()).ok();
    // A directory is created on the file system of its parent.
    for above in parent.ancestors().skip(1).take_while(|above| device(above) == device(&parent)) {
        match sync(above) {
            // A directory that we may not read was not created here, and neither was anything above it.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => break,
            synced => synced.map_err(unusable)?,
        }
    }
    Ok(())
}

/// WAL mode needs shared memory and locks, which network and shared file systems do not provide.
pub(super) fn refuse_shared_file_system(path: &Path) -> Result<(), JournalError> {
    let Some(name) = shared_file_system(path) else { return Ok(()) };
    Err(JournalError::Unusable {
        path: path.to_owned(),
        reason: format!("it is on {name}, where SQLite's write-ahead log is not safe; use a local disk"),
    })
}

/// The name of the network or shared file system that holds `path`, or the directory in which it would be created. None for a
/// local disk, and for an unknown file system, where the journal is tried.
#[must_use]
pub fn shared_file_system(path: &Path) -> Option<&'static str> {
    let existing = path.ancestors().find(|ancestor| ancestor.exists());
    let stat = rustix::fs::statfs(existing.unwrap_or(Path::new("."))).ok()?;
    #[expect(clippy::cast_sign_loss, reason = "the kernel's type is signed on some machines, the constants are not")]
    let kind = (stat.f_type as u64) & 0xFFFF_FFFF;
    SHARED.iter().find(|(magic, _)| *magic == kind).map(|(_, name)| *name)
}

/// `f_type` of statfs(2) for file systems that several machines, or a machine and its guests, may write to: one kernel does not
/// see the locks or shared memory of another. FUSE stands for whatever the program behind it does, and includes virtiofs.
const SHARED: [(u64, &str); 23] = [
    (0x6969, "NFS"),
    (0x517B, "SMB"),
    (0xFE53_4D42, "SMB"),
    (0xFF53_4D42, "CIFS"),
    (0x564C, "NCP"),
    (0x0102_1997, "9P"),
    (0x5346_414F, "AFS"),
    (0x6B41_4653, "AFS"),
    (0x7375_7245, "Coda"),
    (0x00C3_6400, "Ceph"),
    (0x0BD0_0BD0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x0116_1970, "GFS2"),
    (0x7461_636F, "OCFS2"),
    (0xAAD7_AAEA, "PanFS"),
    (0x1983_0326, "BeeGFS"),
    (0x2003_0528, "OrangeFS"),
    (0x0131_11A8, "IBRIX"),
    (0xBEEF_DEAD, "StorNext"),
    (0x6573_5546, "FUSE or virtiofs"),
    (0x786F_4256, "a VirtualBox shared folder"),
    (0xBACB_ACBC, "a VMware shared folder"),
    (0x7C7C_6673, "a Parallels shared folder"),
];

/// The write-ahead log of the journal at `path`, if it holds anything: then the file alone is not the whole journal. An empty
/// log does not matter to a copy.
#[must_use]
pub fn log_in_use(path: &Path) -> Option<PathBuf> {
    let log = wal_path(path);
    fs::metadata(&log).is_ok_and(|metadata| metadata.len() > 0).then_some(log)
}

/// Whether files can be created beside `path`.
pub(super) fn is_writable(path: &Path) -> bool {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    rustix::fs::access(directory, rustix::fs::Access::WRITE_OK).is_ok()
}

/// The path of the write-ahead log beside a database.
pub(super) fn wal_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// virtiofs, FUSE, VirtualBox, OCFS2 and GFS2 counted as local disks (numbers: Linux, `magic.h` and the drivers).
    #[test]
    fn a_disk_that_others_may_write_to_is_not_local() {
        let name = |kind| SHARED.iter().find(|(magic, _)| *magic == kind).map(|(_, name)| *name);
        for (kind, expected) in [
            (0x6573_5546, Some("FUSE or virtiofs")),
            (0x786F_4256, Some("a VirtualBox shared folder")),
            (0x7461_636F, Some("OCFS2")),
            (0x0116_1970, Some("GFS2")),
            (0x6969, Some("NFS")),
            // ext4, XFS, btrfs, tmpfs, overlayfs, ZFS.
            (0xEF53, None),
            (0x5846_5342, None),
            (0x9123_683E, None),
            (0x0102_1994, None),
            (0x794C_7630, None),
            (0x2FC1_2FC1, None),
        ] {
            assert_eq!(name(kind), expected, "{kind:#x}");
        }
        assert!(shared_file_system(Path::new("/proc")).is_none());
    }
}
