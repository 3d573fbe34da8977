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
}

impl Memory {
    /// Remembers `head`, of this journal, and from now on each head that it is given. Where that cannot be,
    /// says why.
    pub(super) fn begin(
        &self,
        heads: Result<Arc<dyn HeadMemory>, String>,
        journal: &Location,
        head: &Checkpoint,
    ) -> Result<(), String> {
        let heads = heads?;
        let file = journal.file().and_then(|path| std::path::absolute(path).ok());
        let journal = file.unwrap_or_else(|| journal.to_string().into());
        heads.remember(head, &journal).map_err(|error| error.to_string())?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Remembering { heads, journal, last: head.clone() });
        Ok(())
    }

    /// Remembers `head`, which is durable, if this session remembers anything. What cannot be remembered is no reason to
    /// stop; but where another session remembered something in the meantime, it works on a copy of this journal.
    pub(super) fn remember(&self, head: &Checkpoint) -> std::io::Result<()> {
        let mut remembering = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(remembering) = remembering.as_mut() else { return Ok(()) };
        if let Ok(Some(found)) = remembering.heads.read(&head.journal_id)
            && found.head != remembering.last
        {
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
