//! A plan's line about a row, and how the key pair that was seen differs from the one that the manifest names.

use super::super::shape;
use crate::domain::{created_at_text, parse_time};
use crate::manifest::moment;
use crate::record::plan::{EXPECTED_FINGERPRINT, Verdict};

/// A plan's line, as far as it is looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Intent<'a> {
    pub(super) verdict: Verdict,
    pub(super) name: &'a str,
    pub(super) account: &'a str,
    pub(super) conditions: &'a shape::Named<'a>,
    pub(super) observation: Option<&'a shape::Observation<'a>>,
    pub(super) notes: &'a [shape::Note<'a>],
}

impl<'a> From<&'a shape::Line<'a>> for Intent<'a> {
    fn from(line: &'a shape::Line<'a>) -> Self {
        Self {
            verdict: line.verdict,
            name: &line.name.0,
            account: &line.account.0,
            conditions: &line.conditions,
            observation: line.observation.as_ref(),
            notes: &line.notes,
        }
    }
}

/// In what the key pair that was seen can differ from the one that the manifest names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Drift {
    Arn,
    Fingerprint,
    CreatedAt,
}

impl Drift {
    pub(super) const ALL: [Self; 3] = [Self::Arn, Self::Fingerprint, Self::CreatedAt];

    pub(super) fn what(self) -> &'static str {
        match self {
            Self::Arn => "arn",
            Self::Fingerprint => "fingerprint",
            Self::CreatedAt => "creation time",
        }
    }

    /// Whether the line shows it.
    pub(super) fn is_there(self, intent: &Intent<'_>) -> bool {
        let Some(seen) = intent.observation else { return false };
        let differs = |expected: &str, found: &Option<shape::Str<'_>>| {
            intent.conditions.get(expected).is_some_and(|text| found.as_ref().is_none_or(|found| found.0 != text))
        };
        match self {
            Self::Arn => differs("arn", &seen.arn),
            Self::Fingerprint => differs(EXPECTED_FINGERPRINT, &seen.fingerprint),
            Self::CreatedAt => intent.conditions.get("created_at").is_some_and(|written| !is_created(written, seen)),
        }
    }
}

fn is_created(written: &str, seen: &shape::Observation<'_>) -> bool {
    let found = seen.created_at.as_ref().and_then(|text| parse_time(&text.0));
    moment(written).zip(found).is_some_and(|(written, found)| {
        // Whole seconds, as a person writes them, stand for any fraction; finer parts than milliseconds do not count.
        match written.subsec_nanosecond() {
            0 => written.as_second() == found.as_second(),
            _ => created_at_text(written) == created_at_text(found),
        }
    })
}

/// Whether the row is for another account than the credentials: by its own cell, else by its arn.
pub(super) fn is_for_another(intent: &Intent<'_>) -> bool {
    let in_arn = || intent.conditions.get("arn").and_then(|arn| arn.split(':').nth(4));
    intent.conditions.get("account_id").or_else(in_arn).is_some_and(|account| account != intent.account)
}
