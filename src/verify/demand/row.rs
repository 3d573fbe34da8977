//! A row that is to be deleted, held against the rules of a policy. These are readings of this room's own: the guards that made the
//! plan are what is judged.

use jiff::Timestamp;

use super::told::RunDemands;
use crate::domain::parse_time;
use crate::manifest::{Meaning, fold};
use crate::policy::Rule;
use crate::policy::in_use::IfInUse;
use crate::policy::limits::{Allowed, Limits};
use crate::record::event::IntentRecorded;
use crate::record::plan::PlanRow;

/// The note of a row whose key pair instances were created with.
const IN_USE: &str = "in_use";

/// What a row that is to be deleted says against `limits`, which is told. Returns when its key pair was created.
pub(super) fn judge(
    intent: &IntentRecorded,
    seq: u64,
    limits: &Limits,
    has_annotations: bool,
    told: &mut RunDemands,
) -> Option<Timestamp> {
    let line = &intent.line;
    let (row, name) = (Some(line.row), &line.name);
    let today = intent.today.as_ref().and_then(|today| today.observation.as_ref());
    let seen = today.or(line.observation.as_ref());
    for (rule, what, value, allowed) in [
        (Rule::Accounts, "account", &line.account, &limits.accounts),
        (Rule::Regions, "region", &line.region, &limits.regions),
    ] {
        if !allows(allowed, value) {
            let text = format!("{name} is to be deleted in the {what} {value}, which the policy does not allow");
            told.violated(rule.as_str(), seq, row, text);
        }
    }
    if let Some(glob) = limits.protected_names.iter().find(|glob| glob.matches(name)) {
        let text = format!("{name} is to be deleted, and the policy protects names like {glob}");
        told.violated(Rule::ProtectedNames.as_str(), seq, row, text);
    }
    let is_protected =
        |(key, value): &(&String, &String)| limits.protected_tags.iter().any(|tag| tag.matches(key, value));
    if let Some((key, value)) = seen.and_then(|seen| seen.tags.iter().find(is_protected)) {
        let text = format!("{name} is to be deleted, and the policy protects its tag {key}={value}");
        told.violated(Rule::ProtectedTags.as_str(), seq, row, text);
    }
    if limits.if_in_use > IfInUse::Warn && intent.notes().iter().any(|note| note.kind == IN_USE) {
        let text = format!("{name} is to be deleted, although instances were created with it");
        told.violated(Rule::IfInUse.as_str(), seq, row, text);
    }
    for (column, allowed) in &limits.required_columns {
        match cell(line, column) {
            Some(value) if allows(allowed, value) => {}
            None if !has_annotations && Meaning::of(column).is_none() => {
                let text = format!("the plan was made without annotations, so nothing shows the column {column}");
                told.not_judged(Rule::RequiredColumns.as_str(), text);
            }
            found => {
                let is = found.map_or_else(|| "is empty".to_owned(), |value| format!("is {value:?}"));
                let text =
                    format!("{name} is to be deleted, and its column {column} {is}, which the policy does not permit");
                told.violated(Rule::RequiredColumns.as_str(), seq, row, text);
            }
        }
    }
    let created = seen.and_then(|seen| seen.created_at.as_deref()).and_then(parse_time);
    if created.is_none() && limits.minimum_age.is_some() {
        let text = format!("{name} is to be deleted, and nothing shows how old it is");
        told.violated(Rule::MinimumAge.as_str(), seq, row, text);
    }
    created
}

fn allows(allowed: &Allowed, value: &str) -> bool {
    allowed.0.iter().all(|list| list.iter().any(|glob| glob.matches(value)))
}

/// What a plan's line has in a column; nothing where it is empty. A column with a meaning may be an annotation, because the operator
/// said so.
fn cell<'a>(line: &'a PlanRow, column: &str) -> Option<&'a str> {
    let meaning = Meaning::of(column);
    let value = match meaning {
        Some(Meaning::Name) => Some(&line.name),
        Some(Meaning::Reason) => line.reason.as_ref(),
        Some(Meaning::Ticket) => line.ticket.as_ref(),
        Some(other) => line.conditions.get(other.canonical()),
        None => None,
    };
    let is_it = |name: &str| match meaning {
        Some(_) => Meaning::of(name) == meaning,
        None => Meaning::of(name).is_none() && fold(name) == column,
    };
    let annotation = || line.annotations.iter().find(|(name, _)| is_it(name)).map(|(_, text)| text);
    value.or_else(annotation).map(String::as_str).filter(|text| !text.is_empty())
}
