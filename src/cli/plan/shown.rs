//! How a plan is shown: as a whole, or each of its rows with the reason. Everything comes from its file, so that whoever is sent the
//! file sees the same.

use std::collections::BTreeMap;
use std::io::BufReader;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::cli::files::open_plan;
use crate::cli::plan_fault::plan_fault;
use crate::cli::selection::of_plan;
use crate::cli::{CliError, Context, Format, Sent, error_object, shown};
use crate::domain::{Clock as _, SystemClock, Target, counted, parse_time};
use crate::journal::Cell;
use crate::plan::{Shown, place};
use crate::policy::recreated::RECREATED;
use crate::record::plan::file::PlanReader;
use crate::record::plan::{Note, PlanHeader, PlanRow, PlanSeal, Severity};
use crate::session::Planned;
use crate::session::order::duration_text;

/// How many names and notes are shown.
const NAMES: usize = 10;

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

/// The columns of a row in a table.
const TABLE: [&str; 6] = ["row", "key_pair", "account", "region", "verdict", "why"];

/// A plan that was read to its end, and found to be whole.
pub(in crate::cli) struct Read {
    pub(in crate::cli) header: PlanHeader,
    pub(in crate::cli) seal: PlanSeal,
    shown: Shown,
}

/// Reads the plan at `path`, and checks every byte of it. Each row goes to `each`.
pub(in crate::cli) fn read(
    path: &Path,
    mut each: impl FnMut(&PlanRow) -> Result<(), CliError>,
) -> Result<Read, CliError> {
    let fault = |fault| {
        let mut it = plan_fault(&fault).sent(Sent::Nothing);
        it.message = format!("{}: {}", path.display(), it.message);
        it
    };
    let mut reader = PlanReader::open(BufReader::new(open_plan(path)?)).map_err(fault)?;
    let mut all = Shown::default();
    while let Some(row) = reader.next().map_err(fault)? {
        all.add(&row);
        each(&row)?;
    }
    let header = reader.header().clone();
    let Some(seal) = reader.seal().cloned() else {
        return Err(CliError::new(crate::cli::Exit::Unexpected, "the plan has no seal"));
    };
    Ok(Read { header, seal, shown: all })
}

/// Prints the plan at `path` in the requested format. `planned` says what was found while it was made, if it was made just now;
/// `refused`, why a run of it would be refused, which is in the same object as the plan.
pub(in crate::cli) async fn print(
    context: &Context,
    path: &Path,
    planned: Option<&Planned>,
    refused: Option<&CliError>,
) -> Result<(), CliError> {
    // All of it is checked before any of it is shown.
    let plan = read(path, |_| Ok(()))?;
    if let Some(planned) = planned {
        unknown_use(context, planned);
    }
    match context.ui.format {
        Format::Table => {
            let times = times(context, &plan).await;
            let mut stream = context.ui.stream(&TABLE)?.wrapping();
            read(path, |row| Ok(stream.row(&table_cells(row))?))?;
            stream.end()?;
            // Last, so that it is not lost above a long table.
            context.ui.data(&format!("{}\n", lines(&plan, planned, &times).join("\n")))?;
        }
        Format::Json => {
            let times = times(context, &plan).await;
            let mut whole = object(&plan, planned, &times);
            if let Some(refused) = refused {
                whole["refused"] = error_object::object(refused, &context.ui.given);
            }
            let whole = whole.to_string();
            // The lines come one by one: they need not fit in memory.
            context.ui.data(&format!("{},\"lines\":[", whole.strip_suffix('}').unwrap_or(&whole)))?;
            let mut comma = "";
            read(path, |row| {
                context.ui.data(&format!("{comma}\n{}", json!(row)))?;
                comma = ",";
                Ok(())
            })?;
            context.ui.data("]}\n")?;
        }
        Format::Jsonl | Format::Csv => {
            let mut stream = context.ui.stream(&COLUMNS)?;
            read(path, |row| Ok(stream.row(&cells(row))?))?;
            stream.end()?;
        }
    }
    Ok(())
}

/// What the plan is, in lines for people, without its rows.
pub(in crate::cli) async fn about(context: &Context, plan: &Read) -> Vec<String> {
    let times = times(context, plan).await;
    lines(plan, None, &times)
}

/// Says where it could not be determined which key pairs are in use.
fn unknown_use(context: &Context, planned: &Planned) {
    for target in planned.plan.sealed.targets.iter().filter(|target| target.instances.is_none()) {
        context.ui.talk(format!(
            "warning   {}: lightsail:GetInstances gave no answer, so it is unknown which key pairs are in use",
            shown(&place(
                &planned.plan.sealed.seal,
                &Target { account: target.account.clone(), region: target.region.clone() }
            ))
        ));
    }
}

/// How long the deletions of each target take at the rate that this machine's journal has learned there, in the seal's order.
type Times = Vec<Option<Duration>>;

async fn times(context: &Context, plan: &Read) -> Times {
    let reader = context.reader().await.ok();
    let mut times = Vec::new();
    for target in &plan.seal.targets {
        let of = Target { account: target.account.clone(), region: target.region.clone() };
        let rate = match &reader {
            Some(reader) => reader.rate(&plan.header.endpoint, &of).await.ok().flatten(),
            None => None,
        };
        let per_second = rate.and_then(|(rate, _)| rate.parse::<f64>().ok()).filter(|rate| *rate > 0.0);
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let seconds = per_second.map(|rate| (target.deletes as f64 / rate).ceil());
        times.push(seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()));
    }
    times
}

/// The longest of the times, since targets are worked on side by side; nothing where one is not known.
fn longest(plan: &Read, times: &Times) -> Option<Duration> {
    let relevant = plan.seal.targets.iter().zip(times).filter(|(target, _)| target.deletes > 0);
    relevant.map(|(_, time)| *time).collect::<Option<Vec<_>>>()?.into_iter().max()
}

/// What the plan is, in lines for people.
fn lines(plan: &Read, planned: Option<&Planned>, times: &Times) -> Vec<String> {
    let Read { header, seal, shown: all } = plan;
    let mut lines = Vec::new();
    if header.endpoint.starts_with("sandbox:") {
        lines.push("SANDBOX: this is a rehearsal; nothing real is deleted".to_owned());
    }
    let mut line = |name: &str, value: &str| lines.push(format!("{name:<10}{}", shown(value)));
    line("plan", &header.plan_id);
    line("made", &format!("{} by {}", header.made_at, header.made_by));
    if let Some(end) = &header.expires_at {
        let is_over = parse_time(end).is_some_and(|end| end <= SystemClock::start().now());
        line("expires", &format!("{end}{}", if is_over { ", EXPIRED: it can no longer be run" } else { "" }));
    }
    header.ticket.iter().for_each(|ticket| line("ticket", ticket));
    header.reason.iter().for_each(|reason| line("reason", reason));
    line("manifest", &format!("{} ({})", header.manifest.name, counted(header.manifest.rows, "row", "rows")));
    line("sha256", &header.manifest.sha256);
    of_plan(header).iter().for_each(|rows| line("only", rows));
    header.policy_sha256.iter().for_each(|sha256| line("policy", sha256));
    for caller in &header.callers {
        line("account", &format!("{} as {}", caller.account, caller.arn));
    }
    line("endpoint", &header.endpoint);
    if let Some(planned) = planned {
        planned.place.profile.iter().for_each(|profile| line("profile", profile));
        planned.place.credentials_source.iter().for_each(|source| line("through", source));
        for reached in planned.place.accounts.iter().filter(|reached| reached.caller != planned.place.caller) {
            let source = reached.credentials_source.iter();
            source.for_each(|source| line("through", &format!("{source} ({})", reached.caller.account)));
        }
        if let Some(setting) = &planned.place.redirected_by {
            line("redirect", &format!("{setting} sends requests to {}, not to AWS", planned.place.address));
        }
    }
    for target in &seal.targets {
        let region = if target.region.is_empty() { "no usable region" } else { &target.region };
        let counts = format!("{} to delete, {} to skip, {} absent", target.deletes, target.skips, target.absents);
        line("target", &format!("{} {region}: {counts}", target.account));
    }
    let (deletes, skips, absents) = (seal.deletes(), seal.skips(), seal.absents());
    line("rows", &format!("{}: {deletes} to delete, {skips} to skip, {absents} absent", seal.rows));
    match longest(plan, times) {
        Some(time) => line("time", &format!("about {} at the learned rate", duration_text(time))),
        None if deletes > 0 => line("time", "unknown: no rate has been learned yet"),
        None => {}
    }
    for (target, rows) in all.nothing_there() {
        let rows = counted(rows, "row names a key pair", "rows name key pairs");
        line("warning", &format!("{}: {rows}; nothing of that name exists", place(seal, target)));
    }
    for (kind, count) in &all.note_counts {
        line("note", &format!("{kind}: {count}"));
    }
    for (row, name, note) in all.recreated.iter().take(NAMES) {
        let done = if note.severity == Severity::Warn { "noted" } else { "skipped" };
        line("recreated", &format!("row {row}, {name} ({done}): {}", note.text));
    }
    for (row, name, note) in all.notes.iter().filter(|(_, _, note)| note.kind != RECREATED).take(NAMES) {
        line("", &format!("row {row}, {name}: {}", note.text));
    }
    if deletes > 0 {
        let first = all.first.iter().take(NAMES);
        let names: Vec<_> = first.map(|(name, target)| format!("{}/{name}", place(seal, target))).collect();
        let more = if deletes > names.len() as u64 { ", …" } else { "" };
        line("first", &format!("{}{more}", names.join(", ")));
    }
    line("root", &seal.root);
    lines
}

fn object(plan: &Read, planned: Option<&Planned>, times: &Times) -> serde_json::Value {
    let Read { header, seal, shown: all } = plan;
    let named =
        |(name, target): &(String, Target)| json!({"name": name, "account": target.account, "region": target.region});
    let first: Vec<_> = all.first.iter().map(named).collect();
    let nothing_there: Vec<_> = all
        .nothing_there()
        .map(|(target, rows)| json!({"account": target.account, "region": target.region, "rows": rows}))
        .collect();
    let notes: Vec<_> = all
        .notes
        .iter()
        .map(|(row, name, note)| json!({"row": row, "name": name, "severity": note.severity, "note": note.kind, "text": note.text}))
        .collect();
    let targets: Vec<_> = seal
        .targets
        .iter()
        .zip(times)
        .map(|(target, time)| {
            json!({
                "account": target.account, "region": target.region, "deletes": target.deletes, "skips": target.skips,
                "absents": target.absents, "seconds": time.map(|time| time.as_secs()),
            })
        })
        .collect();
    let place = planned.map(|planned| &planned.place);
    let caller = header.callers.first();
    let settings: &BTreeMap<String, String> = &header.settings;
    json!({
        "schema": "keybatch.plan.shown/1",
        "plan_id": header.plan_id,
        "plan_root": seal.root,
        "rows_root": seal.rows_root,
        "made_at": header.made_at,
        "made_by": header.made_by,
        "expires_at": header.expires_at,
        "ticket": header.ticket,
        "reason": header.reason,
        "manifest": header.manifest.name,
        "manifest_sha256": header.manifest.sha256,
        "policy_sha256": header.policy_sha256,
        "settings": settings,
        "sandbox": header.endpoint.starts_with("sandbox:"),
        "account": caller.map(|caller| &caller.account),
        "caller_arn": caller.map(|caller| &caller.arn),
        "callers": header.callers,
        "profile": place.and_then(|place| place.profile.as_ref()),
        "credentials_source": place.and_then(|place| place.credentials_source.as_ref()),
        "endpoint": header.endpoint,
        "plan": {
            "rows": seal.rows,
            "deletes": seal.deletes(),
            "skips": seal.skips(),
            "absents": seal.absents(),
            "seconds": longest(plan, times).map(|time| time.as_secs()),
            "targets": targets,
        },
        "note_counts": all.note_counts,
        "nothing_there": nothing_there,
        "notes": notes,
        "first": first,
    })
}

fn table_cells(line: &PlanRow) -> [Cell; TABLE.len()] {
    let [row, _, name, account, region, verdict, _, why, ..] = cells(line);
    [row, name, account, region, verdict, why]
}

fn cells(line: &PlanRow) -> [Cell; COLUMNS.len()] {
    let number = |number: u64| i64::try_from(number).map_or(Cell::Null, Cell::Integer);
    let text = |text: &str| Cell::Text(text.to_owned());
    let maybe = |text: Option<&String>| text.cloned().map_or(Cell::Null, Cell::Text);
    let joined = |of: fn(&Note) -> &str| {
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
