//! Compares the notes of a plan's line with the line: a guard notes what is so, and all that is so. What guards know beside the line
//! (other rows, instances, earlier runs, a policy) cannot be checked here.

use super::super::shape;
use super::line::{Drift, Intent, is_for_another};
use crate::domain::DEFAULT_KEY_PAIR;
use crate::record::plan::Severity;

/// The note of a row with faults: nothing else is looked at in such a row.
pub(super) const INVALID_ROW: &str = "invalid_row";

/// The note of a row that is for another account than the credentials.
pub(super) const OTHER_ACCOUNT: &str = "other_account";

/// The notes that there are, and how grave each may be.
const KINDS: [(&str, &[Severity]); 18] = {
    use Severity::{Refuse, Skip, Warn};
    [
        (INVALID_ROW, &[Skip]),
        ("duplicate", &[Skip]),
        ("duplicate_differs", &[Skip]),
        ("ambiguous", &[Skip]),
        (OTHER_ACCOUNT, &[Refuse]),
        ("drift_arn", &[Skip]),
        ("drift_fingerprint", &[Skip]),
        ("drift_created_at", &[Skip]),
        ("identity_unknown", &[Skip]),
        ("default_key_pair", &[Warn]),
        ("in_use", &[Warn, Skip, Refuse]),
        ("recreated", &[Warn, Skip, Refuse]),
        ("account_not_allowed", &[Refuse]),
        ("region_not_allowed", &[Refuse]),
        ("column_required", &[Refuse]),
        ("protected_name", &[Skip]),
        ("protected_tag", &[Skip]),
        ("too_young", &[Skip]),
    ]
};

/// Those of them that only a policy calls for.
pub(super) const OF_A_POLICY: [&str; 6] =
    ["account_not_allowed", "region_not_allowed", "column_required", "protected_name", "protected_tag", "too_young"];

/// The further notes that there are where a plan's file is executed on another day.
const TODAY: [(&str, &[Severity]); 2] = [("appeared", &[Severity::Skip]), ("drift_plan", &[Severity::Skip])];

/// What notes are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// A line of a plan.
    Line,
    /// What became of it on another day.
    Today,
}

/// Whether guards make such notes, and of such a severity.
///
/// # Errors
/// If there is no such note, or it is less or more grave than it can be.
pub(super) fn known(notes: &[shape::Note<'_>], of: Of) -> Result<(), String> {
    let more = if of == Of::Today { &TODAY[..] } else { &[] };
    for note in notes {
        let Some((kind, severities)) = KINDS.iter().chain(more).find(|(kind, _)| *kind == note.kind.0) else {
            return Err(format!("{:?} is no note that a guard makes", note.kind.0));
        };
        if !severities.contains(&note.severity) {
            return Err(format!("its note {kind} is of another severity than that can have"));
        }
    }
    Ok(())
}

/// Holds the notes against their line.
///
/// # Errors
/// If there is no such note, it is less or more grave than it can be, or the line shows that it is false or missing.
pub(super) fn check(intent: &Intent<'_>) -> Result<(), String> {
    known(intent.notes, Of::Line)?;
    complete(intent)
}

/// Whether the notes are what their line calls for.
///
/// # Errors
/// If the line shows that one is false or missing.
pub(super) fn complete(intent: &Intent<'_>) -> Result<(), String> {
    let is_noted = |kind: &str| intent.notes.iter().any(|note| note.kind.0 == kind);
    if is_noted(INVALID_ROW) {
        let alone = intent.notes.iter().all(|note| note.kind.0 == INVALID_ROW);
        return if alone { Ok(()) } else { Err("its row is invalid, but guards noted something else, too".into()) };
    }
    for (kind, _) in KINDS {
        match shown(intent, kind) {
            Some(true) if !is_noted(kind) => {
                return Err(format!("its line calls for the note {kind}, which is not there"));
            }
            Some(false) if is_noted(kind) => return Err(format!("its note {kind} is not true of its line")),
            _ => {}
        }
    }
    Ok(())
}

/// Whether the line shows what this note says; nothing if it cannot show that.
fn shown(intent: &Intent<'_>, kind: &str) -> Option<bool> {
    let seen = intent.observation;
    match kind {
        OTHER_ACCOUNT => Some(is_for_another(intent)),
        "drift_arn" => Some(Drift::Arn.is_there(intent)),
        "drift_fingerprint" => Some(Drift::Fingerprint.is_there(intent)),
        "drift_created_at" => Some(Drift::CreatedAt.is_there(intent)),
        "identity_unknown" => Some(seen.is_some_and(|seen| seen.arn.is_none() && seen.created_at.is_none())),
        "default_key_pair" => Some(seen.is_some() && intent.name == DEFAULT_KEY_PAIR),
        // Guards look at these only if there is a key pair.
        "in_use" | "recreated" | "protected_name" | "protected_tag" | "too_young" => seen.is_none().then_some(false),
        _ => None,
    }
}
