//! The file that checkpoints are appended to and compared with.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::code::Code;
use super::error::{CliError, Sent};
use super::exit::Exit;
use crate::journal::OnCheckpoint;

/// Appends each checkpoint to the file that was asked for.
pub(super) fn sink(path: Option<&Path>) -> Result<OnCheckpoint, CliError> {
    let Some(path) = path else { return Ok(Box::new(|_| Ok(()))) };
    let mut file = open(path).map_err(|error| {
        CliError::new(Exit::Environment, format!("{} cannot be written: {error}", path.display()))
            .code(Code::CheckpointFile)
            .sent(Sent::Nothing)
    })?;
    // What reads a pipe keeps checkpoints as it sees fit: there is nothing to synchronise.
    let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
    Ok(Box::new(move |checkpoint| {
        file.write_all(format!("{}\n", checkpoint.to_text()).as_bytes())?;
        if is_file { file.sync_data() } else { Ok(()) }
    }))
}

/// What stands beside a journal, by what its name ends with, and what it is called.
const OF_THE_JOURNAL: [(&str, &str); 5] = [
    ("", "the journal itself"),
    ("-wal", "a file of the journal"),
    ("-shm", "a file of the journal"),
    ("-journal", "a file of the journal"),
    (".lock", "the lock file of the journal"),
];

/// Refuses a file of checkpoints that is one of those which the session works with, by whatever name: what is appended
/// there would spoil the journal, or be taken for rows. `read` are files that the session reads, with what they are.
pub(super) fn refuse_used(path: Option<&Path>, journal: &Path, read: &[(&Path, &str)]) -> Result<(), CliError> {
    let Some(path) = path else { return Ok(()) };
    let of_the_journal = OF_THE_JOURNAL.map(|(suffix, what)| {
        let mut name = journal.as_os_str().to_owned();
        name.push(suffix);
        (PathBuf::from(name), what)
    });
    let read = read.iter().map(|(path, what)| (path.to_path_buf(), *what));
    match of_the_journal.into_iter().chain(read).find(|(used, _)| is_same(path, used)) {
        None => Ok(()),
        Some((_, what)) => {
            let message = format!("--checkpoint-to names {what}: {}", path.display());
            Err(CliError::new(Exit::Usage, message)
                .code(Code::FileInUse)
                .hint("name a file of its own, best one beyond this machine's reach")
                .sent(Sent::Nothing))
        }
    }
}

/// Whether both are the same file, or would be once they are made.
fn is_same(one: &Path, other: &Path) -> bool {
    let place = |path: &Path| std::path::absolute(path).map(|path| made_at(&path, MAX_LINKS));
    match (std::fs::metadata(one), std::fs::metadata(other)) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => place(one).is_ok_and(|one| place(other).is_ok_and(|other| one == other)),
    }
}

/// Links that lead nowhere yet are followed so far, as Linux does.
const MAX_LINKS: u32 = 40;

/// Where the file of that absolute path is, or would be made: its directories may be missing, too.
fn made_at(path: &Path, links: u32) -> PathBuf {
    if let Ok(found) = path.canonicalize() {
        return found;
    }
    let Some(parent) = path.parent() else { return path.to_owned() };
    let parent = made_at(parent, links);
    match path.file_name().map(|name| parent.join(name)) {
        // The path ends with `..`, behind a directory that is missing.
        None => parent.parent().unwrap_or(&parent).to_owned(),
        Some(place) => match place.read_link() {
            Ok(target) if links > 0 => made_at(&parent.join(target), links - 1),
            _ => place,
        },
    }
}

/// Opens it for appending: a new one with its directory entry on the disk, and one that a power loss tore in the middle
/// of a line with that line ended, so that the next checkpoint begins one.
fn open(path: &Path) -> io::Result<File> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() {
        if metadata.len() == 0 {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            match File::open(parent).and_then(|directory| directory.sync_all()) {
                Err(error) if has_no_synchronisation(&error) => {
                    tracing::warn!(%error, "whether the file of checkpoints survives a power loss is up to its file system");
                }
                synced => synced?,
            }
        } else if !ends_a_line(path) {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}

/// A file that is kept beyond this machine's reach may be in a directory that is only written to, or on a file system
/// that synchronises no directories: a checkpoint there is worth more than none.
fn has_no_synchronisation(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, PermissionDenied, Unsupported};
    matches!(error.kind(), InvalidInput | PermissionDenied | Unsupported)
}

/// Whether the last byte ends a line; not where that cannot be read.
fn ends_a_line(path: &Path) -> bool {
    let last = File::open(path).and_then(|mut file| {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        Ok(last)
    });
    last.is_ok_and(|last| last == *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::checkpoint::Checkpoint;

    #[test]
    fn a_directory_that_cannot_be_synchronised_is_no_reason_to_stop_and_a_broken_disk_is() {
        use rustix::io::Errno;
        let tolerated = |errno: Errno| has_no_synchronisation(&errno.into());
        assert!([Errno::ACCESS, Errno::INVAL, Errno::NOTSUP, Errno::NOSYS].into_iter().all(tolerated));
        assert!(![Errno::IO, Errno::NOSPC, Errno::NOENT].into_iter().any(tolerated));
    }

    #[test]
    fn a_pipe_takes_checkpoints_and_a_full_device_does_not() {
        let checkpoint = Checkpoint { journal_id: "a".into(), size: 3, root: [1; 32] };
        let (mut reader, writer) = io::pipe().unwrap();
        let path = format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&writer));
        let mut sink = sink(Some(Path::new(&path))).unwrap();
        sink(&checkpoint).unwrap();
        drop((sink, writer));
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, format!("{}\n", checkpoint.to_text()));
        assert!(super::sink(Some(Path::new("/dev/full"))).unwrap()(&checkpoint).is_err());
    }

    #[test]
    fn a_file_is_known_by_any_of_its_names() {
        use std::os::unix::fs::symlink;
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at("there"), "").unwrap();
        std::fs::hard_link(at("there"), at("hard")).unwrap();
        symlink("there", at("soft")).unwrap();
        symlink("new/../not-there", at("dangling")).unwrap();
        symlink("round", at("round")).unwrap();
        symlink(directory.path(), at("self")).unwrap();
        for (one, other) in [
            ("there", "hard"),
            ("there", "soft"),
            ("hard", "soft"),
            ("self/there", "there"),
            ("not-there", "dangling"),
            ("not-there", "self/self/not-there"),
            ("new/newer/not-there", "self/new/./newer/x/../not-there"),
            ("round", "round"),
        ] {
            assert!(is_same(&at(one), &at(other)) && is_same(&at(other), &at(one)), "{one}, {other}");
        }
        for (one, other) in [("there", "not-there"), ("new/not-there", "not-there"), ("round", "there")] {
            assert!(!is_same(&at(one), &at(other)) && !is_same(&at(other), &at(one)), "{one}, {other}");
        }
    }

    #[test]
    fn a_torn_file_goes_on_with_a_new_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("checkpoints.txt");
        let first = Checkpoint { journal_id: "a".into(), size: 3, root: [1; 32] };
        let next = Checkpoint { size: 9, ..first.clone() };
        let whole = format!("{}\n", first.to_text());
        sink(Some(&path)).unwrap()(&first).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), whole);
        for kept in 1..whole.len() {
            std::fs::write(&path, format!("{whole}{}", &whole[..kept])).unwrap();
            sink(Some(&path)).unwrap()(&next).unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            let (all, _) = Checkpoint::parse_all(&text).unwrap();
            assert_eq!((all.first(), all.last()), (Some(&first), Some(&next)), "{text:?}");
        }
    }
}
