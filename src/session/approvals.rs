//! Whether a plan's file may be executed: whether its time is over, which of the signatures that were brought count, and whether there
//! are enough. Under four eyes, the maker of the plan and the person who runs it have signed it, too, and neither counts.

use jiff::Timestamp;

use super::error::{Refusal, SessionError};
use super::host::Host;
use super::in_hand::InHand;
use crate::domain::parse_time;
use crate::journal::{JournalError, Reader};
use crate::record::Entry;
use crate::record::approval::{self, Judge, MOST_APPROVALS, Party, Role};
use crate::record::event::{Event, PlanApproved, PlanSealed, PlanSigned};
use crate::record::plan::PlanHeader;
use crate::record::ssh::{Signature, Signers};

/// The signatures that count at `at`, as the journal keeps them: under four eyes, those of the plan's maker and of this session, and
/// then the approvals.
///
/// # Errors
/// If there are fewer than are required, and the refusal says why each of the others does not count; or if four eyes are required,
/// and nobody can say who made the plan or who runs it.
pub(super) fn approved<H: Host>(host: &H, in_hand: &InHand, at: Timestamp) -> Result<Vec<Event>, SessionError> {
    let InHand { header, seal, approvals, .. } = in_hand;
    let nobody = Signers::parse("");
    let signers = approvals.signers.as_ref().unwrap_or(&nobody);
    let (text, program) = (approval::text(header, seal), host.program());
    let judge = Judge { text: &text, signers, at, apart: &[], program: &*program };
    let signed = if approvals.four_eyes { both_parties(host, in_hand, &judge)? } else { Vec::new() };
    let (apart, mut entries): (Vec<Party>, Vec<Event>) = signed.into_iter().unzip();
    let judged = Judge { apart: &apart, ..judge }.judge(&approvals.presented);
    let (mut counted, mut reasons) = (Vec::new(), Vec::new());
    for (one, presented) in judged.iter().zip(&approvals.presented) {
        match (&one.counts, &one.principal, Signature::parse(&presented.text)) {
            (Ok(()), Some(principal), Ok(signature)) => counted.push(Event::PlanApproved(PlanApproved {
                signer: principal.to_string(),
                plan_root: seal.root.clone(),
                key: signature.key().fingerprint(),
                signature: signature.to_armour(),
            })),
            (Err(why), ..) => reasons.push(format!("{}: {why}", one.from)),
            _ => {}
        }
    }
    counted.truncate(MOST_APPROVALS as usize);
    let (found, required) = (counted.len(), approvals.required);
    if found < required {
        return Err(SessionError::new(Refusal::NotApproved { found, required, reasons }));
    }
    entries.extend(counted);
    Ok(entries)
}

/// Who made the plan, and who runs it, with what shows it.
fn both_parties<H: Host>(host: &H, in_hand: &InHand, judge: &Judge<'_>) -> Result<Vec<(Party, Event)>, SessionError> {
    let root = &in_hand.seal.root;
    let mut refused = Vec::new();
    let maker = in_hand.approvals.makers.iter().find_map(|one| match judge.party(Role::Maker, &one.text) {
        Ok(party) => Some((party, &one.text)),
        Err(why) => {
            refused.push(format!("{}: {why}", one.from));
            None
        }
    });
    let Some((maker, makers)) = maker else {
        let why = match refused.is_empty() {
            true => "the plan has no signature of its maker".to_owned(),
            false => format!("the signature of the plan's maker is not accepted: {}", refused.join("; ")),
        };
        return Err(SessionError::new(Refusal::FourEyes { why }));
    };
    let own = own_signature(host, judge.text)?;
    let session = judge.party(Role::Session, &own).map_err(|why| {
        let why = format!("the key that signs for this session is not accepted: {why}");
        SessionError::new(Refusal::FourEyes { why })
    })?;
    let entry = |role, armour: &str| Ok::<_, SessionError>(Event::PlanSigned(signed(role, root, armour)?));
    let (by_maker, by_session) = (entry(Role::Maker, makers)?, entry(Role::Session, &own)?);
    Ok(vec![(maker, by_maker), (session, by_session)])
}

/// What a session signs that continues a run under four eyes, for the journal; nothing where the run is under none.
///
/// # Errors
/// If nothing signs for it, or its key is one that approved the plan. Whether its key's owner approved with another key, this session
/// has no list to look up; `verify` does.
pub(super) async fn signed_again<H: Host>(
    host: &H,
    reader: &Reader,
    run_no: i64,
    sealed: &PlanSealed,
) -> Result<Option<PlanSigned>, SessionError> {
    if events(reader, run_no, "plan_signed").await?.is_empty() {
        return Ok(None);
    }
    let own = own_signature(host, &approval::text(&sealed.header, &sealed.seal))?;
    let signed = signed(Role::Session, &sealed.seal.root, &own)?;
    for event in events(reader, run_no, "plan_approved").await? {
        if let Event::PlanApproved(approved) = event
            && approved.key == signed.key
        {
            let why = format!("{} approved the plan with the key that signs for this session", approved.signer);
            return Err(SessionError::new(Refusal::FourEyes { why }));
        }
    }
    Ok(Some(signed))
}

/// The signature of this session's key over the approval text.
fn own_signature<H: Host>(host: &H, text: &str) -> Result<String, SessionError> {
    let refuse = |why: String| SessionError::new(Refusal::FourEyes { why });
    let signing = host.signing().ok_or_else(|| refuse("nothing signs for this session".into()))?;
    signing.signer.sign(text).map_err(|why| refuse(format!("the key of this session did not sign: {why}")))
}

fn signed(role: Role, root: &str, armour: &str) -> Result<PlanSigned, SessionError> {
    let signature = Signature::parse(armour)
        .map_err(|why| SessionError::new(Refusal::FourEyes { why: format!("the signature cannot be read: {why}") }))?;
    let (key, signature) = (signature.key().fingerprint(), signature.to_armour());
    Ok(PlanSigned { role, plan_root: root.to_owned(), key, signature })
}

/// The entries of that kind that a run has as a whole.
async fn events(reader: &Reader, run_no: i64, kind: &str) -> Result<Vec<Event>, JournalError> {
    let stored = reader.milestones_of(run_no, kind).await?;
    let parse = |body: &str| Ok(Entry::parse(body).map_err(|error| JournalError::Entry(error.into()))?.event);
    stored.iter().map(|one| parse(&one.body)).collect()
}

/// Refuses a plan whose time is over at `now`, or that never ends: only plans of runs that make their own have no end.
pub(super) fn refuse_expired(header: &PlanHeader, now: Timestamp) -> Result<(), SessionError> {
    let expires_at = header.expires_at.clone().unwrap_or_else(|| header.made_at.clone());
    if parse_time(&expires_at).is_some_and(|end| now < end) {
        return Ok(());
    }
    Err(SessionError::new(Refusal::PlanExpired { expires_at }))
}
