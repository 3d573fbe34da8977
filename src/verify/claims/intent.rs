//! Compares what a plan says about a row with what was seen and noted.

use super::claimed::{Claimed, Identity, Line};
use super::line::{Drift, Intent, is_for_another};
use super::notes;
use crate::domain::DEFAULT_KEY_PAIR;
use crate::record::merkle::Hash;
use crate::record::plan::{Severity, Verdict};

/// What a line, which has this leaf, shows beside what it says of its own row. `of_file`: whether only a plan's file has it.
pub(crate) fn shows(intent: &Intent<'_>, leaf: Hash, of_file: bool) -> Line {
    let is_noted = |kind: &str| intent.notes.iter().any(|note| note.kind.0 == kind);
    let is_invalid = is_noted(notes::INVALID_ROW);
    let skips_invalid = is_invalid || is_noted(notes::OTHER_ACCOUNT);
    let is_by_policy = notes::OF_A_POLICY.into_iter().any(is_noted);
    Line { leaf, of_file, skips_invalid, is_default: !is_invalid && intent.name == DEFAULT_KEY_PAIR, is_by_policy }
}

/// Reads an intent: the notes must be those that the line calls for, the verdict must follow from them and from what was seen,
/// and the key pair to delete must be the one that the manifest means.
pub(crate) fn intent(intent: &Intent<'_>) -> Result<Claimed, String> {
    let gravest = intent.notes.iter().map(|note| note.severity).max();
    let verdict = match (gravest, &intent.observation) {
        (Some(Severity::Skip | Severity::Refuse), _) => Verdict::Skip,
        (_, None) => Verdict::Absent,
        (_, Some(_)) => Verdict::Delete,
    };
    if verdict != intent.verdict {
        let (said, noted) = (intent.verdict.as_str(), verdict.as_str());
        return Err(format!("its verdict is {said}, but what was seen and noted means {noted}"));
    }
    let identity = intent.observation.map(Identity::of).unwrap_or_default();
    if verdict == Verdict::Delete {
        if !identity.is_known() {
            return Err("it is to be deleted, but nothing says which key pair was seen".into());
        }
        let drifted = Drift::ALL.into_iter().find(|drift| drift.is_there(intent));
        if let Some(drift) = drifted {
            return Err(format!("it is to be deleted, although its {} is not the one that was meant", drift.what()));
        }
        if is_for_another(intent) {
            return Err("it is to be deleted, although its account is not the one that was meant".into());
        }
    }
    notes::check(intent)?;
    Ok(Claimed { identity, ..Claimed::default() })
}
