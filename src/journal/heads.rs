//! The newest head of each journal that this machine has seen, in one small file per journal (I12). By it keybatch recognises
//! an old copy of a journal that was put back in its place.
//!
//! A file is a checkpoint's three lines, as `keybatch verify --checkpoint` reads them, a blank line, and where the journal
//! was. It is replaced as a whole and never written to in place, so a power loss leaves either the old or the new one.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::record::checkpoint::Checkpoint;

/// A longer file is not one of ours: this is a head and the longest path that Linux accepts.
const LONGEST: u64 = 64 * 1024;

/// Where heads are remembered.
#[derive(Debug, Clone)]
pub struct Heads {
    directory: PathBuf,
}

/// A head that was remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// The head.
    pub head: Checkpoint,
    /// Where the journal with this head was.
    pub journal: Option<String>,
    /// The file that says so.
    pub file: PathBuf,
}

/// Why a head cannot be read or remembered.
#[derive(Debug, thiserror::Error)]
pub enum HeadsError {
    /// The journal's id is not one that keybatch makes, so it names no file.
    #[error("the journal's id {id:?} is no UUID")]
    NotOurs {
        /// As the journal has it.
        id: String,
    },
    /// The file or its directory cannot be used.
    #[error("{path} cannot be {done}: {source}", path = path.display())]
    Unusable {
        /// Which.
        path: PathBuf,
        /// `read` or `written`.
        done: &'static str,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The file holds no head of this journal.
    #[error("{path} holds no head of this journal", path = path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
    },
}

impl Heads {
    /// The heads in this directory, which is created when there is something to remember.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Where they are.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether a head could be remembered, as far as that can be determined without writing one.
    ///
    /// # Errors
    /// If the directory, or the nearest existing one above it, cannot be written to.
    pub fn usable(&self) -> Result<(), HeadsError> {
        use rustix::fs::{Access, access};
        let unusable =
            |path: &Path, source: io::Error| HeadsError::Unusable { path: path.to_owned(), done: "written", source };
        for path in self.directory.ancestors() {
            match std::fs::metadata(path) {
                Ok(metadata) if !metadata.is_dir() => {
                    return Err(unusable(path, io::ErrorKind::NotADirectory.into()));
                }
                Ok(_) => {
                    return access(path, Access::WRITE_OK | Access::EXEC_OK)
                        .map_err(|error| unusable(path, error.into()));
                }
                // A file that is in the way is found further up.
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
                Err(error) => return Err(unusable(path, error)),
            }
        }
        Ok(())
    }

    /// The file for the journal with that id.
    ///
    /// # Errors
    /// If the id is not one that keybatch makes.
    pub fn file(&self, id: &str) -> Result<PathBuf, HeadsError> {
        // Only what looks like a UUID becomes part of a path.
        match Uuid::try_parse(id) {
            Ok(parsed) => Ok(self.directory.join(parsed.hyphenated().to_string())),
            Err(_) => Err(HeadsError::NotOurs { id: id.chars().take(64).collect() }),
        }
    }

    /// What is remembered of the journal with that id.
    ///
    /// # Errors
    /// If the file exists but cannot be read, or holds no head of this journal.
    pub fn read(&self, id: &str) -> Result<Option<Remembered>, HeadsError> {
        let file = self.file(id)?;
        let text = match read_small(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(HeadsError::Unusable { path: file, done: "read", source }),
        };
        let (head, rest) = text.split_once("\n\n").unwrap_or((&text, ""));
        match Checkpoint::parse_last(head) {
            Ok(head) if head.journal_id == id => {
                let journal = rest.trim_end().strip_prefix("journal ");
                let journal = journal.and_then(|quoted| serde_json::from_str(quoted).ok());
                Ok(Some(Remembered { head, journal, file }))
            }
            _ => Err(HeadsError::Damaged { path: file }),
        }
    }

    /// Remembers `head`, of the journal at `journal`, in place of what was remembered of it. When this returns, a power
    /// loss does not undo it. The head is to be durable itself.
    ///
    /// # Errors
    /// If the directory or the file cannot be written; what was remembered before is then still there.
    pub fn remember(&self, head: &Checkpoint, journal: &Path) -> Result<(), HeadsError> {
        let file = self.file(&head.journal_id)?;
        let place = serde_json::Value::from(journal.to_string_lossy()).to_string();
        let text = format!("{}\njournal {place}\n", head.to_text());
        self.replace(&file, &text).map_err(|source| HeadsError::Unusable { path: file, done: "written", source })
    }

    fn replace(&self, file: &Path, text: &str) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        let new = file.with_extension("new");
        // What a killed session left behind.
        match std::fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let written = (|| {
            let mut opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
            opened.write_all(text.as_bytes())?;
            opened.sync_all()?;
            std::fs::rename(&new, file)
        })();
        if written.is_err() {
            let _gone = std::fs::remove_file(&new);
        }
        written?;
        File::open(&self.directory)?.sync_all()
    }
}

/// The content of a short regular file.
fn read_small(path: &Path) -> io::Result<String> {
    // Opening a pipe would wait for its writer.
    let nonblock = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(nonblock).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    file.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use super::*;

    const ID: &str = "0198c0de-0000-7000-8000-000000000001";

    fn head(size: u64) -> Checkpoint {
        Checkpoint { journal_id: ID.into(), size, root: [7; 32] }
    }

    #[test]
    fn the_newest_head_is_remembered_for_its_owner_alone() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("keybatch/heads");
        let heads = Heads::new(directory.clone());
        assert!(heads.read(ID).unwrap().is_none());
        let journal = Path::new("/data/a \"b\"\n/journal.db");
        for size in [9, 12, 4] {
            heads.remember(&head(size), journal).unwrap();
            let found = heads.read(ID).unwrap().unwrap();
            assert_eq!((found.head, found.journal.as_deref()), (head(size), journal.to_str()));
        }
        let file = std::fs::metadata(heads.file(ID).unwrap()).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::metadata(&directory).unwrap().mode() & 0o777, 0o700);
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn what_is_no_head_of_this_journal_is_named_and_can_be_replaced() {
        let home = tempfile::tempdir().unwrap();
        let heads = Heads::new(home.path().to_owned());
        let other = Checkpoint { journal_id: "0198c0de-0000-7000-8000-000000000002".into(), ..head(3) };
        let whole = head(9).to_text();
        for text in ["", "\0\0\0", "keybatch/", &whole[..whole.len() - 9], &other.to_text()] {
            std::fs::write(heads.file(ID).unwrap(), text).unwrap();
            assert!(matches!(heads.read(ID), Err(HeadsError::Damaged { .. })), "{text:?}");
            heads.remember(&head(9), Path::new("/j")).unwrap();
            assert_eq!(heads.read(ID).unwrap().unwrap().head, head(9));
        }
        std::fs::remove_file(heads.file(ID).unwrap()).unwrap();
        std::fs::create_dir(heads.file(ID).unwrap()).unwrap();
        assert!(matches!(heads.read(ID), Err(HeadsError::Unusable { .. })));
        assert!(matches!(heads.remember(&head(9), Path::new("/j")), Err(HeadsError::Unusable { .. })));
    }

    #[test]
    fn an_id_from_a_journal_that_is_not_ours_names_no_file() {
        let heads = Heads::new("/nowhere".into());
        for id in ["", "../../etc/passwd", "a", "/"] {
            assert!(matches!(heads.read(id), Err(HeadsError::NotOurs { .. })), "{id}");
        }
    }
}
