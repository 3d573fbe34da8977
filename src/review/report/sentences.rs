//! What each form of a report says in the same words.

use super::facts::{OUTCOMES, PlanSignature, Reconciliation, Report, Resolution, Verification};
use super::safe::grouped;
use crate::domain::counted;
use crate::record::approval::Role;
use crate::review::facts::Resolved;

/// What a report says of a rehearsal.
pub(super) const REHEARSAL: &str = "REHEARSAL: this run worked against a sandbox. Nothing real was deleted.";

/// What deleting a key pair does not do.
pub(super) const STILL_CARRIED: &str =
    "Deleting a stored key pair does not remove its public key from running instances.";

/// How many rows of a list Markdown and text have: a step's summary has a limit of 1 MiB.
pub(super) const LISTED: usize = 50;

/// How many more there are than such a list has, of a list that may itself lack some.
pub(super) fn beyond(listed: usize, not_listed: u64) -> u64 {
    listed.saturating_sub(LISTED) as u64 + not_listed
}

/// What stands in the place of what could not be read.
pub(super) const UNREAD: &str = "Unknown: this could not be read from the journal.";

/// What people read where nobody compared the run with CloudTrail.
pub(super) const NOT_RECONCILED: &str =
    "Nobody has recorded a comparison of this run with CloudTrail: `keybatch reconcile --record` does.";

/// How to check the journal with nothing of keybatch's.
pub(super) const WITHOUT: [(&str, &str); 3] = [
    (
        "The whole journal, by a second verifier that shares no code with keybatch (Python 3.9 or later)",
        "python3 contrib/verify.py --checkpoint CHECKPOINTS journal.db",
    ),
    (
        "The numbers, with a plain SQLite shell",
        "sqlite3 -readonly journal.db \"SELECT outcome, count(*) FROM intents WHERE run_id = 'RUN' GROUP BY outcome\"",
    ),
    (
        "One row, without the journal",
        "keybatch prove RUN ROW -o row.proof; python3 contrib/verify.py --checkpoint CHECKPOINTS row.proof",
    ),
];

/// A count; of fields that could not be read, that it is not known.
pub(super) fn count(report: &Report, fields: &[&str], number: u64) -> String {
    if report.lacks(fields) { "unknown".to_owned() } else { grouped(number) }
}

/// How many requests were sent.
pub(super) fn requests(report: &Report) -> String {
    let deletes = count(report, &["deletes_sent"], report.deletes_sent);
    let reads = count(report, &["run"], report.reads_sent);
    let throttled = count(report, &["deletes_sent"], report.throttled);
    let word = |number: &str, one: &str, many: &str| format!("{number} {}", if number == "1" { one } else { many });
    format!(
        "{} and {}, {throttled} throttled",
        word(&deletes, "delete request", "delete requests"),
        word(&reads, "read", "reads")
    )
}

/// A signature under the plan.
pub(super) fn signature(one: &PlanSignature) -> String {
    let by = match one.role {
        Role::Maker => "its maker",
        Role::Session => "the session that executes it",
    };
    format!("signed by {by} with {}, recorded {}", one.key, one.at)
}

/// How many rows became what.
pub(super) fn resolved(one: &Resolved) -> String {
    let rows = counted(one.rows, "row", "rows");
    format!("{rows} said later to be {}, by `{}`", one.outcome.replace('_', " "), one.by)
}

/// What somebody said of a row.
pub(super) fn resolution(one: &Resolution) -> String {
    let said = match one.outcome.as_str() {
        "in_doubt" => "what was said is withdrawn".to_owned(),
        outcome => format!("said to be {}", outcome.replace('_', " ")),
    };
    let event = one.event_id.as_ref().map(|id| format!(" (event {id})")).unwrap_or_default();
    format!("row {} {said} by {}, with `{}`: {}{event}", one.row, one.by, one.command, one.because)
}

/// What a comparison with CloudTrail found.
pub(super) fn reconciliation(one: &Reconciliation) -> String {
    let attempts = &one.attempts;
    let unreadable = match one.unreadable {
        0 => String::new(),
        places => format!("; {} could not be read", counted(places, "place in them", "places in them")),
    };
    format!(
        "compared by {} with {} from {} until {}, which hold {}{unreadable}: {} confirmed, {} not seen, {} contradicted, {} never \
         sent; {} that nothing in the journal explains; {} given another outcome. Files: {}",
        one.by,
        counted(one.files, "file of CloudTrail's records", "files of CloudTrail's records"),
        one.from,
        one.until,
        counted(one.events, "event of DeleteKeyPair", "events of DeleteKeyPair"),
        counted(attempts.confirmed, "attempt", "attempts"),
        grouped(attempts.not_seen),
        grouped(attempts.contradicted),
        grouped(attempts.not_sent),
        counted(one.unexplained, "event", "events"),
        counted(one.resolves, "row", "rows"),
        one.files_sha256
    )
}

/// The conservation sum in words.
pub(super) fn sum(report: &Report) -> String {
    if report.lacks(&["outcomes"]) {
        let rows = count(report, &["run"], report.rows);
        return format!("{rows} rows. Their outcomes could not be read, so there is no sum.");
    }
    let parts: Vec<_> = OUTCOMES
        .into_iter()
        .map(|(outcome, human)| (report.outcomes.of(outcome), human))
        .filter(|(rows, _)| *rows > 0)
        .map(|(rows, human)| format!("{} {human}", grouped(rows)))
        .collect();
    let parts = if parts.is_empty() { "0".to_owned() } else { parts.join(" + ") };
    let verdict = match (report.adds_up, report.plan.is_some()) {
        (true, _) if report.lacks(&["plan"]) => "Every row has exactly one outcome, as far as the journal can be read.",
        (true, _) => "Every row has exactly one outcome.",
        (false, _) if report.lacks(&["plan", "facts"]) => {
            "THE SUM DOES NOT AGREE, or the plan is not complete: that part of the journal could not be read."
        }
        (false, false) => "The plan is not complete, so the sum is not either.",
        (false, true) => "THE SUM DOES NOT AGREE: verify the journal.",
    };
    format!("{} rows = {parts}. {verdict}", grouped(report.rows))
}

/// What was asked: (name, value).
pub(super) fn asked_facts(report: &Report) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    let mut add = |name, value: Option<String>| facts.extend(value.map(|value| (name, value)));
    let fact = |name: &str| report.fact(name).map(str::to_owned);
    add("Reason", fact("reason"));
    add("Ticket", fact("ticket"));
    add("Operator", fact("operator"));
    add("Credentials", fact("principal_arn"));
    add("Manifest", fact("manifest"));
    add("Manifest's SHA-256", fact("manifest_sha256"));
    add("Rows", Some(count(report, &["run"], report.rows)));
    add("Service", fact("endpoint"));
    add("Accounts and regions", fact("targets"));
    if let Some(plan) = &report.plan {
        add(
            "Plan",
            Some(format!(
                "{} to delete, {} to skip, {} absent",
                grouped(plan.deletes),
                grouped(plan.skips),
                grouped(plan.absents)
            )),
        );
        add("Plan made", Some(format!("{} by {}", plan.made_at, plan.made_by)));
        add("Plan valid until", plan.expires_at.clone());
        let confirmed = plan.confirmed.zip(plan.confirmed_by.as_deref());
        let confirmed = confirmed.map(|(deletes, by)| format!("{} deletions, by {by}", grouped(deletes)));
        add("Confirmed", Some(confirmed.unwrap_or_else(|| "not confirmed".to_owned())));
        add("Policy's SHA-256", plan.policy_sha256.clone());
    }
    if report.lacks(&["plan"]) {
        add("Plan", Some(UNREAD.to_owned()));
    }
    add("Plan's root", fact("plan_root"));
    add("Began", fact("started_at"));
    add("Ended", fact("finished_at"));
    add("Stopped by", fact("stopped_by"));
    if report.lacks(&["facts"]) {
        add("The rest", Some(UNREAD.to_owned()));
    }
    facts
}

/// What a verdict covers: (name, value).
pub(super) fn coverage(verdict: &Verification) -> Vec<(&'static str, String)> {
    let proved = verdict.proved_up_to.map_or_else(
        || "no outside checkpoint was brought, or none that proves anything".to_owned(),
        |size| format!("entries 0 to {}, by a checkpoint from outside", size.saturating_sub(1)),
    );
    let end = if verdict.end_covered { "covered" } else { "not covered" };
    let mut all = vec![
        ("Entries read", grouped(verdict.entries)),
        ("Root", verdict.root.clone()),
        ("Proved", proved),
        ("Deletions covered", format!("{} of {}", grouped(verdict.deletions_covered), grouped(verdict.deletions))),
        ("End of the run", end.to_owned()),
    ];
    all.extend(verdict.first_bad.map(|seq| ("First bad entry", seq.to_string())));
    all
}
