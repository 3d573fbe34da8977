//! What may refuse to go on with a run: a journal that was changed, a plan that is not what was sealed, another account or
//! endpoint.

use super::error::{Refusal, Sent, SessionError};
use super::host::Host;
use super::operator::Notice;
use super::place::Place;
use crate::journal::{JournalError, Reader, RunRecord};
use crate::record::event::{Event, PlanSealed, RunStarted, SessionOpened};
use crate::verify::{Finding, Verdict as Verified, has_root};

/// A journal up to this size is verified whole before a run continues, which takes about a second; of a larger one, the
/// plan alone is.
const VERIFIED_WHOLE_ENTRIES: u64 = 250_000;

/// What is to be done next is read from the journal, so nothing is done where that was changed. A history that this
/// version cannot interpret is no reason to leave rows unsettled.
pub(super) async fn refuse_altered<H: Host>(host: &H, reader: &Reader) -> Result<(), SessionError> {
    let (size, _) = reader.head().await?;
    if size > VERIFIED_WHOLE_ENTRIES {
        return Ok(());
    }
    let Some(report) = host.verify().await.map_err(SessionError::outside)? else { return Ok(()) };
    if report.verdict.is_sound() {
        return Ok(());
    }
    let refuse = |refusal| Err(SessionError::new(refusal).sent(Sent::Nothing));
    let changed = |finding: &&Finding| !matches!(finding.verdict, Verified::IllegalHistory | Verified::CannotVerify);
    if let Some(finding) = report.findings.iter().find(changed) {
        return refuse(Refusal::Changed { detail: finding.detail.clone() });
    }
    // If the machine prevented the check, the journal may have been changed all the same.
    let failed = report.findings.iter().find(|finding| finding.of_the_machine);
    if failed.is_some() || report.entries < size {
        let why = failed.map_or(&report.detail, |finding| &finding.detail);
        return refuse(Refusal::Unverified { why: why.clone() });
    }
    host.operator().notice(Notice::NotInterpreted(&report.detail));
    Ok(())
}

/// The sealed plan and the settings of the run. A plan that is not what was sealed is not executed.
pub(super) async fn plan_of(reader: &Reader, record: &RunRecord) -> Result<(PlanSealed, RunStarted), SessionError> {
    let missing = || SessionError::new(Refusal::NoPlan).sent(Sent::Nothing);
    let sealed = reader.entry(record.sealed_seq.ok_or_else(missing)?).await?;
    let started = reader.entry(record.started_seq.ok_or_else(missing)?).await?;
    let (Event::PlanSealed(sealed), Event::RunStarted(started)) = (sealed.event, started.event) else {
        return Err(missing());
    };
    if sealed.seal.root != started.plan_root || !has_root(reader, record.run_no, &sealed).await? {
        return Err(SessionError::new(Refusal::PlanAltered).sent(Sent::Nothing));
    }
    Ok((*sealed, started))
}

/// The entry of the session that began a run.
pub(super) async fn opened_by(reader: &Reader, record: &RunRecord) -> Result<Box<SessionOpened>, JournalError> {
    match reader.entry(record.number()).await?.event {
        Event::SessionOpened(opened) => Ok(opened),
        _ => Err(JournalError::damaged(format!("entry {} opens no session", record.number()))),
    }
}

/// A run is bound to its account and endpoint (I11).
pub(super) fn refuse_another(record: &RunRecord, place: &Place) -> Result<(), SessionError> {
    let bound = [
        ("account", record.account.as_deref(), place.caller.account.as_str()),
        ("endpoint", record.endpoint.as_deref(), place.endpoint.as_str()),
    ];
    for (what, expected, found) in bound {
        if expected != Some(found) {
            let (expected, found) = (expected.unwrap_or("none").to_owned(), found.to_owned());
            let refusal = Refusal::Bound { run: record.run, what, expected, found };
            return Err(SessionError::new(refusal).sent(Sent::Reads));
        }
    }
    Ok(())
}
