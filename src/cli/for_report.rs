//! The verification of a journal that a report shows.

use std::path::PathBuf;

use tokio::sync::mpsc;

use super::brought::Brought;
use super::verify::options;
use super::{CliError, Context, scratch, signers};
use crate::journal::{JournalError, Location, Reader};
use crate::review::report::Verification;
use crate::verify::{Beside, Options, Report, verify};

/// What a report brings to the verification of its journal.
#[derive(Debug)]
pub(super) struct ForReport {
    options: Options,
    warnings: Vec<String>,
    journal: Location,
}

impl ForReport {
    /// Reads the files that were brought.
    ///
    /// # Errors
    /// If they cannot be read, or are not what they should be.
    pub(super) async fn read(
        checkpoints: &[PathBuf],
        allowed_signers: Option<&PathBuf>,
        context: &Context,
    ) -> Result<Self, CliError> {
        let scratch = scratch::directory(context)?;
        let signers = allowed_signers.map(|path| signers::read(path, context)).transpose()?;
        let mut brought = Brought::read_all(checkpoints, signers.as_ref(), context, false).await?;
        let warnings = std::mem::take(&mut brought.warnings);
        Ok(Self { options: options(brought, scratch), warnings, journal: context.journal.clone() })
    }

    /// Begins to verify the journal, in the background, and returns once `reader` shows the state that is verified.
    pub(super) async fn begin(self, reader: Option<Reader>) -> Judging {
        let (held, mut is_held) = mpsc::channel(1);
        let beside = reader.clone().map(|reader| Beside { reader, held });
        let options = Options { beside, ..self.options };
        let task = tokio::spawn(async move { verify(&self.journal, options).await });
        if let (None, Some(reader)) = (is_held.recv().await, reader)
            && let Err(error) = reader.hold_still().await
        {
            tracing::debug!(%error, "what is read may show more than one state of the journal");
        }
        Judging { task, warnings: self.warnings }
    }
}

/// A verification that has begun.
#[derive(Debug)]
pub(super) struct Judging {
    task: tokio::task::JoinHandle<Result<Report, JournalError>>,
    warnings: Vec<String>,
}

/// A verdict; where there is none, the reason.
pub(super) type Judged = Result<Verification, String>;

impl Judging {
    /// Waits for the verdict, as the report on `run` shows it.
    pub(super) async fn end(self, run: Option<&str>) -> Judged {
        match self.task.await {
            Ok(Ok(report)) => Ok(told(report, run, self.warnings)),
            Ok(Err(error)) => Err(format!("the journal could not be verified: {error}")),
            Err(error) => Err(format!("the journal could not be verified: {error}")),
        }
    }
}

fn told(report: Report, run: Option<&str>, brought: Vec<String>) -> Verification {
    let of_run = report.coverage.runs.iter().find(|one| Some(one.run.as_str()) == run);
    let findings = report.findings.iter().skip(1);
    Verification {
        verdict: report.verdict.as_str().to_owned(),
        sound: report.verdict.is_sound(),
        detail: report.detail.clone(),
        entries: report.entries,
        first_bad: report.first_bad,
        proved_up_to: report.proved_up_to,
        deletions: of_run.map_or(0, |run| run.deletions),
        deletions_covered: of_run.map_or(0, |run| run.deletions_covered),
        end_covered: of_run.is_some_and(|run| run.end_covered),
        findings: findings.map(|one| format!("{}: {}", one.verdict.as_str().replace('_', " "), one.detail)).collect(),
        warnings: report.warnings.into_iter().chain(brought).collect(),
        root: report.root,
    }
}
