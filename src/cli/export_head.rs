//! The head of the journal beside an export: FILE.checkpoint beside FILE.
//!
//! It is written first, so that no export is ever without it. A kill in between leaves it alone, and the next export replaces what it
//! can show to be such a leftover, and nothing else.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::CliError;
use super::new_file::{Unfinished, refuse_existing, unwritten, with_more, write_new};
use crate::journal::Reader;
use crate::record::checkpoint::{Checkpoint, base64};

/// No checkpoint is longer than this.
const LONGEST: u64 = 4 * 1024;

/// The file of an export, and the one beside it. Neither name is taken, except by a leftover.
#[derive(Debug)]
pub(super) struct Names<'a> {
    pub(super) to: &'a Path,
    beside: PathBuf,
    /// What an interrupted export left in the file beside it.
    leftover: Option<Vec<u8>>,
}

impl<'a> Names<'a> {
    /// Takes the names of an export to `to`.
    ///
    /// # Errors
    /// If one of them is taken: nothing is ever replaced but a bare checkpoint of an earlier head of this same journal, where there is
    /// no export to it. Any other checkpoint may be the one that shows that entries are missing.
    pub(super) async fn of(to: &'a Path, reader: &Reader) -> Result<Self, CliError> {
        refuse_existing(to)?;
        let beside = with_more(to, ".checkpoint");
        let Err(refused) = refuse_existing(&beside) else { return Ok(Self { to, beside, leftover: None }) };
        match leftover(&beside, reader).await {
            Some(bytes) => Ok(Self { to, beside, leftover: Some(bytes) }),
            None => Err(refused.hint("it is no checkpoint of an earlier head of this journal, so it is kept")),
        }
    }

    /// Gives the export its name, and puts its head beside it.
    pub(super) fn keep(&self, head: Option<&Checkpoint>, unfinished: Unfinished) -> Result<(), CliError> {
        let beside = &self.beside;
        self.clear().map_err(|error| unwritten(beside, &error))?;
        if let Some(head) = head {
            write_new(beside, text(head).as_bytes()).map_err(|error| unwritten(beside, &error))?;
        }
        unfinished.keep(self.to).map_err(|error| {
            if head.is_some() {
                let _gone = std::fs::remove_file(beside);
            }
            unwritten(self.to, &error)
        })
    }

    /// Removes the leftover, unless something else has its name by now.
    fn clear(&self) -> io::Result<()> {
        let Some(leftover) = &self.leftover else { return Ok(()) };
        let taken = Unfinished::taken(&self.beside)?;
        if std::fs::read(&taken.path)? == *leftover {
            return Ok(());
        }
        taken.keep(&self.beside)?;
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

/// A checkpoint as it is written beside an export.
fn text(head: &Checkpoint) -> String {
    format!("{}\n", head.to_text())
}

/// What is in the file, if it is what an export left of this journal.
async fn leftover(path: &Path, reader: &Reader) -> Option<Vec<u8>> {
    if !path.symlink_metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(LONGEST).read_to_end(&mut bytes).ok()?;
    let checkpoint = Checkpoint::parse_last(std::str::from_utf8(&bytes).ok()?).ok()?;
    let is_bare = text(&checkpoint).as_bytes() == bytes;
    let is_ours = reader.journal_id().await.ok()?.as_deref() == Some(checkpoint.journal_id.as_str());
    let root = reader.root_at(checkpoint.size).await.ok()??;
    (is_bare && is_ours && root == base64(&checkpoint.root)).then_some(bytes)
}
