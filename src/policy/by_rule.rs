//! What a policy's rules say of a row.

use std::time::Duration;

use jiff::Timestamp;

use super::column::cell;
use super::limits::{Allowed, Limits};
use super::staged::StagedRow;
use crate::domain::parse_time;
use crate::record::plan::{Note, PlanObservation, Severity};

/// The note of a row in an account that the policy does not allow.
pub const ACCOUNT_NOT_ALLOWED: &str = "account_not_allowed";

/// The note of a row in a region that the policy does not allow.
pub const REGION_NOT_ALLOWED: &str = "region_not_allowed";

/// The note of a row that lacks what the policy requires of a column.
pub const COLUMN_REQUIRED: &str = "column_required";

/// The note of a row whose key pair's name the policy protects.
pub const PROTECTED_NAME: &str = "protected_name";

/// The note of a row whose key pair has a tag that the policy protects.
pub const PROTECTED_TAG: &str = "protected_tag";

/// The note of a row whose key pair is younger than the policy permits.
pub const TOO_YOUNG: &str = "too_young";

/// A row, as far as rules look at it.
pub(super) struct Row<'a> {
    pub(super) staged: &'a StagedRow,
    pub(super) name: &'a str,
    pub(super) account: &'a str,
    pub(super) region: &'a str,
    pub(super) seen: Option<&'a PlanObservation>,
    /// When the plan was made.
    pub(super) judged_at: Timestamp,
}

/// What the rules note about a valid row: what the manifest must not ask for refuses the plan, what a key pair is protected by skips
/// the row.
pub(super) fn notes(row: &Row<'_>, limits: &Limits) -> Vec<Note> {
    let mut notes = Vec::new();
    let mut note = |severity, kind: &str, text| notes.push(Note { severity, kind: kind.to_owned(), text });
    for (kind, what, value, allowed) in [
        (ACCOUNT_NOT_ALLOWED, "account", row.account, &limits.accounts),
        (REGION_NOT_ALLOWED, "region", row.region, &limits.regions),
    ] {
        if !allowed.allows(|glob| glob.matches(value)) {
            note(Severity::Refuse, kind, format!("the policy does not allow the {what} {value}"));
        }
    }
    for (column, allowed) in &limits.required_columns {
        let found = cell(row.staged, row.name, column);
        if !found.is_some_and(|text| allowed.allows(|glob| glob.matches(text))) {
            let is = if found.is_some() { "has another value" } else { "is empty" };
            let text = format!("the policy requires {} in the column {column}, which {is} here", words(allowed));
            note(Severity::Refuse, COLUMN_REQUIRED, text);
        }
    }
    let Some(seen) = row.seen else { return notes };
    if let Some(glob) = limits.protected_names.iter().find(|glob| glob.matches(row.name)) {
        note(Severity::Skip, PROTECTED_NAME, format!("the policy protects key pairs with names like {glob}"));
    }
    let protected = |(key, value): &(&String, &String)| limits.protected_tags.iter().any(|tag| tag.matches(key, value));
    if let Some((key, value)) = seen.tags.iter().find(protected) {
        let tag = if value.is_empty() { key.clone() } else { format!("{key}={value}") };
        note(Severity::Skip, PROTECTED_TAG, format!("it has the tag {tag}, and the policy protects such key pairs"));
    }
    if let Some(least) = limits.minimum_age
        && let Some(text) = too_young(seen.created_at.as_deref(), row.judged_at, least)
    {
        note(Severity::Skip, TOO_YOUNG, text);
    }
    notes
}

/// Why a key pair is not shown to be so old. The text has no time of its own: two plans that say the same have the same notes.
fn too_young(created_at: Option<&str>, judged_at: Timestamp, least: Duration) -> Option<String> {
    let age_text = age_text(least);
    let Some(created) = created_at.and_then(parse_time) else {
        return Some(format!(
            "its creation time is unknown, so nothing shows that it is {age_text} old, as the policy requires"
        ));
    };
    // A key pair from the future has no age.
    let age = Duration::try_from(judged_at.duration_since(created)).unwrap_or_default();
    let created_at = created_at.unwrap_or_default();
    (age < least)
        .then(|| format!("it was created {created_at}, and the policy protects key pairs younger than {age_text}"))
}

/// An age as people write it, in the largest unit in which it is a whole number.
pub(super) fn age_text(age: Duration) -> String {
    let seconds = age.as_secs();
    for (unit, per) in [("d", 86_400), ("h", 3_600)] {
        if seconds.is_multiple_of(per) {
            return format!("{}{unit}", seconds / per);
        }
    }
    format!("{}m", seconds / 60)
}

/// What some lists allow together, in words.
pub(super) fn words(allowed: &Allowed) -> String {
    let lists = allowed.0.iter().map(|list| match list.len() {
        0 => "something that no value is".to_owned(),
        _ => list
            .iter()
            .map(|glob| if glob.as_str() == "*" { "any text".to_owned() } else { glob.to_string() })
            .collect::<Vec<_>>()
            .join(" or "),
    });
    lists.collect::<Vec<_>>().join(", and also ")
}
