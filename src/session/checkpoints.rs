//! The file that checkpoints are appended to and compared with.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::error::{Refusal, Sent, SessionError};
use super::memory::Memory;
use crate::journal::{JournalError, OnCheckpoint, Reader};
use crate::record::checkpoint::Checkpoint;
use crate::record::{Entry, Event};

/// The file that checkpoints are appended to, once there is one. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Sink(Arc<Mutex<Option<Appended>>>);

#[derive(Debug)]
struct Appended {
    file: File,
    /// A pipe cannot be synchronised: its reader decides how checkpoints are kept.
    is_file: bool,
}

impl Sink {
    /// Appends each further checkpoint to the file at `path`.
    pub(super) fn open(&self, path: &Path) -> Result<(), SessionError> {
        let file = open(path).map_err(|error| {
            SessionError::new(Refusal::CheckpointFile { path: path.to_owned(), error }).sent(Sent::Nothing)
        })?;
        let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Appended { file, is_file });
        Ok(())
    }

    fn append(&self, checkpoint: &Checkpoint) -> io::Result<()> {
        let mut appended = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Appended { file, is_file }) = appended.as_mut() else { return Ok(()) };
        file.write_all(format!("{}\n", checkpoint.to_text()).as_bytes())?;
        if *is_file { file.sync_data() } else { Ok(()) }
    }
}

/// What the writer does with each checkpoint.
pub(super) fn hand_on(sink: Sink, memory: Memory) -> OnCheckpoint {
    Box::new(move |checkpoint| {
        sink.append(checkpoint)?;
        memory.remember(checkpoint)
    })
}

/// The file that the newest session of a run that named one appended checkpoints to.
pub(super) async fn recorded(reader: &Reader, run_no: i64) -> Result<Option<PathBuf>, JournalError> {
    for stored in reader.milestones_of(run_no, "session_opened").await?.iter().rev() {
        let entry = Entry::parse(&stored.body).map_err(|error| JournalError::Entry(error.into()))?;
        let Event::SessionOpened(opened) = entry.event else { continue };
        if let Some(path) = opened.settings.get("checkpoint_to") {
            return Ok(Some(PathBuf::from(path)));
        }
    }
    Ok(None)
}

/// Why a session without --checkpoint-to does not append to that file, although an earlier session did.
pub(super) fn not_carried_on(path: &Path) -> Option<&'static str> {
    let text = path.to_string_lossy();
    // These mean something else in each process.
    if path.starts_with("/dev") || path.starts_with("/proc") || !path.is_absolute() {
        return Some("it may not be the same file as in the earlier session");
    }
    if text.contains('\u{fffd}') {
        return Some("its name is not UTF-8");
    }
    match std::fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => Some("it is not a regular file"),
        _ => None,
    }
}

/// Of the checkpoints of one journal in a file, those that tell most of how far it is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Newest {
    /// The one that was appended last.
    pub(super) last: Option<Checkpoint>,
    /// The one that covers most.
    pub(super) largest: Option<Checkpoint>,
}

/// Reads the newest checkpoints of the journal of that id in the file at `path`; those that are not whole, and those of
/// other journals, do not count. There are none where there is no file, and what is read from a pipe would be missing there.
pub(super) fn newest(path: &Path, id: &str) -> io::Result<Newest> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Ok(Newest::default()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Newest::default()),
        Err(error) => return Err(error),
    }
    let mut newest = Newest::default();
    each_record(BufReader::new(File::open(path)?), |text| {
        let whole = Checkpoint::parse_last(text).ok().filter(|one| one.journal_id == id && one.size > 0);
        let Some(whole) = whole else { return };
        if newest.largest.as_ref().is_none_or(|largest| largest.size <= whole.size) {
            newest.largest = Some(whole.clone());
        }
        newest.last = Some(whole);
    })?;
    Ok(newest)
}

/// Every checkpoint begins with this.
const ORIGIN: &str = "keybatch/";

/// Longer than any line of a checkpoint.
const LONGEST_LINE: u64 = 4_096;

/// Hands the lines of each record on that begins in `file`, whole or not. It is read line by line: there may be very many.
///
/// # Errors
/// Where the file cannot be read.
pub fn each_record(mut file: impl BufRead, mut take: impl FnMut(&str)) -> io::Result<()> {
    // The lines that count of the one that is being read.
    let mut lines: Vec<String> = Vec::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        // What a power loss leaves of the last one need not be text, nor have lines.
        let read = file.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)?;
        let text = String::from_utf8_lossy(&line);
        if read == 0 || text.starts_with(ORIGIN) {
            if !lines.is_empty() {
                take(&lines.join("\n"));
            }
            lines.clear();
        }
        if read == 0 {
            return Ok(());
        }
        let begun = !lines.is_empty() || text.starts_with(ORIGIN);
        if begun && lines.len() < 3 && !text.trim_end().is_empty() {
            lines.push(text.trim_end().to_owned());
        }
        if line.last() != Some(&b'\n') && read as u64 == LONGEST_LINE {
            file.skip_until(b'\n')?;
        }
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
        let sink = Sink::default();
        sink.open(Path::new(&path)).unwrap();
        sink.append(&checkpoint).unwrap();
        drop((sink, writer));
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, format!("{}\n", checkpoint.to_text()));
        let full = Sink::default();
        full.open(Path::new("/dev/full")).unwrap();
        assert!(full.append(&checkpoint).is_err());
    }

    fn append(path: &Path, checkpoint: &Checkpoint) {
        let sink = Sink::default();
        sink.open(path).unwrap();
        sink.append(checkpoint).unwrap();
    }

    #[test]
    fn a_torn_file_goes_on_with_a_new_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("checkpoints.txt");
        let first = Checkpoint { journal_id: "a".into(), size: 3, root: [1; 32] };
        let next = Checkpoint { size: 9, ..first.clone() };
        let whole = format!("{}\n", first.to_text());
        append(&path, &first);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), whole);
        for kept in 1..whole.len() {
            std::fs::write(&path, format!("{whole}{}", &whole[..kept])).unwrap();
            append(&path, &next);
            let text = std::fs::read_to_string(&path).unwrap();
            let (all, _) = Checkpoint::parse_all(&text).unwrap();
            assert_eq!((all.first(), all.last()), (Some(&first), Some(&next)), "{text:?}");
        }
    }

    #[test]
    fn the_newest_whole_checkpoints_of_a_journal_are_found() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("checkpoints.txt");
        let of = |id: &str, size: u64| Checkpoint { journal_id: id.into(), size, root: [1; 32] };
        assert_eq!(newest(&path, "a").unwrap(), Newest::default(), "there is no such file");
        let mut text = String::new();
        for one in [of("a", 3), of("a", 9), of("b", 20), of("a", 5), of("b", 2), of("a", 0)] {
            text += &format!("{}\n", one.to_text());
        }
        let torn = of("a", 30).to_text();
        for kept in 0..torn.len() - 1 {
            std::fs::write(&path, format!("{text}{}", &torn[..kept])).unwrap();
            let found = newest(&path, "a").unwrap();
            assert_eq!(found, Newest { last: Some(of("a", 5)), largest: Some(of("a", 9)) }, "{kept}");
        }
        assert_eq!(newest(&path, "c").unwrap(), Newest::default());
        assert_eq!(newest(directory.path(), "a").unwrap(), Newest::default(), "only a file is read");
    }
}
