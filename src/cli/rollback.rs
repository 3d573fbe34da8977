//! Whether a session may continue a journal (I12): not if it is older than one that this machine or the file of checkpoints
//! has seen, and not if it has diverged from it. And what a session remembers of its journal for later sessions.
//!
//! This guards against accidents, such as a restored backup; `verify` guards against people.

use std::path::{Path, PathBuf};

use clap::builder::NonEmptyStringValueParser;

use super::checkpoints::{Newest, newest, not_carried_on, recorded};
use super::code::Code;
use super::error::{CliError, Sent};
use super::exit::Exit;
use super::finding::{Finding, Health, finding};
use super::{Context, shown};
use crate::domain::counted;
use crate::journal::JournalError;
use crate::journal::heads::HeadsError;
use crate::journal::sqlite::SqliteReader;
use crate::record::checkpoint::{Checkpoint, base64};
use crate::record::event::{ACCEPT_ROLLBACK, Event, LostHead, OverrideUsed};

/// What the operator says about a journal that lost entries.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct RollbackOptions {
    /// Continue with a journal that lost entries; each row without an outcome is read before anything is sent
    #[arg(long, requires = "because")]
    pub(super) accept_rollback: bool,
    /// Reason, for the journal; required by --accept-rollback
    #[arg(long, value_name = "TEXT", requires = "accept_rollback", value_parser = NonEmptyStringValueParser::new())]
    pub(super) because: Option<String>,
}

/// A head that was seen outside the journal.
#[derive(Debug, Clone)]
struct Known {
    head: Checkpoint,
    /// The file that says so.
    file: PathBuf,
    /// Where the journal with this head was; a file of checkpoints does not say.
    journal: Option<String>,
}

impl Known {
    fn lost(&self) -> LostHead {
        let known_from = self.file.to_string_lossy().into_owned();
        LostHead { size: self.head.size, root: base64(&self.head.root), known_from }
    }
}

/// Refuses a journal that does not have a head which was seen of it, unless that is accepted. Returns the entry which
/// says so, that must become durable before any other.
pub(super) async fn admit(
    context: &Context,
    reader: &SqliteReader,
    checkpoint_to: Option<&Path>,
    options: &RollbackOptions,
) -> Result<Option<OverrideUsed>, CliError> {
    let Compared { known: _, missing, unusable } = compare(context, reader, checkpoint_to).await?;
    // This guards against accidents, so a head that cannot be compared does not stop the session.
    unusable.iter().for_each(|why| context.ui.say(&format!("warning: {}", shown(why))));
    if missing.is_empty() {
        if options.accept_rollback {
            context.ui.say("--accept-rollback was not needed: the journal has all entries that are known of it");
        }
        return Ok(None);
    }
    if !options.accept_rollback {
        let (entries, _) = reader.head().await?;
        return Err(refusal(&context.journal, entries, &missing));
    }
    let mut lost: Vec<LostHead> = missing.iter().map(Known::lost).collect();
    lost.dedup_by(|one, other| one.size == other.size && one.root == other.root);
    let by = super::operator::user();
    Ok(Some(OverrideUsed { which: ACCEPT_ROLLBACK.into(), by, why: options.because.clone(), lost }))
}

/// The journal beside the heads that were seen of it.
struct Compared {
    /// Entries of the largest head that is known, and the file that says so.
    known: Option<(u64, PathBuf)>,
    /// What the journal lacks, the largest first.
    missing: Vec<Known>,
    /// What could not be compared with, and why.
    unusable: Vec<String>,
}

/// Compares the journal with each head that this machine and the files of checkpoints have seen of it. Only reads.
async fn compare(context: &Context, reader: &SqliteReader, checkpoint_to: Option<&Path>) -> Result<Compared, CliError> {
    let mut known = Vec::new();
    let mut unusable = Vec::new();
    if let Some(id) = reader.journal_id().await? {
        let mut take = |found: Result<Vec<Known>, String>| match found {
            Ok(found) => known.extend(found),
            Err(why) => unusable.push(why),
        };
        take(remembered(context, &id).map(|found| found.into_iter().collect()));
        for file in files(reader, checkpoint_to).await? {
            take(in_file(&file, &id));
        }
    }
    let largest = known.iter().max_by_key(|known| known.head.size).map(|known| (known.head.size, known.file.clone()));
    Ok(Compared { known: largest, missing: missing(reader, known).await?, unusable })
}

/// What a session that began now would find, for `doctor`.
pub(super) async fn findings(context: &Context, reader: &SqliteReader) -> Result<Vec<Finding>, CliError> {
    let named = context.environment.variable("KEYBATCH_CHECKPOINT_TO").map(PathBuf::from);
    let Compared { known, missing, unusable } = compare(context, reader, named.as_deref()).await?;
    let mut findings: Vec<_> = unusable.into_iter().map(|why| finding("head", Health::Note, why)).collect();
    if !missing.is_empty() {
        let (entries, _) = reader.head().await?;
        let CliError { message, hints, .. } = refusal(&context.journal, entries, &missing);
        let steps = hints.into_iter().filter(|hint| hint != UNCHANGED);
        let text: Vec<_> = std::iter::once(message).chain(steps).collect();
        findings.push(finding("head", Health::Bad, text.join("; ")));
    } else if let Some((size, file)) = known {
        let entries = counted(size, "entry of this journal is", "entries of this journal are");
        let text = format!("{entries} known ({}), and it has them", file.display());
        findings.push(finding("head", Health::Good, text));
    }
    Ok(findings)
}

/// The files of checkpoints: the one that is named, and those that unfinished runs append to.
async fn files(reader: &SqliteReader, named: Option<&Path>) -> Result<Vec<PathBuf>, JournalError> {
    let mut files: Vec<PathBuf> = named.map(Path::to_owned).into_iter().collect();
    for record in reader.runs().await? {
        if !record.state.is_unfinished() {
            continue;
        }
        let recorded = recorded(reader, record.run_no).await?.filter(|path| not_carried_on(path).is_none());
        files.extend(recorded.filter(|path| !files.contains(path)));
    }
    Ok(files)
}

/// The message once it is recorded.
pub(super) fn accepted(used: &OverrideUsed) -> String {
    let most = used.lost.iter().map(|lost| lost.size).max().unwrap_or_default();
    format!(
        "accepted: the journal continues without the newer one of {most} entries; keybatch settles each row without an \
         outcome by reading"
    )
}

/// What the state directory has of this journal.
fn remembered(context: &Context, id: &str) -> Result<Option<Known>, String> {
    let Ok(heads) = context.environment.heads() else { return Ok(None) };
    match heads.read(id) {
        Ok(found) => Ok(found.map(|found| Known { head: found.head, file: found.file, journal: found.journal })),
        Err(HeadsError::NotOurs { .. }) => Ok(None),
        Err(error @ HeadsError::Damaged { .. }) => {
            Err(format!("{error}: the journal was not compared with it, {REPLACED}"))
        }
        Err(error) => Err(format!("{error}: whether the journal was rolled back cannot be determined from it")),
    }
}

/// What happens to a file that holds no head.
const REPLACED: &str = "and the next session that is not a rehearsal replaces it; you may delete it";

/// The newest records of this journal in the file of checkpoints.
fn in_file(path: &Path, id: &str) -> Result<Vec<Known>, String> {
    let Newest { last, largest } = newest(path, id)
        .map_err(|error| format!("cannot compare the journal with the checkpoints in {}: {error}", path.display()))?;
    // Both are the same, but where files were put together or a journal went on that was forked.
    let largest = largest.filter(|largest| last.as_ref() != Some(largest));
    let known = |head| Known { head, file: path.to_owned(), journal: None };
    Ok(last.into_iter().chain(largest).map(known).collect())
}

/// Those heads that the journal neither has nor has been accepted without, the largest first.
async fn missing(reader: &SqliteReader, known: Vec<Known>) -> Result<Vec<Known>, JournalError> {
    let mut missing = Vec::new();
    for known in known {
        if reader.root_at(known.head.size).await?.as_deref() != Some(&base64(&known.head.root)) {
            missing.push(known);
        }
    }
    if !missing.is_empty() {
        for entry in reader.accepted_rollbacks().await? {
            let Event::OverrideUsed(used) = entry.event else { continue };
            missing.retain(|known| {
                let root = base64(&known.head.root);
                !used.lost.iter().any(|lost| lost.size == known.head.size && lost.root == root)
            });
        }
    }
    missing.sort_by_key(|known| std::cmp::Reverse(known.head.size));
    Ok(missing)
}

const UNCHANGED: &str = "the journal was not changed";

fn refusal(journal: &Path, entries: u64, missing: &[Known]) -> CliError {
    let path = shown(&journal.to_string_lossy());
    let most = missing.first().map_or(0, |known| known.head.size);
    let (code, message) = if most > entries {
        let message = format!(
            "the journal {path} was rolled back: it has {entries} entries, but a newer one with {most} entries is known"
        );
        (Code::JournalRolledBack, message)
    } else {
        let message = format!(
            "the journal {path} was forked: it has {entries} entries, but another copy of it has other entries among \
             its first {most}"
        );
        (Code::JournalForked, message)
    };
    let mut error = CliError::new(Exit::Refused, message).code(code).sent(Sent::Nothing);
    for known in missing {
        let file = shown(&known.file.to_string_lossy());
        let of = known.journal.as_ref().map(|journal| format!(" of the journal at {}", shown(journal)));
        let of = of.unwrap_or_default();
        error = error.hint(format!("known from {file}: {} entries{of}", known.head.size));
    }
    error
        .hint(UNCHANGED)
        .hint("put the newer journal back, together with its -wal file if it has one, and run the same command again")
        .hint(
            "if it is lost for good: --accept-rollback --because TEXT continues with this one, and settles each row without \
             an outcome by reading",
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(size: u64, journal: Option<&str>) -> Known {
        let head = Checkpoint { journal_id: "a".into(), size, root: [1; 32] };
        Known { head, file: "/state/heads/a".into(), journal: journal.map(str::to_owned) }
    }

    #[test]
    fn a_refusal_says_what_is_missing_where_that_is_known_from_and_what_to_do() {
        for (most, code, word) in [(9, Code::JournalRolledBack, "rolled back"), (5, Code::JournalForked, "forked")] {
            let error = refusal(Path::new("/data/j.db"), 7, &[known(most, Some("/old/j.db")), known(3, None)]);
            assert_eq!((error.exit, error.code, error.sent), (Exit::Refused, code, Some(Sent::Nothing)));
            assert!(error.message.contains(word) && error.message.contains("/data/j.db"), "{}", error.message);
            let hints = error.hints.join("\n");
            for part in [
                &format!("/state/heads/a: {most} entries of the journal at /old/j.db"),
                "3 entries",
                "--accept-rollback",
            ] {
                assert!(hints.contains(part), "{part}: {hints}");
            }
        }
    }
}
