//! What each form of a report says in the same words.

use super::facts::{OUTCOMES, Report, Verification};
use super::safe::grouped;

/// What a report says of a rehearsal.
pub(super) const REHEARSAL: &str = "REHEARSAL: this run worked against a sandbox. Nothing real was deleted.";

/// What deleting a key pair does not do.
pub(super) const STILL_CARRIED: &str =
    "Deleting a stored key pair does not remove its public key from running instances.";

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

/// The conservation sum in words.
pub(super) fn sum(report: &Report) -> String {
    let parts: Vec<_> = OUTCOMES
        .into_iter()
        .map(|(outcome, human)| (report.outcomes.of(outcome), human))
        .filter(|(rows, _)| *rows > 0)
        .map(|(rows, human)| format!("{} {human}", grouped(rows)))
        .collect();
    let parts = if parts.is_empty() { "0".to_owned() } else { parts.join(" + ") };
    let verdict = match (report.adds_up, report.plan.is_some()) {
        (true, _) => "Every row has exactly one outcome.",
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
    add("Rows", Some(grouped(report.rows)));
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
    add("Plan's root", fact("plan_root"));
    add("Began", fact("started_at"));
    add("Ended", fact("finished_at"));
    add("Stopped by", fact("stopped_by"));
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
