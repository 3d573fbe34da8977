//! What `run --dry-run` prints: the plan as a whole, or each of its rows. Nothing in it is a hash: the plan of a dry run is
//! never executed, so there is nothing to compare one with.

use serde_json::json;

use super::confirm::describe;
use super::{CliError, Context, Format};
use crate::journal::{Cell, JournalError};
use crate::record::Entry;
use crate::record::event::Event;
use crate::record::plan::PlanRow;
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
    let first: Vec<_> = plan.shown.first.iter().map(|(name, region)| json!({"name": name, "region": region})).collect();
    let nothing_there: Vec<_> =
        plan.shown.nothing_there().map(|(region, rows)| json!({"region": region, "rows": rows})).collect();
    let notes: Vec<_> = plan
        .shown
        .notes
        .iter()
        .map(|(row, name, note)| json!({"row": row, "name": name, "severity": note.severity, "note": note.kind, "text": note.text}))
        .collect();
    let (sealed, seal) = (&plan.sealed, &plan.sealed.seal);
    let targets: Vec<_> = sealed
        .targets
        .iter()
        .map(|target| {
            json!({
                "account": target.account, "region": target.region, "key_pairs": target.key_pairs, "pages": target.pages,
                "instances": target.instances, "deletes": sealed.deletes_in(target),
            })
        })
        .collect();
    let value = json!({
        "schema": "keybatch.dry_run/1",
        "sandbox": place.is_sandbox(),
        "account": place.caller.account,
        "caller_arn": place.caller.arn,
        "profile": place.profile,
        "credentials_source": place.credentials_source,
        "endpoint": place.endpoint,
        "plan": {
            "rows": seal.rows,
            "deletes": seal.deletes(),
            "skips": seal.skips(),
            "absents": seal.absents(),
            "targets": targets,
        },
        "note_counts": plan.shown.note_counts,
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
                stream.row(&cells(&intent.line))?;
            }
        }
    }
    Ok(stream.end()?)
}

fn cells(line: &PlanRow) -> [Cell; COLUMNS.len()] {
    let number = |number: u64| i64::try_from(number).map_or(Cell::Null, Cell::Integer);
    let text = |text: &str| Cell::Text(text.to_owned());
    let maybe = |text: Option<&String>| text.cloned().map_or(Cell::Null, Cell::Text);
    let joined = |of: fn(&crate::record::plan::Note) -> &str| {
        let all: Vec<_> = line.notes.iter().map(of).collect();
        if all.is_empty() { Cell::Null } else { Cell::Text(all.join("; ")) }
    };
    let seen = line.observation.as_ref();
    [
        number(line.row),
        number(line.line),
        text(&line.name),
        text(&line.account),
        text(&line.region),
        text(line.verdict.as_str()),
        joined(|note| &note.kind),
        joined(|note| &note.text),
        maybe(seen.and_then(|seen| seen.arn.as_ref())),
        maybe(seen.and_then(|seen| seen.fingerprint.as_ref())),
        maybe(seen.and_then(|seen| seen.created_at.as_ref())),
    ]
}
