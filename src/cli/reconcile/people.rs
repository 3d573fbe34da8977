//! What was found, for people.

use super::super::{CliError, Context, shown};
use super::moment::whole;
use super::report::{Attempt, Report, class_of};
use crate::domain::counted;
use crate::review::reconcile::{Unexplained, Unseen, Why};
use crate::session::Recorded;

/// How many lines a list has; all of them are in the other formats.
const LINES: usize = 20;

pub(super) fn say(context: &Context, report: &Report, recorded: Option<&Recorded>) -> Result<(), CliError> {
    let found = &report.found;
    let mut text = String::new();
    let sandbox = if report.run.sandbox { "SANDBOX " } else { "" };
    let (from, until) = found.scope.window;
    text += &format!("{sandbox}run {}, {} to {}\n", report.run.run, whole(from), whole(until));
    let counts = &found.counts;
    let by = &found.matched_by;
    let ways = [
        (by.request_id, "request id"),
        (by.operation_id, "operation id"),
        (by.user_agent, "run in the user agent"),
        (by.name_and_time, "name and time alone"),
    ];
    let ways: Vec<_> =
        ways.iter().filter(|(count, _)| *count > 0).map(|(count, way)| format!("{way} {count}")).collect();
    let ways = if ways.is_empty() { String::new() } else { format!("  by {}", ways.join(", ")) };
    text += &format!("  confirmed     {}{ways}\n", counts.confirmed);
    text += &format!("  not seen      {}\n", counts.not_seen);
    text += &format!("  contradicted  {}\n", counts.contradicted);
    if counts.not_sent > 0 {
        text += &format!("  never sent    {}\n", counts.not_sent);
    }
    text += &format!("  unexplained   {}\n", counted(found.unexplained_count, "event", "events"));
    list(&mut text, "Contradicted:", report.contradicted.iter(), counts.contradicted, |attempt| {
        let says: Vec<_> = found.against(attempt.number).into_iter().map(|(_, text)| text).collect();
        let event = found.shown(attempt.number).map(|shown| format!(" (event {}, {})", shown.id, shown.time));
        let class = class_of(&attempt.record).map_or("no answer", |class| class.as_str());
        format!("{}, {class}: {}{}", subject(attempt), says.join("; "), shown(&event.unwrap_or_default()))
    });
    list(&mut text, "Unexplained:", found.unexplained.iter(), found.unexplained_count, event);
    for reason in Unseen::ALL {
        let of_reason = || report.not_seen.iter().filter(|attempt| found.unseen(attempt.number) == reason);
        let title = format!("Not seen; {}:", reason.meaning());
        let count = of_reason().count() as u64;
        list(&mut text, &title, of_reason(), count, |attempt| {
            format!("{} at {}", subject(attempt), attempt.started_at)
        });
    }
    let hint = if recorded.is_some() { "" } else { " (--record records that)" };
    let title = format!("Deleted by this run, as a record shows{hint}:");
    list(&mut text, &title, report.proven.iter(), report.proven.len() as u64, |proven| {
        let name = shown(&proven.name);
        format!(
            "row {} {name}, {} until now (event {})",
            proven.row,
            proven.outcome.replace('_', " "),
            shown(&proven.shown.id)
        )
    });
    let missing = report.missing.iter();
    list(&mut text, "What the files leave open:", missing, report.missing.len() as u64, |missing| shown(&missing.text));
    if let Some(recorded) = recorded {
        text += &match recorded.seq {
            Some(seq) => {
                format!("Recorded in entry {seq}; {} resolved\n", counted(recorded.rows.len() as u64, "row", "rows"))
            }
            None => "Nothing recorded: the last reconciliation of the run says the same\n".to_owned(),
        };
    }
    context.ui.data(&text)?;
    if found.has_findings() {
        context.ui.talk("CloudTrail does not agree with the journal: see above");
    } else if counts.not_seen > 0 {
        context.ui.talk(
            "a request that no record shows may have been made all the same: CloudTrail's records are best effort",
        );
    }
    Ok(())
}

/// A list with a title, if there is anything in it.
fn list<T>(text: &mut String, title: &str, all: impl Iterator<Item = T>, count: u64, line: impl Fn(T) -> String) {
    if count == 0 {
        return;
    }
    *text += &format!("{title}\n");
    for item in all.take(LINES) {
        *text += &format!("  {}\n", line(item));
    }
    if count > LINES as u64 {
        *text += &format!("  and {} more\n", count - LINES as u64);
    }
}

fn subject(attempt: &Attempt) -> String {
    let record = &attempt.record;
    format!(
        "row {} {} in {}, attempt {}",
        record.row,
        shown(&record.name),
        shown(&record.target.region),
        record.attempt
    )
}

fn event(Unexplained { why, event }: &Unexplained) -> String {
    let said = |text: &Option<String>, else_: &str| text.as_deref().map_or_else(|| else_.to_owned(), shown);
    let name = said(&event.name, "a key pair that the record does not name");
    let error = event.error_code.as_deref().map_or_else(String::new, |code| format!(", refused ({})", shown(code)));
    format!(
        "{} {name} in {}{error}, by {} from {}: {} (event {})",
        event.time,
        shown(&event.region),
        said(&event.by, "nobody that the record names"),
        said(&event.from, "an unknown address"),
        because(*why),
        shown(&event.id),
    )
}

fn because(why: Why) -> &'static str {
    match why {
        Why::AnotherCaller => "its user agent names no run of keybatch, or its caller is not one of the run's",
        Why::UnknownRun => "its user agent names a run that this journal does not have",
        Why::NoSuchAttempt => "its user agent names a run of this journal, which has no attempt that explains it",
        Why::Unattributed => "it has no user agent, and the journal no attempt on this key pair at that time",
    }
}
