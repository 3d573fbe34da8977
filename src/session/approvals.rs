//! Whether a plan's file may be executed: whether its time is over, which of the signatures that were brought count, and whether there
//! are enough.

use jiff::Timestamp;

use super::error::{Refusal, SessionError};
use super::host::Host;
use super::in_hand::InHand;
use crate::domain::parse_time;
use crate::record::approval::{self, Judge, MOST_APPROVALS};
use crate::record::event::PlanApproved;
use crate::record::plan::PlanHeader;
use crate::record::ssh::{Signature, Signers};

/// The signatures that count at `at`, as the journal keeps them.
///
/// # Errors
/// If there are fewer than are required; the refusal says why each of the others does not count.
pub(super) fn approved<H: Host>(host: &H, in_hand: &InHand, at: Timestamp) -> Result<Vec<PlanApproved>, SessionError> {
    let InHand { header, seal, approvals, .. } = in_hand;
    let nobody = Signers::parse("");
    let signers = approvals.signers.as_ref().unwrap_or(&nobody);
    let (text, program) = (approval::text(header, seal), host.program());
    let judged = Judge { text: &text, signers, at, apart: &[], program: &*program }.judge(&approvals.presented);
    let (mut counted, mut reasons) = (Vec::new(), Vec::new());
    for (one, presented) in judged.iter().zip(&approvals.presented) {
        match (&one.counts, &one.principal, Signature::parse(&presented.text)) {
            (Ok(()), Some(principal), Ok(signature)) => counted.push(PlanApproved {
                signer: principal.to_string(),
                plan_root: seal.root.clone(),
                key: signature.key().fingerprint(),
                signature: signature.to_armour(),
            }),
            (Err(why), ..) => reasons.push(format!("{}: {why}", one.from)),
            _ => {}
        }
    }
    counted.truncate(MOST_APPROVALS as usize);
    let (found, required) = (counted.len(), approvals.required);
    if found >= required {
        return Ok(counted);
    }
    Err(SessionError::new(Refusal::NotApproved { found, required, reasons }))
}

/// Refuses a plan whose time is over at `now`, or that never ends: only plans of runs that make their own have no end.
pub(super) fn refuse_expired(header: &PlanHeader, now: Timestamp) -> Result<(), SessionError> {
    let expires_at = header.expires_at.clone().unwrap_or_else(|| header.made_at.clone());
    if parse_time(&expires_at).is_some_and(|end| now < end) {
        return Ok(());
    }
    Err(SessionError::new(Refusal::PlanExpired { expires_at }))
}
