//! What differs on the day when a plan's file is executed: a row can only lose, and the notes say why.

use super::super::shape;
use super::claimed::{Claimed, Identity};
use super::line::{Drift, Intent, is_for_another};
use super::notes::{self, Of};
use crate::record::plan::{Severity, Verdict};

/// The note of a row that was planned as absent.
const APPEARED: &str = "appeared";

/// The note of a row whose key pair is another one than the plan saw.
const DRIFT_PLAN: &str = "drift_plan";

/// Reads what became of a row: its line is that of a plan made on another day. `is_listed`: whether a listing showed a key pair.
///
/// # Errors
/// If the row wins something, or what is said does not follow from what was seen and noted.
pub(crate) fn today(line: &Intent<'_>, today: &shape::Today<'_>, is_listed: bool) -> Result<Claimed, String> {
    let gravest = today.notes.iter().map(|note| note.severity).max();
    let is_skipped = gravest.is_some_and(|gravest| gravest >= Severity::Skip);
    let is_noted = |kind: &str| today.notes.iter().any(|note| note.kind.0 == kind);
    notes::known(&today.notes, Of::Today)?;
    match (line.verdict, today.verdict) {
        (Verdict::Skip, _) => return Err("a row that a plan skips is skipped, whatever is there".into()),
        (Verdict::Absent, Verdict::Skip) => {
            let alone = today.notes.len() == 1 && is_noted(APPEARED);
            if !alone || today.observation.is_none() || !is_listed {
                return Err("a row that a plan says is absent is skipped only where its key pair has appeared".into());
            }
            return Ok(Claimed::default());
        }
        (Verdict::Absent, _) => {
            return Err("a row that a plan says is absent cannot become anything but skipped".into());
        }
        (Verdict::Delete, Verdict::Absent) => {
            let is_bare = today.notes.is_empty() && today.observation.is_none() && !is_listed;
            return if is_bare {
                Ok(Claimed::default())
            } else {
                Err("it is absent, but something was seen or noted".into())
            };
        }
        (Verdict::Delete, verdict) if is_skipped != (verdict == Verdict::Skip) => {
            return Err(format!("its verdict today is {}, but what was noted means something else", verdict.as_str()));
        }
        (Verdict::Delete, _) => {}
    }
    if !is_listed {
        return Err("it says that its key pair is there, but names no page that showed it".into());
    }
    let seen = today.observation.as_ref();
    if seen.is_some() != is_noted(DRIFT_PLAN) {
        return Err("another key pair than the plan saw is noted as such, and nothing else is".into());
    }
    if is_noted(APPEARED) {
        return Err("its key pair was there already".into());
    }
    let then = line.observation.map(Identity::of).unwrap_or_default();
    let now = seen.or(line.observation).map(Identity::of).unwrap_or_default();
    if seen.is_some() && then == now {
        return Err("the key pair that was seen is the one that the plan saw".into());
    }
    let on_the_day =
        Intent { verdict: today.verdict, observation: seen.or(line.observation), notes: &today.notes, ..*line };
    if today.verdict == Verdict::Delete {
        let meant = !Drift::ALL.into_iter().any(|drift| drift.is_there(&on_the_day)) && !is_for_another(&on_the_day);
        if !meant || !now.is_known() {
            return Err("it is to be deleted, although its key pair is not the one that was meant".into());
        }
    }
    notes::complete(&on_the_day)?;
    Ok(Claimed { identity: now, ..Claimed::default() })
}
