//! A policy in plain words, rule by rule.

use std::collections::BTreeSet;
use std::fmt::Display;

use super::by_rule::{age_text, words};
use super::in_use::IfInUse;
use super::limits::{AWS, Allowed, Limits, SANDBOX};
use super::rule::Rule;
use super::rules::{Liftable, Rules};
use crate::domain::counted;

/// What a policy says by one rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// The rule.
    pub rule: Rule,
    /// What it says, in a sentence.
    pub says: String,
    /// Whether it can be lifted.
    pub liftable: Liftable,
    /// What is left of it once it is lifted, where that is something.
    pub once_lifted: Option<String>,
}

/// Every rule that there may be, and what these say by it.
#[must_use]
pub fn explain(rules: &Rules) -> Vec<Explained> {
    let all = rules.in_force(&BTreeSet::new());
    let one = |rule: Rule| {
        let liftable = rules.liftable(rule);
        let once_lifted = (liftable == Liftable::InPart).then(|| says(&rules.firm, rule));
        Explained { rule, says: says(&all, rule), liftable, once_lifted }
    };
    Rule::ALL.iter().copied().map(one).collect()
}

fn says(limits: &Limits, rule: Rule) -> String {
    match rule {
        Rule::Accounts => allowed(&limits.accounts, "account", "accounts"),
        Rule::Regions => allowed(&limits.regions, "region", "regions"),
        Rule::Endpoints => endpoints(&limits.endpoints),
        Rule::ProtectedNames => protected(&limits.protected_names, "No name is protected.", "whose names are like"),
        Rule::ProtectedTags => protected(&limits.protected_tags, "No tag protects a key pair.", "that have a tag like"),
        Rule::MinimumAge => limits.minimum_age.map_or_else(
            || "Key pairs of any age may be deleted.".to_owned(),
            |age| format!("Key pairs are skipped that are younger than {} when the plan is made.", age_text(age)),
        ),
        Rule::MaximumDeletes => limits.maximum_deletes.map_or_else(
            || "A plan may delete any number of key pairs.".to_owned(),
            |most| format!("A plan is refused that deletes more than {}.", counted(most, "key pair", "key pairs")),
        ),
        Rule::MaximumPercent => limits.maximum_percent.map_or_else(
            || "A plan may delete any share of the key pairs that are there.".to_owned(),
            |most| {
                format!("A plan is refused that deletes more than {most} of the key pairs in any account and region.")
            },
        ),
        Rule::RequiredColumns => required(limits),
        Rule::IfInUse => match limits.if_in_use {
            IfInUse::Warn => "Key pairs in use are treated as --if-in-use says.".to_owned(),
            IfInUse::Skip => "Key pairs that instances were created with are skipped, or refuse the plan.".to_owned(),
            IfInUse::Refuse => "A plan is refused if instances were created with one of its key pairs.".to_owned(),
        },
        Rule::Approvals => approvals(limits),
        Rule::FourEyes => if limits.four_eyes {
            "Neither who made a plan nor who runs it counts as one of those who approved it."
        } else {
            "Whoever makes or runs a plan may also approve it."
        }
        .to_owned(),
        Rule::Rates => rates(limits),
    }
}

fn allowed(allowed: &Allowed, one: &str, several: &str) -> String {
    if allowed.0.is_empty() {
        return format!("Every {one} is allowed.");
    }
    if allowed.0.iter().any(BTreeSet::is_empty) {
        return format!("No {one} is allowed: a list of {several} is empty, and an empty list allows nothing.");
    }
    format!("A plan is refused that names any {one} but {}.", words(allowed))
}

fn endpoints(endpoints: &Allowed) -> String {
    if endpoints.0.is_empty() || endpoints.0.iter().any(BTreeSet::is_empty) {
        return allowed(endpoints, "endpoint", "endpoints");
    }
    let named = |word: &str| endpoints.0.iter().flatten().any(|glob| glob.as_str() == word);
    let mut text = format!("A plan is refused that is made at any endpoint but {}.", words(endpoints));
    if named(AWS) {
        text += " aws stands for the service's own addresses.";
    }
    text += if named(SANDBOX) { " sandbox stands for rehearsals." } else { " Rehearsals are refused, too." };
    text
}

fn protected<T: Display>(globs: &BTreeSet<T>, none: &str, which: &str) -> String {
    if globs.is_empty() {
        return none.to_owned();
    }
    let list: Vec<_> = globs.iter().map(ToString::to_string).collect();
    format!("Key pairs are skipped {which} {}.", list.join(" or "))
}

fn required(limits: &Limits) -> String {
    if limits.required_columns.is_empty() {
        return "The manifest needs no column but the names.".to_owned();
    }
    let columns = limits.required_columns.iter();
    let columns: Vec<_> =
        columns.map(|(column, allowed)| format!("{} in the column {column}", words(allowed))).collect();
    format!("A plan is refused unless each row has {}.", columns.join("; and "))
}

fn approvals(limits: &Limits) -> String {
    if limits.approvals == 0 {
        return "No approval is required.".to_owned();
    }
    let signers: Vec<_> = limits.signers.iter().map(String::as_str).collect();
    let by = if signers.is_empty() {
        "in the file of allowed signers that is given".to_owned()
    } else {
        format!("in {}", signers.join(" and in "))
    };
    let people = counted(u64::from(limits.approvals), "person whose key is", "people whose keys are");
    let have = if limits.approvals == 1 { "has" } else { "have" };
    format!("Only a plan in a file can be run, once {people} {by} {have} approved it.")
}

fn rates(limits: &Limits) -> String {
    if limits.rates.is_empty() {
        return "There is no cap on the rate but --rate.".to_owned();
    }
    let caps = limits.rates.iter().map(|(target, rate)| format!("{rate} in {target}"));
    let caps: Vec<_> = caps.collect();
    format!(
        "At most these requests are sent, whatever --rate says: {}. Of several that match, the lowest holds.",
        caps.join(", ")
    )
}
