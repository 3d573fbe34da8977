//! `keybatch verify` over several journals: each by itself, and the chain of those that were archived.

use std::path::PathBuf;

use serde_json::json;

use super::brought::FileOf;
use super::journals::complain;
use super::verify::{Args, judge, text, value};
use super::{CliError, Context, Exit, Format, Ui, shown};
use crate::domain::counted;
use crate::journal::open::archive_path;
use crate::review::json_text;
use crate::verify::{Link, Report, links};

/// Verifies each journal. One that cannot be read hides none of the others; the worst end counts.
pub(super) async fn run(args: &Args, context: &Context, many: &[PathBuf]) -> Result<Exit, CliError> {
    if args.subject.is_some() {
        return Err(CliError::new(Exit::Usage, "a run is in one journal, and --journal names several")
            .hint("name the run's journal alone, or no run"));
    }
    let (mut exit, mut paths, mut reports, mut files) = (Exit::Success, Vec::new(), Vec::new(), Vec::new());
    for path in many {
        match judge(args, None, &context.of_journal(path)).await {
            Ok((report, brought)) => {
                paths.push(path.clone());
                reports.push(report);
                files.push(brought);
            }
            Err(error) => exit = exit.graver(complain(&context.ui, path, error)),
        }
    }
    let mut chain = links(&mut reports);
    for link in chain.iter_mut().filter(|link| link.found.is_none()) {
        // Another journal that lies under the archive's name has another id.
        let at = paths.get(link.journal).map(|path| archive_path(path, &link.previous.id));
        link.found = paths.iter().position(|path| Some(path) == at.as_ref());
        link.holds = link.found.map(|_| false);
    }
    if reports.iter().any(|report| !report.accepted) || chain.iter().any(|link| link.holds == Some(false)) {
        exit = exit.graver(Exit::NotVerified);
    }
    match context.ui.format {
        Format::Table => context.ui.data(&told(&context.ui, args, &paths, &reports, &chain))?,
        format => {
            let text = as_json(format, (&paths, &reports, &files), &chain, exit == Exit::Success)?;
            context.ui.data(&text)?;
        }
    }
    Ok(exit)
}

fn told(ui: &Ui, args: &Args, paths: &[PathBuf], reports: &[Report], chain: &[Link]) -> String {
    let mut out = String::new();
    for (path, report) in paths.iter().zip(reports) {
        let runs: Vec<_> = report.coverage.runs.iter().collect();
        out += &format!("journal {}\n", shown(&path.to_string_lossy()));
        out += &text(ui, report, &runs, !args.checkpoint.is_empty());
        out.push('\n');
    }
    let name = |place: usize| paths.get(place).map(|path| shown(&path.to_string_lossy())).unwrap_or_default();
    for link in chain {
        let says = match (link.holds, link.found) {
            (None, _) | (_, None) => format!("{}, which was not given", shown(&link.previous.id)),
            (Some(true), Some(found)) => format!("{}: it is what was archived", name(found)),
            (Some(false), Some(found)) => {
                format!(
                    "{}: IT IS NOT WHAT WAS ARCHIVED ({})",
                    name(found),
                    counted(link.previous.size, "entry", "entries")
                )
            }
        };
        out += &format!("{} continues {says}\n", name(link.journal));
    }
    out
}

type All<'a> = (&'a [PathBuf], &'a [Report], &'a [Vec<FileOf>]);

fn as_json(format: Format, (paths, reports, files): All<'_>, chain: &[Link], good: bool) -> Result<String, CliError> {
    let mut journals = Vec::new();
    for ((path, report), files) in paths.iter().zip(reports).zip(files) {
        let mut value = value(report, files)?;
        value["journal"] = path.to_string_lossy().into();
        journals.push(value);
    }
    if format == Format::Jsonl {
        return Ok(journals.iter().map(|value| format!("{}\n", json_text(value))).collect());
    }
    let path = |place: usize| paths.get(place).map(|path| path.to_string_lossy());
    let chain: Vec<_> = chain
        .iter()
        .map(|link| {
            json!({
                "journal": path(link.journal),
                "previous": link.previous,
                "found": link.found.and_then(path),
                "holds": link.holds,
            })
        })
        .collect();
    let value = json!({ "schema": "keybatch.verify_many/1", "accepted": good, "journals": journals, "chain": chain });
    Ok(format!("{}\n", json_text(&value)))
}
