//! What to look for, and what was found, in lines for people. Commands stand alone on a line, to be copied.

use std::fmt::Write as _;

use super::shown;
use crate::domain::counted;
use crate::review::{LookFor, Resolved};

/// What to look for where the journal does not show what became of a row.
pub(super) fn look_for_text(look_for: &LookFor, sandbox: bool) -> String {
    let mut out = String::from("what to look for\n");
    if sandbox {
        let _ = writeln!(out, "  this was a rehearsal: CloudTrail has nothing of it, but of a real run it has");
    }
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(out, "  {name:<11} {}", shown(value));
    };
    line("in", look_for.place);
    line("account", &look_for.account);
    line("region", &look_for.region);
    line("event", &format!("{} of {}", look_for.event_name, look_for.event_source));
    line("key pair", &look_for.key_pair_name);
    line("user agent", &look_for.user_agent);
    look_for.request_ids.iter().for_each(|id| line("request id", id));
    look_for.operation_ids.iter().for_each(|id| line("operation", id));
    for attempt in &look_for.attempts {
        let answered = if attempt.answered { "answered" } else { "not answered" };
        let late = attempt.late.map(|class| format!(" too late ({})", class.as_str().replace('_', " ")));
        let late = late.unwrap_or_default();
        line(&format!("attempt {}", attempt.attempt), &format!("{answered}{late}, by this machine's clock"));
        line("  from", &attempt.from);
        line("  until", &attempt.until);
    }
    let _ = writeln!(
        out,
        "  Records appear up to {} minutes late, and stay for {} days.\n  That of a denied call names no key pair: look up the event's name.",
        look_for.late_minutes, look_for.kept_days
    );
    let _ = writeln!(out, "look with credentials for account {}", shown(&look_for.account));
    for looking in &look_for.commands {
        let _ = writeln!(out, "  {}:\n    {}", looking.shows, shown(&looking.command));
    }
    let Some(sealed) = look_for.sealed else {
        out.push_str("then say what you found\n");
        for finding in &look_for.findings {
            let command = finding.command.as_deref().map(shown).unwrap_or_default();
            let _ = writeln!(out, "  {}:\n    {command}", finding.found);
        }
        return out;
    };
    out.push_str("what that would mean\n");
    for finding in &look_for.findings {
        let outcome = finding.outcome.map_or_else(|| "no outcome".to_owned(), |outcome| outcome.replace('_', " "));
        let _ = writeln!(out, "  {}: {outcome}", finding.found);
    }
    let _ = writeln!(out, "  {sealed}.");
    out
}

/// What was said later of rows of a run, a line for each outcome.
pub(super) fn resolved_text(resolved: &[Resolved]) -> String {
    let line = |Resolved { outcome, by, rows }: &Resolved| {
        let rows = counted(*rows, "row", "rows");
        format!("  {rows} said later to be {}, by `{by}`\n", outcome.replace('_', " "))
    };
    resolved.iter().map(line).collect()
}
