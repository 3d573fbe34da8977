//! `--summary-to`: the summary of a session's run as Markdown, appended to a file that a pipeline shows.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;

use super::error::{CliError, Sent};
use super::say::end;
use super::ui::Ui;
use super::{Code, Exit, shown, summary};
use crate::domain::OutcomeCounts;
use crate::journal::Location;
use crate::review::Given;
use crate::review::report::of_session;
use crate::session::summary::Summary;
use crate::session::{Ending, refuse_used};

/// The option of the commands that delete.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct SummaryOptions {
    /// Append a summary of the run, in Markdown, to this file, e.g. "$GITHUB_STEP_SUMMARY"
    #[arg(long, value_name = "FILE")]
    pub(super) summary_to: Option<PathBuf>,
}

/// The file, open.
#[derive(Debug)]
pub(super) struct SummaryFile(Option<(PathBuf, File)>);

impl SummaryOptions {
    /// The file, and what messages call it.
    pub(super) fn used(&self) -> Option<(&Path, &'static str)> {
        Some((self.summary_to.as_deref()?, "the file of --summary-to"))
    }

    /// Opens the file before anything is sent: a file that cannot be written is better known now.
    ///
    /// # Errors
    /// If it cannot be written, or is used for something else.
    pub(super) fn open(&self, journal: &Location, read: &[(&Path, &str)]) -> Result<SummaryFile, CliError> {
        let Some(path) = &self.summary_to else { return Ok(SummaryFile(None)) };
        refuse_used(Some(path), journal, read)?;
        let file = opened(path).map_err(|error| {
            let why = match error.raw_os_error() {
                Some(number) if number == Errno::NXIO.raw_os_error() => "nobody reads from it".to_owned(),
                _ => error.to_string(),
            };
            let message = format!("--summary-to: {} cannot be written: {why}", shown(&path.to_string_lossy()));
            CliError::new(Exit::Environment, message)
                .code(Code::Output)
                .sent(Sent::Nothing)
                .hint("nothing was sent; name another file")
        })?;
        Ok(SummaryFile(Some((path.clone(), file))))
    }
}

/// Opens the file to append to it. A named pipe that nobody reads is an error: waiting for a reader, a pipeline might hang for good.
fn opened(path: &Path) -> io::Result<File> {
    let unblocked = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(unblocked).open(path)?;
    // A slow reader is waited for.
    let flags = fcntl_getfl(&file)?;
    fcntl_setfl(&file, flags - OFlags::NONBLOCK)?;
    Ok(file)
}

impl SummaryFile {
    /// Reports how a session ended, here and as ever. A summary that could not be written is reported, and is no success.
    pub(super) fn end(self, ui: &Ui, ended: Result<Ending, CliError>) -> Result<Exit, CliError> {
        let Some((path, mut file)) = self.0 else { return end(ui, ended, Exit::Success) };
        let text = match &ended {
            Ok(Ending::Summed(summary)) => of_summary(summary, &ui.given),
            Err(error) => of_error(error, &ui.given),
        };
        let written = file.write_all(text.as_bytes()).and_then(|()| file.flush());
        let Err(error) = written else { return end(ui, ended, Exit::Success) };
        let message = format!("the summary could not be written to {}: {error}", shown(&path.to_string_lossy()));
        let lost = CliError::new(Exit::Unexpected, message)
            .code(Code::Output)
            .hint("the journal records how the run ended: keybatch report latest --format md");
        let exit = end(ui, ended, lost.exit)?;
        ui.complain(&lost);
        Ok(exit)
    }
}

fn of_summary(summary: &Summary, given: &Given) -> String {
    let line = match &summary.run {
        Some(_) => summary::line(summary),
        None => "nothing was done: there is no run".to_owned(),
    };
    let next: Vec<_> = summary::also(summary, given).into_iter().chain(summary::next(summary, given)).collect();
    of_session(&line, &summary.outcomes, &facts(summary), &next, summary.sandbox)
}

fn of_error(error: &CliError, given: &Given) -> String {
    let run = error.details.summary.as_ref();
    let outcomes = run.map_or_else(OutcomeCounts::default, |summary| summary.outcomes);
    let line = format!("keybatch failed with exit code {}: {}", error.exit.code(), error.message);
    let is_rehearsal = run.is_some_and(|summary| summary.sandbox);
    let hints: Vec<_> = error.hints.iter().map(|hint| hint.told(given)).collect();
    of_session(&line, &outcomes, &run.map(facts).unwrap_or_default(), &hints, is_rehearsal)
}

fn facts(summary: &Summary) -> Vec<(&'static str, String)> {
    let requests = &summary.session.requests;
    let sent = format!("{} deletes, {} reads, {} throttled", requests.delete, requests.read, requests.throttled);
    let named = [
        ("Ticket", summary.ticket.clone()),
        ("Operator", summary.operator.clone()),
        ("Manifest", summary.manifest.clone()),
        ("Manifest's SHA-256", summary.manifest_sha256.clone()),
        ("Plan's root", summary.plan_root.clone()),
        ("Requests of this session", Some(sent)),
        ("Head of the journal", Some(format!("{} {}", summary.head.size, summary.head.root))),
    ];
    named.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}
