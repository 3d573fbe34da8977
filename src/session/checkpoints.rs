//! The file that checkpoints are appended to and compared with.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::anchoring::Anchors;
use super::error::{Refusal, Sent, SessionError};
use super::memory::Memory;
use super::operator::{Notice, Operator};
use super::signing::Signing;
use crate::journal::{JournalError, Occasion, OnCheckpoint, Reader};
use crate::record::checkpoint::Checkpoint;
use crate::record::{Entry, Event};

/// The file that checkpoints are appended to, once there is one. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Sink {
    appended: Arc<Mutex<Option<Appended>>>,
    /// Why the last checkpoint that was to be signed is not.
    unsigned: Arc<Mutex<Option<String>>>,
}

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
        *self.appended.lock().unwrap_or_else(PoisonError::into_inner) = Some(Appended { file, is_file });
        Ok(())
    }

    fn is_open(&self) -> bool {
        self.appended.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// The record of `checkpoint`, with its signature where there is to be one and is.
    fn record(&self, checkpoint: &Checkpoint, signed: Option<Result<String, String>>) -> String {
        let signature = match signed {
            None => String::new(),
            Some(signed) => {
                *self.unsigned.lock().unwrap_or_else(PoisonError::into_inner) = signed.as_ref().err().cloned();
                signed.unwrap_or_default()
            }
        };
        format!("{}{signature}\n", checkpoint.to_text())
    }

    fn append(&self, record: &str) -> io::Result<()> {
        let mut appended = self.appended.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Appended { file, is_file }) = appended.as_mut() else { return Ok(()) };
        file.write_all(record.as_bytes())?;
        if *is_file { file.sync_data() } else { Ok(()) }
    }

    /// Why the last checkpoint that was to be signed is not; none where it is.
    pub(super) fn unsigned(&self) -> Option<String> {
        self.unsigned.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What the writer does with each checkpoint. One that cannot be signed is worth more than none: it is appended without a
/// signature, and the operator is told. The last one, of a journal that was closed or failed, goes to no command: there is no entry any more for
/// what comes back, and all that it covers beyond the one before it is that one and its receipt.
pub(super) fn hand_on(
    sink: Sink,
    anchors: Anchors,
    memory: Memory,
    signing: Option<Signing>,
    operator: Arc<dyn Operator>,
) -> OnCheckpoint {
    Box::new(move |checkpoint, occasion| {
        let goes_on = sink.is_open() || (anchors.is_on() && !occasion.is_last());
        let due = |signing: &&Signing| goes_on && (signing.all || occasion != Occasion::Due);
        let signed = signing.as_ref().filter(due).map(|signing| signing.signer.sign(&checkpoint.to_text()));
        if let Some(Err(why)) = &signed {
            operator.notice(Notice::NotSigned(why));
        }
        let record = sink.record(checkpoint, signed);
        sink.append(&record)?;
        memory.remember(checkpoint)?;
        if !occasion.is_last() {
            anchors.push(checkpoint, record, occasion == Occasion::Due);
        }
        Ok(())
    })
}

/// What the newest session of a run that had this setting had: the file that it appended checkpoints to, or the program that it
/// handed them to.
pub(super) async fn recorded(reader: &Reader, run_no: i64, setting: &str) -> Result<Option<String>, JournalError> {
    for stored in reader.milestones_of(run_no, "session_opened").await?.iter().rev() {
        let entry = Entry::parse(&stored.body).map_err(|error| JournalError::Entry(error.into()))?;
        let Event::SessionOpened(opened) = entry.event else { continue };
        if let Some(value) = opened.settings.get(setting) {
            return Ok(Some(value.clone()));
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
    each_record(BufReader::new(File::open(path)?), |text, _| {
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

/// The first line of a signature.
const SIGNATURE: &str = "-----BEGIN SSH SIGNATURE-----";

/// Longer than any signature.
const LONGEST_SIGNATURE: usize = 80 * 1_024;

/// Hands on the lines of each record that begins in `file`, and the signature behind them, both whole or not. It is read line by
/// line: there may be very many.
///
/// # Errors
/// Where the file cannot be read.
pub fn each_record(mut file: impl BufRead, mut take: impl FnMut(&str, Option<&str>)) -> io::Result<()> {
    // The lines that count of the one that is being read.
    let mut lines: Vec<String> = Vec::new();
    let mut signature: Option<String> = None;
    let mut line = Vec::new();
    loop {
        line.clear();
        // What a power loss leaves of the last one need not be text, nor have lines.
        let read = file.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)?;
        let text = String::from_utf8_lossy(&line);
        if read == 0 || text.starts_with(ORIGIN) {
            if !lines.is_empty() {
                take(&lines.join("\n"), signature.as_deref());
            }
            lines.clear();
            signature = None;
        }
        if read == 0 {
            return Ok(());
        }
        let begun = !lines.is_empty() || text.starts_with(ORIGIN);
        let content = text.trim_end();
        if lines.len() == 3 && content.starts_with(SIGNATURE) {
            signature.get_or_insert_default();
        }
        match &mut signature {
            Some(signature) if signature.len() < LONGEST_SIGNATURE => {
                *signature += content;
                signature.push('\n');
            }
            None if begun && lines.len() < 3 && !content.is_empty() => lines.push(content.to_owned()),
            _ => {}
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
    use futures_util::future::BoxFuture;

    use super::super::error::Outside;
    use super::super::operator::{Confirmed, PlanFacts, Watched};
    use super::super::signing::Signer;
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
        sink.append(&sink.record(&checkpoint, None)).unwrap();
        drop((sink, writer));
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, format!("{}\n", checkpoint.to_text()));
        let full = Sink::default();
        full.open(Path::new("/dev/full")).unwrap();
        assert!(full.append(&full.record(&checkpoint, None)).is_err());
    }

    fn append(path: &Path, checkpoint: &Checkpoint) {
        let sink = Sink::default();
        sink.open(path).unwrap();
        sink.append(&sink.record(checkpoint, None)).unwrap();
    }

    #[derive(Debug)]
    struct Scripted(Mutex<Vec<Result<String, String>>>);

    impl Signer for Scripted {
        fn sign(&self, text: &str) -> Result<String, String> {
            assert!(text.starts_with(ORIGIN) && text.lines().count() == 3 && text.ends_with('\n'), "{text}");
            self.0.lock().unwrap().remove(0)
        }
    }

    #[derive(Debug, Default)]
    struct Heard(Mutex<Vec<String>>);

    impl Operator for Heard {
        fn notice(&self, notice: Notice<'_>) {
            let Notice::NotSigned(why) = notice else { panic!("{notice:?}") };
            self.0.lock().unwrap().push(why.to_owned());
        }

        fn confirm<'a>(&'a self, _: &'a PlanFacts<'a>) -> BoxFuture<'a, Result<Confirmed, Outside>> {
            unreachable!("nothing is confirmed")
        }

        fn watch(&self, _: Watched) -> BoxFuture<'static, ()> {
            unreachable!("nothing is watched")
        }
    }

    #[test]
    fn what_is_asked_for_is_signed_and_what_cannot_be_signed_is_kept_all_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("checkpoints.txt");
        let of = |size: u64| Checkpoint { journal_id: "a".into(), size, root: [1; 32] };
        let armour = |name: &str| format!("{SIGNATURE}\n{name}\n-----END SSH SIGNATURE-----\n");
        let script = vec![Ok(armour("one")), Err("no agent".to_owned()), Ok(armour("two"))];
        let signing = |all: bool, script: Vec<_>| Some(Signing { signer: Arc::new(Scripted(Mutex::new(script))), all });
        let (sink, heard) = (Sink::default(), Arc::new(Heard::default()));
        let mut hand =
            hand_on(sink.clone(), Anchors::default(), Memory::default(), signing(false, script), heard.clone());
        hand(&of(1), Occasion::Asked).unwrap();
        assert!(!path.exists() && sink.unsigned().is_none(), "there is no file to sign in");
        sink.open(&path).unwrap();
        hand(&of(2), Occasion::Asked).unwrap();
        hand(&of(3), Occasion::Due).unwrap();
        assert_eq!(sink.unsigned(), None);
        hand(&of(4), Occasion::Asked).unwrap();
        assert_eq!(
            (sink.unsigned(), heard.0.lock().unwrap().clone()),
            (Some("no agent".into()), vec!["no agent".into()])
        );
        hand(&of(5), Occasion::Asked).unwrap();
        assert_eq!(sink.unsigned(), None);
        let mut all =
            hand_on(sink, Anchors::default(), Memory::default(), signing(true, vec![Ok(armour("three"))]), heard);
        all(&of(6), Occasion::Due).unwrap();
        let mut found = Vec::new();
        let text = std::fs::read(&path).unwrap();
        each_record(text.as_slice(), |text, signature| {
            found.push((Checkpoint::parse_last(text).unwrap().size, signature.map(str::to_owned)));
        })
        .unwrap();
        let signed = |name: &str| Some(armour(name) + "\n");
        assert_eq!(found, [(2, signed("one")), (3, None), (4, None), (5, signed("two")), (6, signed("three"))]);
        assert_eq!(Checkpoint::parse_all(&String::from_utf8(text).unwrap()).unwrap().0.len(), 5);
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
