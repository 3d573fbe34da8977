//! What was found, for programs: one object, or a line for each attempt and event.

use serde_json::{Value, json};

use super::super::{CliError, Context, Format};
use super::moment::whole;
use super::report::{Attempt, Report, class_of, each_attempt};
use crate::journal::{Cell, Reader};
use crate::review::json_text;
use crate::review::reconcile::{Standing, Unexplained};
use crate::session::Recorded;

/// The columns of a line.
const COLUMNS: [&str; 20] = [
    "what",
    "result",
    "row_no",
    "attempt",
    "key_pair_name",
    "account_id",
    "region",
    "at",
    "class",
    "outcome",
    "matched_by",
    "strength",
    "event_id",
    "error_code",
    "by",
    "source_ip",
    "user_agent",
    "detail",
    "run_id",
    "sandbox",
];

pub(super) async fn say(
    context: &Context,
    reader: &Reader,
    report: &Report,
    recorded: Option<&Recorded>,
) -> Result<(), CliError> {
    if context.ui.format == Format::Json {
        return Ok(context.ui.data(&format!("{}\n", json_text(&object(report, recorded))))?);
    }
    let mut stream = context.ui.stream(&COLUMNS)?;
    let mut failed = None;
    each_attempt(reader, report, |attempt| {
        if failed.is_none() {
            failed = stream.row(&attempt_line(report, &attempt)).err();
        }
        Ok(())
    })
    .await?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    for event in &report.found.unexplained {
        stream.row(&event_line(report, event))?;
    }
    for fault in &report.read.faults {
        let place = fault.at.map_or_else(String::new, |at| format!(", byte {at}"));
        let mut line = Line::of(report, "file", "unreadable");
        line.set("detail", text(&format!("{}{place}: {}", fault.file, fault.why)));
        stream.row(&line.0)?;
    }
    Ok(stream.end()?)
}

/// A line whose cells are named.
struct Line(Vec<Cell>);

impl Line {
    fn of(report: &Report, what: &str, result: &str) -> Self {
        let mut line = Self(vec![Cell::Null; COLUMNS.len()]);
        line.set("what", text(what));
        line.set("result", text(result));
        line.set("run_id", text(&report.run.run.to_string()));
        line.set("sandbox", Cell::Boolean(report.run.sandbox));
        line
    }

    fn set(&mut self, name: &str, cell: Cell) {
        if let Some(place) = COLUMNS.iter().position(|column| *column == name) {
            self.0[place] = cell;
        }
    }
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

fn maybe(given: Option<&str>) -> Cell {
    given.map_or(Cell::Null, text)
}

fn attempt_line(report: &Report, attempt: &Attempt) -> Vec<Cell> {
    let (found, record) = (&report.found, &attempt.record);
    let standing = found.standing(attempt.number);
    let mut line = Line::of(report, "attempt", standing.as_str());
    let matched = found.matched_by(attempt.number);
    let against: Vec<_> = found.against(attempt.number).iter().map(|(word, _)| *word).collect();
    let detail = match standing {
        Standing::NotSeen => found.unseen(attempt.number).as_str().to_owned(),
        _ => against.join(" "),
    };
    let shown = found.shown(attempt.number);
    line.set("row_no", Cell::Integer(i64::try_from(record.row).unwrap_or(i64::MAX)));
    line.set("attempt", Cell::Integer(i64::from(record.attempt)));
    line.set("key_pair_name", text(&record.name));
    line.set("account_id", text(&record.target.account));
    line.set("region", text(&record.target.region));
    line.set("at", text(&attempt.started_at));
    line.set("class", maybe(class_of(record).map(|class| class.as_str())));
    line.set("outcome", maybe(record.outcome.as_ref().map(|(outcome, _)| &**outcome)));
    line.set("matched_by", maybe(Some(&*matched.join(" ")).filter(|text| !text.is_empty())));
    line.set("strength", maybe(strength(report, attempt.number)));
    line.set("event_id", maybe(shown.map(|shown| &*shown.id)));
    line.set("error_code", maybe(shown.and_then(|shown| shown.error_code.as_deref())));
    line.set("detail", maybe(Some(&*detail).filter(|text| !text.is_empty())));
    line.0
}

/// How strong the match of an attempt is; none where no record shows it.
fn strength(report: &Report, number: usize) -> Option<&'static str> {
    let matched = !report.found.matched_by(number).is_empty();
    matched.then(|| if report.found.is_strong(number) { "strong" } else { "weak" })
}

fn event_line(report: &Report, Unexplained { why, event }: &Unexplained) -> Vec<Cell> {
    let mut line = Line::of(report, "event", "unexplained");
    line.set("key_pair_name", maybe(event.name.as_deref()));
    line.set("account_id", maybe(event.account.as_deref()));
    line.set("region", text(&event.region));
    line.set("at", text(&event.time.to_string()));
    line.set("event_id", text(&event.id));
    line.set("error_code", maybe(event.error_code.as_deref()));
    line.set("by", maybe(event.by.as_deref()));
    line.set("source_ip", maybe(event.from.as_deref()));
    line.set("user_agent", maybe(event.user_agent.as_deref()));
    line.set("detail", text(why.as_str()));
    line.0
}

fn object(report: &Report, recorded: Option<&Recorded>) -> Value {
    let found = &report.found;
    let attempt = |attempt: &Attempt| {
        let record = &attempt.record;
        json!({
            "row": record.row, "attempt": record.attempt, "key_pair_name": record.name,
            "account": record.target.account, "region": record.target.region, "started_at": attempt.started_at,
            "class": class_of(record), "outcome": record.outcome.as_ref().map(|(outcome, _)| outcome),
        })
    };
    let with = |mut object: Value, more: Value| {
        if let (Some(object), Value::Object(more)) = (object.as_object_mut(), more) {
            object.extend(more);
        }
        object
    };
    let contradiction = |one: &Attempt| {
        let says = found.against(one.number);
        let shown = found.shown(one.number);
        with(
            attempt(one),
            json!({
                "says": says.iter().map(|(word, _)| *word).collect::<Vec<_>>(),
                "detail": says.iter().map(|(_, text)| *text).collect::<Vec<_>>().join("; "),
                "matched_by": found.matched_by(one.number), "strength": strength(report, one.number),
                "event_id": shown.map(|shown| &shown.id), "event_time": shown.map(|shown| shown.time.to_string()),
                "error_code": shown.and_then(|shown| shown.error_code.as_ref()),
            }),
        )
    };
    let not_seen = |one: &Attempt| {
        let reason = found.unseen(one.number);
        with(attempt(one), json!({ "why": reason.as_str(), "detail": reason.meaning() }))
    };
    let proven = report.proven.iter().map(|proven| {
        json!({
            "row": proven.row, "attempt": proven.attempt, "key_pair_name": proven.name, "before": proven.outcome,
            "event_id": proven.shown.id, "event_time": proven.shown.time.to_string(),
        })
    });
    let covered = found.covered.iter().map(|((account, region), covered)| {
        let time = |seconds: u32| jiff::Timestamp::from_second(i64::from(seconds)).map(whole).ok();
        json!({ "account": account, "region": region, "records": covered.records, "first": time(covered.first), "last": time(covered.last) })
    });
    let faults = report.read.faults.iter();
    let missing = report.missing.iter().map(|missing| json!({ "what": missing.what, "text": missing.text }));
    let tally = &found.tally;
    json!({
        "schema": "keybatch.reconcile/1", "run": report.run.run.to_string(), "sandbox": report.run.sandbox,
        "window": { "from": whole(found.scope.window.0), "until": whole(found.scope.window.1) },
        "attempts": found.counts, "matched_by": found.matched_by,
        "contradicted": report.contradicted.iter().map(contradiction).collect::<Vec<_>>(),
        "not_seen": report.not_seen.iter().map(not_seen).collect::<Vec<_>>(),
        "unexplained": found.unexplained.iter().map(unexplained).collect::<Vec<_>>(),
        "unexplained_total": found.unexplained_count,
        "proven": proven.collect::<Vec<_>>(),
        "records": tally.records, "events": tally.events, "duplicates": tally.duplicates,
        "of_other_runs": tally.of_other_runs, "outside": tally.outside, "unassigned": tally.unassigned,
        "of_other_kind": tally.of_other_kind,
        "covered": covered.collect::<Vec<_>>(),
        "missing": missing.collect::<Vec<_>>(),
        "unreadable": faults.map(|fault| json!({ "file": fault.file, "at": fault.at, "why": fault.why })).collect::<Vec<_>>(),
        "unreadable_total": report.read.fault_count,
        "files": report.read.files.iter().collect::<Vec<_>>(), "file_count": report.read.hashes.len(), "files_sha256": report.files_sha256,
        "recorded": recorded.map_or(0, |recorded| recorded.rows.len()),
        "entry": recorded.and_then(|recorded| recorded.seq),
        "outcomes": recorded.map(|recorded| &recorded.outcomes),
        "journal": recorded.map(|recorded| &recorded.journal),
        "head": recorded.map(|recorded| json!({ "size": recorded.head.size, "root": recorded.head.root })),
    })
}

fn unexplained(Unexplained { why, event }: &Unexplained) -> Value {
    json!({
        "event_id": event.id, "event_time": event.time.to_string(), "key_pair_name": event.name, "account": event.account,
        "region": event.region, "by": event.by, "source_ip": event.from, "user_agent": event.user_agent,
        "error_code": event.error_code, "error_message": event.error_message, "request_id": event.request_id, "why": why.as_str(),
    })
}
