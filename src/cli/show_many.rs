//! `keybatch show` over several journals: the same key pair in each of them, or the run of that id in whichever has it.

use std::path::PathBuf;

use serde_json::Value;

use super::journals::complain;
use super::show::{Args, Meant, find, run_value, show_run, show_stories};
use super::{CliError, Code, Context, Exit, Format, shown};
use crate::review::runs::LATEST;
use crate::review::{RunFacts, json_text};

/// What was found, and in which journal.
type Found = (PathBuf, Meant);

/// Shows what is meant in each of the journals. One that cannot be read hides none of the others.
pub(super) async fn run(args: &Args, context: &Context, many: &[PathBuf]) -> Result<Exit, CliError> {
    let (mut found, mut exit, mut unknown): (Vec<Found>, _, _) = (Vec::new(), Exit::Success, None);
    for path in many {
        let own = context.of_journal(path);
        let meant = async {
            let reader = own.reader().await?;
            find(&reader, args, &own).await
        };
        match meant.await {
            Ok(meant) => found.push((path.clone(), meant)),
            // Another one has it.
            Err(error) if matches!(error.code, Code::RunUnknown | Code::RowUnknown) => unknown = Some(error),
            Err(error) => exit = exit.graver(complain(&context.ui, path, error)),
        }
    }
    if args.run == LATEST {
        found = latest(found);
    }
    match unknown {
        Some(error) if found.is_empty() && exit == Exit::Success => return Err(error),
        _ => {}
    }
    if matches!(context.ui.format, Format::Json | Format::Jsonl) {
        let values = values(&found)?;
        let text = match context.ui.format {
            Format::Json => format!("{}\n", json_text(&Value::Array(values))),
            _ => values.iter().map(|value| format!("{}\n", json_text(value))).collect(),
        };
        context.ui.data(&text)?;
        return Ok(exit);
    }
    for (path, meant) in &found {
        // A table of CSV has no place for it.
        if context.ui.format == Format::Table {
            context.ui.data(&format!("journal {}\n", shown(&path.to_string_lossy())))?;
        } else {
            context.ui.talk(format!("journal {}", shown(&path.to_string_lossy())));
        }
        match meant {
            Meant::Run(facts) => show_run(facts, context)?,
            Meant::Stories(stories) => show_stories(stories, context)?,
        }
    }
    Ok(exit)
}

/// Of the latest run of each journal, the one that began last.
fn latest(found: Vec<Found>) -> Vec<Found> {
    let started = |(_, meant): &Found| match meant {
        Meant::Run(facts) => started_at(facts),
        Meant::Stories(stories) => stories.first().and_then(|story| story.chapters.first()?.at.clone()),
    };
    found.into_iter().max_by_key(started).into_iter().collect()
}

fn started_at(facts: &RunFacts) -> Option<String> {
    let of = |(name, value): &(String, Value)| (name == "started_at").then(|| value.as_str().map(str::to_owned))?;
    facts.facts.iter().find_map(of)
}

/// Each run or story as an object that says which journal it is in.
fn values(found: &[Found]) -> Result<Vec<Value>, CliError> {
    let mut all = Vec::new();
    for (path, meant) in found {
        let mut own = match meant {
            Meant::Run(facts) => vec![run_value(facts)?],
            Meant::Stories(stories) => {
                let values = stories.iter().map(serde_json::to_value).collect::<Result<_, _>>();
                values.map_err(|error| CliError::from_error(Exit::Unexpected, &error))?
            }
        };
        own.iter_mut().for_each(|value| value["journal"] = path.to_string_lossy().into());
        all.append(&mut own);
    }
    Ok(all)
}
