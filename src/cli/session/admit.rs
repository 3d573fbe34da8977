//! What may refuse to go on with a run: a journal that was changed, a plan that is not what was sealed, another account or
//! endpoint.

use super::open::OpenJournal;
use crate::cli::Context;
use crate::cli::code::Code;
use crate::cli::connect::Connection;
use crate::cli::error::{CliError, Sent};
use crate::cli::exit::Exit;
use crate::journal::sqlite::RunRecord;
use crate::record::event::{Event, PlanSealed, RunStarted};
use crate::verify::{Finding, Options, Verdict as Verified, plan_root, verify};

/// A journal up to this size is verified whole before a run continues, which takes about a second; of a larger one, the
/// plan alone is.
const VERIFIED_WHOLE_ENTRIES: u64 = 250_000;

/// What is to be done next is read from the journal, so nothing is done where that was changed. A history that this
/// version cannot interpret is no reason to leave rows unsettled.
pub(super) async fn refuse_altered(context: &Context, open: &OpenJournal) -> Result<(), CliError> {
    let (size, _) = open.reader.head().await?;
    if size > VERIFIED_WHOLE_ENTRIES {
        return Ok(());
    }
    let scratch = crate::cli::scratch::directory(context)?;
    let scratch = Some((scratch, format!("keybatch-{}", uuid::Uuid::new_v4())));
    let report = verify(&context.journal, Options { scratch, ..Options::default() }).await?;
    if report.verdict.is_sound() {
        return Ok(());
    }
    let changed = |finding: &&Finding| !matches!(finding.verdict, Verified::IllegalHistory | Verified::CannotVerify);
    if let Some(finding) = report.findings.iter().find(changed) {
        let message = format!("the journal was changed: {}", finding.detail);
        return Err(CliError::new(Exit::Refused, message).code(Code::JournalChanged).sent(Sent::Nothing).hint(VERIFY));
    }
    // If the machine prevented the check, the journal may have been changed all the same.
    let failed = report.findings.iter().find(|finding| finding.of_the_machine);
    if failed.is_some() || report.entries < size {
        let why = failed.map_or(&report.detail, |finding| &finding.detail);
        let message = format!("the journal cannot be verified: {why}");
        return Err(CliError::new(Exit::Environment, message)
            .code(Code::JournalUnverified)
            .sent(Sent::Nothing)
            .hint(SCRATCH));
    }
    context.ui.say(&format!("warning: {}", crate::cli::shown(&report.detail)));
    Ok(())
}

/// The sealed plan and the settings of the run. A plan that is not what was sealed is not executed.
pub(super) async fn plan_of(open: &OpenJournal, record: &RunRecord) -> Result<(PlanSealed, RunStarted), CliError> {
    let missing = || {
        CliError::new(Exit::Environment, "the journal has no sealed plan of this run")
            .code(Code::JournalDamaged)
            .sent(Sent::Nothing)
            .hint(VERIFY)
    };
    let sealed = open.reader.entry(record.sealed_seq.ok_or_else(missing)?).await?;
    let started = open.reader.entry(record.started_seq.ok_or_else(missing)?).await?;
    let (Event::PlanSealed(sealed), Event::RunStarted(started)) = (sealed.event, started.event) else {
        return Err(missing());
    };
    let root = plan_root(&open.reader, record.run_no).await?;
    if root != sealed.plan_root || sealed.plan_root != started.plan_root {
        let message = "the plan in the journal is not the one that was sealed";
        return Err(CliError::new(Exit::Refused, message).code(Code::PlanAltered).sent(Sent::Nothing).hint(VERIFY));
    }
    Ok((sealed, started))
}

const SCRATCH: &str =
    "verification needs scratch space: in the directory that TMPDIR names, in /var/tmp or /tmp, or beside the journal";

const VERIFY: &str = "see what happened to the journal with: keybatch verify";

/// A run is bound to its account and endpoint (I11).
pub(super) fn refuse_another(record: &RunRecord, connection: &Connection) -> Result<(), CliError> {
    let bound = [
        ("account", record.account.as_deref(), connection.caller.account.as_str()),
        ("endpoint", record.endpoint.as_deref(), connection.endpoint.as_str()),
    ];
    for (what, expected, found) in bound {
        if expected != Some(found) {
            let expected = expected.unwrap_or("none");
            let message = format!("run {} is bound to {what} {expected}, but this is {found}", record.run);
            return Err(CliError::new(Exit::Refused, message).code(Code::RunBound).sent(Sent::Reads));
        }
    }
    Ok(())
}
