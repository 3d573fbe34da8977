//! What each form of a report says in the same words.

use super::facts::{OUTCOMES, POLICY, PlanSignature, Reconciliation, Report, Resolution, Verification};
use super::safe::grouped;
use crate::domain::counted;
use crate::record::approval::Role;
use crate::review::facts::{Resolved, confirmed_how};
use crate::review::lifted::Override;
use crate::review::still_using::{BY_NAME, deleted_or_gone};

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

/// The title of the section about instances.
pub(super) const INSTANCES: &str = "Instances that may still accept a deleted key";

/// A target in words; a row that is not valid may have no region.
pub(super) fn place(account: &str, region: &str) -> String {
    match (account, region) {
        ("", "") => "no usable account or region".to_owned(),
        (account, "") => format!("{account}, no usable region"),
        (account, region) => format!("{account}/{region}"),
    }
}

/// The targets of the view `runs`, in words.
fn places(targets: &str) -> String {
    let one = |target: &str| {
        target.split_once('/').map_or_else(|| target.to_owned(), |(account, region)| place(account, region))
    };
    targets.split(", ").map(one).collect::<Vec<_>>().join("; ")
}

/// How to check the journal with nothing of keybatch's: what, and the command.
pub(super) fn without(report: &Report) -> Vec<(&'static str, String)> {
    let sums = "SELECT outcome, count(*) FROM intents WHERE run_id = 'RUN' GROUP BY outcome";
    let mut all = vec![(
        "One row, without the journal",
        "keybatch prove RUN ROW -o row.proof; python3 contrib/verify.py --checkpoint CHECKPOINTS row.proof".to_owned(),
    )];
    let verifier = "The whole journal, by a second verifier that shares no code with keybatch (Python 3.9 or later)";
    let verify = "python3 contrib/verify.py --checkpoint CHECKPOINTS journal.db";
    if report.journal.in_database {
        let sums = sums.replace("FROM ", "FROM keybatch.");
        let copy = "keybatch journal copy postgres://USER@HOST/DATABASE journal.db";
        all.insert(0, (verifier, format!("{copy}; {verify}")));
        all.insert(1, ("The numbers, with psql", format!("psql DATABASE -c \"{sums}\"")));
    } else {
        all.insert(0, (verifier, verify.to_owned()));
        all.insert(1, ("The numbers, with a plain SQLite shell", format!("sqlite3 -readonly journal.db \"{sums}\"")));
    }
    all.into_iter().map(|(what, command)| (what, command.replace("RUN", &report.run))).collect()
}

/// A count; of fields that could not be read, that it is not known.
pub(super) fn count(report: &Report, fields: &[&str], number: u64) -> String {
    if report.lacks(fields) { "unknown".to_owned() } else { grouped(number) }
}

/// How many requests were sent.
pub(super) fn requests(report: &Report) -> String {
    let deletes = count(report, &["deletes_sent"], report.deletes_sent);
    let reads = count(report, &["run"], report.reads_sent);
    let word = |number: &str, one: &str, many: &str| format!("{number} {}", if number == "1" { one } else { many });
    format!(
        "{} and {}, {}",
        word(&deletes, "delete request", "delete requests"),
        word(&reads, "read", "reads"),
        throttled(report)
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

/// A number of rows.
fn rows_of(rows: u64) -> String {
    format!("{} {}", grouped(rows), if rows == 1 { "row" } else { "rows" })
}

/// How many requests were throttled, and of which kind.
pub(super) fn throttled(report: &Report) -> String {
    let all = count(report, &["deletes_sent"], report.throttled);
    if report.throttled == 0 || report.lacks(&["deletes_sent", "traffic"]) {
        return format!("{all} throttled");
    }
    let deletes = report.traffic.classes.get("throttled").copied().unwrap_or_default();
    let reads = report.throttled.saturating_sub(deletes);
    let of = |count: u64, one: &str, many: &str| format!("{} {}", grouped(count), if count == 1 { one } else { many });
    format!("{all} throttled ({}, {})", of(deletes, "delete", "deletes"), of(reads, "read", "reads"))
}

/// What is known of the rows of a run that has no plan; none of one that has a plan, or whose plan could not be read.
pub(super) fn unplanned(report: &Report) -> Option<&'static str> {
    if report.plan.is_some() || report.lacks(&["plan"]) {
        return None;
    }
    // A run that was killed while it recorded its plan has some.
    let is_without_rows = report.evidence.is_empty() && !report.lacks(&["evidence"]);
    Some(if is_without_rows {
        "No plan was sealed, so no row was recorded, and nothing was asked for any of them."
    } else {
        "No plan was sealed, so nothing was asked for any of them."
    })
}

/// The title of the section about rows that a person should look at.
pub(super) const TO_LOOK_AT: &str = "To look at";

/// How many rows a person should look at, by outcome.
pub(super) fn to_look_at(report: &Report) -> String {
    if report.lacks(&["outcomes", "doubts"]) {
        return UNREAD.to_owned();
    }
    let counts = &report.outcomes;
    let all = [(counts.in_doubt, "in doubt"), (counts.unsettled, "unsettled"), (counts.gone, "gone")];
    let parts: Vec<_> =
        all.iter().filter(|(rows, _)| *rows > 0).map(|(rows, what)| format!("{} {what}", rows_of(*rows))).collect();
    if parts.is_empty() {
        "Nothing: no row is in doubt, unsettled or gone.".to_owned()
    } else {
        format!("{}.", parts.join(", "))
    }
}

/// What is to be done about rows in doubt and unsettled ones; none where there are none.
pub(super) fn must_look(report: &Report) -> Option<String> {
    let (in_doubt, unsettled) = (report.outcomes.in_doubt, report.outcomes.unsettled);
    let doubt = (in_doubt > 0).then(|| {
        format!("{} in doubt: what the journal has does not decide them, so a person must look. Each says what is known and what to look for.", rows_of(in_doubt))
    });
    let resume = (unsettled > 0)
        .then(|| format!("{} unsettled: keybatch resume settles what is unsettled.", rows_of(unsettled)));
    let all: Vec<_> = [doubt, resume].into_iter().flatten().collect();
    (!all.is_empty()).then(|| all.join(" "))
}

/// What stands at the top where the journal does not verify.
pub(super) fn unsound(report: &Report) -> Option<String> {
    let verdict = report.verification.as_ref().filter(|verdict| !verdict.sound)?;
    let word = verdict.verdict.replace('_', " ");
    Some(format!("THE JOURNAL DOES NOT VERIFY ({word}), so nothing below can be relied on: {}", verdict.detail))
}

/// The conservation sum in words.
pub(super) fn sum(report: &Report) -> String {
    if report.lacks(&["outcomes"]) {
        let rows = count(report, &["run"], report.rows);
        return format!("{rows} rows. Their outcomes could not be read, so there is no sum.");
    }
    if let Some(sentence) = unplanned(report) {
        return format!("{} in the manifest. {sentence}", rows_of(report.rows));
    }
    let parts: Vec<_> = OUTCOMES
        .into_iter()
        .map(|(outcome, human)| (report.outcomes.of(outcome), human))
        .filter(|(rows, _)| *rows > 0)
        .map(|(rows, human)| format!("{} {human}", grouped(rows)))
        .collect();
    let parts = if parts.is_empty() { "0".to_owned() } else { parts.join(" + ") };
    let verdict = match report.adds_up {
        true if report.lacks(&["plan"]) => "Every row has exactly one outcome, as far as the journal can be read.",
        true => "Every row has exactly one outcome.",
        false if report.lacks(&["plan", "facts"]) => {
            "THE SUM DOES NOT AGREE, or the plan is not complete: that part of the journal could not be read."
        }
        false => "THE SUM DOES NOT AGREE: verify the journal.",
    };
    format!("{} = {parts}. {verdict}", rows_of(report.rows))
}

/// What is known of rows that are gone; nothing where none is.
pub(super) fn gone(report: &Report) -> Vec<String> {
    let (gone, lost) = (report.outcomes.gone, report.gone_without_request);
    if gone > 0 && report.lacks(&["gone_without_request"]) {
        let rows = rows_of(gone);
        return vec![format!("{rows} gone; whether the journal has a request for each of them could not be read.")];
    }
    let are = |rows: u64| format!("{} {}", grouped(rows), if rows == 1 { "row is" } else { "rows are" });
    let mut all = Vec::new();
    if gone > lost {
        all.push(format!(
            "{} gone: the key pair was there before a request that no clear answer followed, and is not there now. That is settled; \
             what to look for shows who did it.",
            are(gone - lost)
        ));
    }
    if lost > 0 {
        all.push(format!(
            "{} gone without a request in the journal: entries of it were lost, and it is only presumed that one of them was a request. \
             The plan saw the key pair, and it is not there now. What to look for shows who did it.",
            are(lost)
        ));
    }
    all
}

/// A safety rule that was lifted: the flag, and the rest of the sentence.
pub(super) fn lifted(one: &Override) -> (String, String) {
    let why = one.why.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
    let lost = one.lost_text().map(|lost| format!(" ({lost})")).unwrap_or_default();
    (one.flag(), format!("by {}, {}{why}{lost}", one.by, one.at))
}

/// Key pairs whose public key instances may keep: what is known of them.
pub(super) fn still_used(report: &Report) -> String {
    if report.lacks(&["in_use"]) {
        return UNREAD.to_owned();
    }
    let unknown = if report.lacks(&["in_use_as_of"]) { "a time that could not be read" } else { "(no plan)" };
    let as_of = report.in_use_as_of.as_deref().unwrap_or(unknown);
    let used = report.in_use.len() as u64 + report.in_use_not_listed;
    if used == 0 {
        return format!(
            "None that is known: in the plan's inventory at {as_of}, no instance named a key pair deleted by this run or \
             gone since its plan. {STILL_CARRIED}"
        );
    }
    let of = deleted_or_gone(report.in_use.iter().map(|one| one.outcome.as_str()));
    let pairs = if used == 1 { "key pair" } else { "key pairs" };
    format!(
        "In the plan's inventory at {as_of}, instances named {} {pairs} {of}. {STILL_CARRIED} Note: {BY_NAME}.",
        grouped(used)
    )
}

/// How to learn of the instances of now.
pub(super) fn online(report: &Report) -> String {
    format!("keybatch instances --still-using {} --online", report.run)
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
    add("Accounts and regions", fact("targets").map(|targets| places(&targets)));
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
        let confirmed = confirmed.map(|(deletes, by)| {
            let deletions = if deletes == 1 { "deletion" } else { "deletions" };
            format!("{} {deletions}, {}", grouped(deletes), confirmed_how(by))
        });
        let otherwise = if report.lacks(&["plan"]) { UNREAD } else { "not confirmed" };
        add("Confirmed", Some(confirmed.unwrap_or_else(|| otherwise.to_owned())));
        add("Policy's SHA-256", plan.policy_sha256.clone());
    }
    if report.plan.is_none() && report.lacks(&["plan"]) {
        add("Plan", Some(UNREAD.to_owned()));
    } else if report.plan.is_none() {
        let policy = report.controls.iter().find(|one| one.name == POLICY);
        add("Plan", Some("none was sealed".to_owned()));
        add("Policy's SHA-256", policy.map(|one| one.value.clone()));
        let mut refused = report.controls.iter().filter(|one| matches!(one.name.as_str(), "stopped" | "abandoned"));
        add("Refused or given up", refused.next_back().map(|one| one.value.clone()));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_without_a_plan_has_no_rows_unless_some_were_recorded_or_could_not_be_read() {
        let said = |unread: &[&'static str]| {
            unplanned(&Report { unread: unread.iter().copied().collect(), ..Report::default() }).unwrap_or_default()
        };
        assert!(said(&[]).contains("no row was recorded"));
        assert!(said(&["evidence"]).contains("nothing was asked") && !said(&["evidence"]).contains("recorded"));
        assert_eq!(said(&["plan"]), "", "nobody knows whether it has one");
    }
}
