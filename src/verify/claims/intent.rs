//! Compares what a plan says about a row with what was seen and noted.

use super::super::shape;
use super::claimed::{Claimed, Identity};
use crate::domain::{created_at_text, parse_time};
use crate::manifest::moment;
use crate::record::plan::{EXPECTED_FINGERPRINT, Severity, Verdict};

/// An intent, as far as it is looked at.
#[derive(Debug)]
pub(crate) struct Intent<'a> {
    pub(crate) verdict: Verdict,
    pub(crate) account: &'a str,
    pub(crate) conditions: &'a shape::Named<'a>,
    pub(crate) observation: Option<&'a shape::Observation<'a>>,
    /// Of the gravest note.
    pub(crate) severity: Option<Severity>,
}

impl<'a> From<&'a shape::Line<'a>> for Intent<'a> {
    fn from(line: &'a shape::Line<'a>) -> Self {
        Self {
            verdict: line.verdict,
            account: &line.account.0,
            conditions: &line.conditions,
            observation: line.observation.as_ref(),
            severity: line.notes.iter().map(|note| note.severity).max(),
        }
    }
}

/// Reads an intent: the verdict must follow from the notes and from what was seen, and the key pair to delete must be
/// the one that the manifest means.
pub(crate) fn intent(intent: &Intent<'_>) -> Result<Claimed, String> {
    let verdict = match (intent.severity, &intent.observation) {
        (Some(Severity::Skip | Severity::Refuse), _) => Verdict::Skip,
        (_, None) => Verdict::Absent,
        (_, Some(_)) => Verdict::Delete,
    };
    if verdict != intent.verdict {
        let (said, noted) = (intent.verdict.as_str(), verdict.as_str());
        return Err(format!("its verdict is {said}, but what was seen and noted means {noted}"));
    }
    let Some(seen) = intent.observation else { return Ok(Claimed::default()) };
    let identity = Identity::of(seen);
    if verdict == Verdict::Delete {
        if !identity.is_known() {
            return Err("it is to be deleted, but nothing says which key pair was seen".into());
        }
        if let Some(what) = drift(intent, seen) {
            return Err(format!("it is to be deleted, although its {what} is not the one that was meant"));
        }
    }
    Ok(Claimed { identity, ..Claimed::default() })
}

/// How the key pair that was seen differs from the one that the manifest names.
fn drift(intent: &Intent<'_>, seen: &shape::Observation<'_>) -> Option<&'static str> {
    let differs = |expected: Option<&str>, found: &Option<shape::Str<'_>>| {
        expected.is_some_and(|expected| found.as_ref().is_none_or(|found| found.0 != expected))
    };
    if differs(intent.conditions.get("arn"), &seen.arn) {
        return Some("arn");
    }
    if differs(intent.conditions.get(EXPECTED_FINGERPRINT), &seen.fingerprint) {
        return Some("fingerprint");
    }
    if intent.conditions.get("account_id").is_some_and(|account| account != intent.account) {
        return Some("account");
    }
    let written = intent.conditions.get("created_at")?;
    let found = seen.created_at.as_ref().and_then(|text| parse_time(&text.0));
    let same = moment(written).zip(found).is_some_and(|(written, found)| {
        // Whole seconds, as a person writes them, stand for any fraction; finer parts than milliseconds do not count.
        match written.subsec_nanosecond() {
            0 => written.as_second() == found.as_second(),
            _ => created_at_text(written) == created_at_text(found),
        }
    });
    (!same).then_some("creation time")
}
