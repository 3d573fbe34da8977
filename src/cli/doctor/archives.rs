//! What `doctor` finds about the journals that were archived before the present one. No run begins without them.

use super::super::diagnosis::{Diagnosis, Health, diagnosis};
use super::super::{CliError, Context};
use crate::domain::counted;
use crate::journal::open::archive_path;
use crate::session;

/// Whether each archive is where it was put, with the head that its successor names.
pub(super) async fn chain(context: &Context) -> Option<Diagnosis> {
    // Another check reports why a journal cannot be opened.
    let reader = context.reader().await.ok()?;
    let at = |id: &str| archive_path(context.journal.beside(), id);
    match session::archives(&reader, at, async |place| context.of_journal(&place).reader().await).await {
        Ok(found) if found.is_empty() => None,
        Ok(found) => {
            let count = counted(found.len() as u64, "archive", "archives");
            let text =
                format!("{count} before the journal, with the heads that it names (`verify` reads their content)");
            Some(diagnosis("archives", Health::Good, text))
        }
        Err(error) => {
            let CliError { message, hints, .. } = error.into();
            let text: Vec<_> =
                std::iter::once(message).chain(hints.iter().map(|hint| hint.told(&context.ui.given))).collect();
            Some(diagnosis("archives", Health::Bad, format!("{}; no run begins until then", text.join("; "))))
        }
    }
}
