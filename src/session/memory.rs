//! What the machine remembers of a journal, for the sessions after this one (I12).

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::host::HeadMemory;
use crate::journal::Location;
use crate::record::checkpoint::Checkpoint;

/// What a session that is no rehearsal remembers of its journal. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory(Arc<Mutex<Option<Remembering>>>);

#[derive(Debug)]
struct Remembering {
    heads: Arc<dyn HeadMemory>,
    journal: PathBuf,
    /// What this session left in the file last.
    last: Checkpoint,
    /// Whether other runners of this machine remember heads of the same journal.
    is_shared: bool,
}

impl Remembering {
    /// Whether the head is older than the one that is remembered, by another runner.
    fn is_older(&self, head: &Checkpoint, found: &Checkpoint) -> bool {
        self.is_shared && found.size > head.size
    }

    /// Whether what is remembered is of another journal than this session's: a copy of it.
    fn is_of_a_copy(&self, head: &Checkpoint, found: &Checkpoint) -> bool {
        if self.is_shared { found.size == head.size && found != head } else { *found != self.last }
    }
}

impl Memory {
    /// Remembers `head`, of this journal, and from now on each head that it is given. Where that cannot be,
    /// says why.
    pub(super) fn begin(
        &self,
        heads: Result<Arc<dyn HeadMemory>, String>,
        (journal, is_shared): (&Location, bool),
        head: &Checkpoint,
    ) -> Result<(), String> {
        let heads = heads?;
        let file = journal.file().and_then(|path| std::path::absolute(path).ok());
        let journal = file.unwrap_or_else(|| journal.to_string().into());
        let remembering = Remembering { heads, journal, last: head.clone(), is_shared };
        let found = remembering.heads.read(&head.journal_id).ok().flatten();
        if !found.is_some_and(|found| remembering.is_older(head, &found.head)) {
            remembering.heads.remember(head, &remembering.journal).map_err(|error| error.to_string())?;
        }
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(remembering);
        Ok(())
    }

    /// Remembers `head`, which is durable, if this session remembers anything. What cannot be remembered is no reason to
    /// stop; but where another session remembered something in the meantime, it works on a copy of this journal, unless both share it.
    pub(super) fn remember(&self, head: &Checkpoint) -> std::io::Result<()> {
        let mut remembering = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(remembering) = remembering.as_mut() else { return Ok(()) };
        let found = remembering.heads.read(&head.journal_id).ok().flatten();
        if found.as_ref().is_some_and(|found| remembering.is_older(head, &found.head)) {
            return Ok(());
        }
        if let Some(found) = found.filter(|found| remembering.is_of_a_copy(head, &found.head)) {
            let journal = found.journal.unwrap_or_default();
            return Err(std::io::Error::other(format!(
                "another session continued a copy of this journal, {}, according to {}",
                journal,
                found.file.display()
            )));
        }
        match remembering.heads.remember(head, &remembering.journal) {
            Ok(()) => remembering.last = head.clone(),
            Err(error) => tracing::warn!(%error, "could not remember the journal's newest head"),
        }
        Ok(())
    }
}
