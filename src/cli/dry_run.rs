//! What `run --dry-run` prints: the plan as a whole, or each of its rows. Nothing in it is a hash: the plan of a dry run is
//! never executed, so there is nothing to compare one with.

use serde_json::json;

use super::confirm::describe;
use super::{CliError, Context, Format};
use crate::journal::{Cell, JournalError};
use crate::record::Entry;
use crate::record::event::{Event, IntentRecorded};
use crate::session::{DryRun, PlanFacts};

/// How many rows are read at once.
const PAGE: u32 = 1_000;

/// The columns of a row.
const COLUMNS: [&str; 11] = [
    "row_no",
    "line",
    "key_pair_name",
    "account_id",
    "region",
    "verdict",
    "notes",
    "why",
    "arn",
    "fingerprint",
    "created_at",
];

/// Prints the plan in the requested format.
pub(super) async fn print(context: &Context, dry_run: &DryRun) -> Result<(), CliError> {
    let facts = PlanFacts { plan: &dry_run.plan, place: &dry_run.place };
    match context.ui.format {
        Format::Table => {
            let lines = describe(&facts);
            context.ui.data(&format!("{}\n", lines.join("\n")))?;
        }
        Format::Json => whole(context, &facts)?,
        Format::Jsonl | Format::Csv => rows(context, dry_run).await?,
    }
    context.ui.talk("dry run: only read requests were sent, and nothing was recorded");
    Ok(())
}

fn whole(context: &Context, facts: &PlanFacts<'_>) -> Result<(), CliError> {
    let PlanFacts { plan, place } = facts;
    let first: Vec<_> = plan.first.iter().map(|(name, region)| json!({"name": name, "region": region})).collect();
    let nothing_there: Vec<_> =
        plan.nothing_there().map(|(region, rows)| json!({"region": region, "rows": rows})).collect();
    let notes: Vec<_> = plan
        .notes
        .iter()
        .map(|(row, name, note)| json!({"row": row, "name": name, "severity": note.severity, "note": note.kind, "text": note.text}))
        .collect();
    let sealed = &plan.sealed;
    let value = json!({
        "schema": "keybatch.dry_run/1",
        "sandbox": place.is_sandbox(),
        "account": place.caller.account,
        "caller_arn": place.caller.arn,
        "profile": place.profile,
        "credentials_source": place.credentials_source,
        "endpoint": place.endpoint,
        "plan": {
            "rows": sealed.rows,
            "deletes": sealed.deletes,
            "skips": sealed.skips,
            "absents": sealed.absents,
            "targets": sealed.targets,
        },
        "note_counts": plan.note_counts,
        "nothing_there": nothing_there,
        "notes": notes,
        "first": first,
    });
    Ok(context.ui.data(&format!("{value}\n"))?)
}

/// Every row with its verdict and the reason.
async fn rows(context: &Context, dry_run: &DryRun) -> Result<(), CliError> {
    let (reader, run_no) = (dry_run.reader(), dry_run.run_no);
    let mut stream = context.ui.stream(&COLUMNS)?;
    let mut after = 0;
    loop {
        let page = reader.review(run_no, after, PAGE, None).await?;
        let Some(last) = page.last() else { break };
        after = last.row;
        for row in &page {
            let entry = Entry::parse(&row.intent).map_err(|error| JournalError::Entry(error.into()))?;
            if let Event::IntentRecorded(intent) = &entry.event {
                stream.row(&cells(row.row, intent))?;
            }
        }
    }
    Ok(stream.end()?)
}

fn cells(row: u64, intent: &IntentRecorded) -> [Cell; COLUMNS.len()] {
    let number = |number: u64| i64::try_from(number).map_or(Cell::Null, Cell::Integer);
    let text = |text: &str| Cell::Text(text.to_owned());
    let maybe = |text: Option<&String>| text.cloned().map_or(Cell::Null, Cell::Text);
    let joined = |of: fn(&crate::record::event::Note) -> &str| {
        let all: Vec<_> = intent.notes.iter().map(of).collect();
        if all.is_empty() { Cell::Null } else { Cell::Text(all.join("; ")) }
    };
    let identity = intent.observation.as_ref().map(|observation| &observation.identity);
    [
        number(row),
        number(intent.line),
        text(&intent.key_pair_name),
        text(&intent.account),
        text(&intent.region),
        text(intent.verdict.as_str()),
        joined(|note| &note.kind),
        joined(|note| &note.text),
        maybe(identity.and_then(|identity| identity.arn.as_ref())),
        maybe(identity.and_then(|identity| identity.fingerprint.as_ref())),
        maybe(identity.and_then(|identity| identity.created_at.as_ref())),
    ]
}
