//! A manifest that is refused: what is recorded about it, and what is reported.

use super::args::Args;
use super::stage::manifest_entry;
use crate::cli::Context;
use crate::cli::code::Code;
use crate::cli::error::{CliError, Details, Sent};
use crate::cli::exit::Exit;
use crate::cli::faults;
use crate::cli::session::{OpenJournal, draft, session_opened};
use crate::cli::sum_up::{Own, sum_up};
use crate::cli::summary::{Head, State, StopWord, Summary};
use crate::domain::{RunId, Settings};
use crate::journal::JournalError;
use crate::journal::sqlite::RunRecord;
use crate::manifest::{Faults, Ingested};
use crate::record::event::{Event, RunStopped, SessionClosed};

/// Records only the refusal, and reports every fault.
pub(super) async fn refuse_manifest(
    args: &Args,
    context: &Context,
    settings: &Settings,
    open: &OpenJournal,
    run: RunId,
    faults: &Faults,
    ingested: Option<&Ingested>,
) -> Result<Exit, CliError> {
    let mut opened =
        session_opened(context, "run", &args.options, settings, None, args.sandbox.is_some(), &args.named());
    open.remember(context, &mut opened).await?;
    let session = opened.session.clone();
    let stopped = RunStopped {
        faults: faults.by_code().iter().map(|(code, count)| ((*code).to_owned(), *count)).collect(),
        manifest: ingested.map(manifest_entry),
        ..RunStopped::new("refused", Some(format!("{}: {}", args.manifest.display(), faults.summary())))
    };
    let closed = SessionClosed { session, requests: Default::default(), elapsed_ms: 0 };
    let drafts = [Event::SessionOpened(opened), Event::RunStopped(stopped), Event::SessionClosed(closed)];
    open.journal.append(drafts.into_iter().map(|event| draft(run, event)).collect()).await?;
    open.journal.checkpoint(Some(run)).await?;
    let summary = match open.reader.runs().await?.iter().find(|record| record.run == run) {
        Some(record) => Some(refused(context, open, record).await?),
        None => None,
    };
    let head = Head::from(&open.close(context).await?);
    let summary = summary.filter(|_| !args.dry_run).map(|summary| Summary { head, ..summary });
    let report = faults::report(context, faults);
    let run = (!args.dry_run).then(|| run.to_string());
    Err(CliError {
        details: Box::new(Details { run, faults: Some(faults.clone()), report: Some(report), summary }),
        sent: Some(Sent::Nothing),
        hints: vec![
            if args.dry_run { "nothing was recorded" } else { "only this refusal was recorded" }.into(),
            if faults.are_of_file() {
                "fix the file: its rows or columns cannot be determined, so --skip-invalid cannot help"
            } else if args.skip_invalid {
                "fix the file"
            } else {
                "fix the file, or skip invalid rows with --skip-invalid"
            }
            .into(),
        ],
        ..CliError::new(Exit::Refused, "the manifest was refused").code(Code::ManifestFaults)
    })
}

/// The summary of a run that was refused before anything was sent.
async fn refused(context: &Context, open: &OpenJournal, record: &RunRecord) -> Result<Summary, JournalError> {
    let own = Own { is_closed: true, ..Own::default() };
    sum_up(context, &open.reader, record, State::Abandoned, Some(StopWord::Refused), own, Head::default()).await
}
