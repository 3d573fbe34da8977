//! `keybatch show`: a run as a whole, or the story of one of its rows.

mod refused;
mod run_text;

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use serde_json::Value;

use self::run_text::run_text;
use super::hint::Hint;
use super::liveness::{Liveness, goes_on_with};
use super::look_for::look_for_text;
use super::pager::PagerOptions;
use super::when::{exactly_when, lasted};
use super::{CliError, Code, Context, Exit, Format, Ui, plan, shown};
use crate::journal::{Cell, JournalError, Reader, RunRecord};
use crate::record::plan::file::looks_like_a_plan;
use crate::review::runs::{LATEST, Named, RunError, look_up, resolve};
use crate::review::{RowError, RunFacts, Story, facts, json_text, rows, story};

/// Show a run, the story of one key pair, or a plan's file
///
/// A row's number or a key pair's name in place of RUN is looked up over all runs. Of a row that is in doubt, gone or unsettled, it
/// says what to look for in CloudTrail, and how to record what you find.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  keybatch show                      the latest run
  keybatch show 0198c0de old-key     what happened to one key pair in a run
  keybatch show old-key              what happened to it in every run
  keybatch show name:18              a key pair that is called 18, not row 18
  keybatch show friday.plan          what a plan would do")]
pub(super) struct Args {
    /// A run (its id, a unique prefix of 4 characters or more, or `latest`), a row's number, a key pair's name, or a plan's file
    #[arg(default_value = LATEST, value_name = "RUN|ROW|NAME|PLAN")]
    pub(super) run: String,
    /// A row of the run: its number, or the key pair's name
    #[arg(value_name = "ROW|NAME")]
    row: Option<String>,
    #[command(flatten)]
    pub(super) pager: PagerOptions,
}

pub(super) async fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    refused::others(&args.run)?;
    if args.is_about_a_plan() {
        plan::shown::print(context, Path::new(&args.run), None, None).await?;
        return Ok(Exit::Success);
    }
    let opened = context.any_reader().await;
    let asks_latest =
        !context.is_journal_named() && args.row.is_none() && args.run == LATEST && context.ui.format == Format::Table;
    if asks_latest && matches!(opened, Err(JournalError::Missing { .. })) {
        context.ui.talk(format!("nothing to show: there is no journal at {} yet", context.journal));
        return Ok(Exit::Success);
    }
    match find(&opened?, args, context).await? {
        Meant::Run(facts) => show_run(&facts, context)?,
        Meant::Stories(stories) => show_stories(&stories, context)?,
    }
    Ok(Exit::Success)
}

/// What is meant by the arguments.
pub(super) enum Meant {
    Run(Box<RunFacts>),
    Stories(Vec<Story>),
}

/// Finds it in one journal.
pub(super) async fn find(reader: &Reader, args: &Args, context: &Context) -> Result<Meant, CliError> {
    let wanted = match &args.row {
        None => match look_up(reader, &args.run).await? {
            Named::Run(run) => {
                let mut facts = facts(reader, &run).await?;
                name_interrupted(&mut facts, context).await;
                return Ok(Meant::Run(Box::new(facts)));
            }
            Named::Rows(rows) => rows,
        },
        Some(wanted) => {
            let run = resolve(reader, &args.run).await?;
            rows(reader, &run, wanted).await?.into_iter().map(|row| (run.clone(), row)).collect()
        }
    };
    let mut stories = Vec::with_capacity(wanted.len());
    for (run, row) in wanted {
        stories.push(story(reader, &run, row, &context.ui.given).await?);
    }
    Ok(Meant::Stories(stories))
}

impl Args {
    /// Whether a plan's file is meant, which is in no journal.
    pub(super) fn is_about_a_plan(&self) -> bool {
        self.row.is_none() && is_plan(&self.run)
    }
}

/// Whether this names a plan's file: one that exists and begins like a plan, or is named by a path, which no run or row is.
fn is_plan(named: &str) -> bool {
    let path = Path::new(named);
    let mut first = [0];
    let begins = File::open(path).and_then(|mut file| file.read_exact(&mut first)).is_ok();
    path.is_file() && (named.contains('/') || begins && looks_like_a_plan(&first))
}

impl From<RunError> for CliError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Journal(error) => error.into(),
            error => {
                let code =
                    if matches!(error, RunError::Ambiguous { .. }) { Code::RunAmbiguous } else { Code::RunUnknown };
                let it = Self::from_error(Exit::Usage, &error)
                    .code(code)
                    .hint(Hint::command("`", ["runs"]).and("` lists the runs"));
                match error {
                    RunError::Nothing { .. } | RunError::NoName { .. } => {
                        it.hint(Hint::command("`", ["export", "RUN"]).and("` lists the key pairs of a run"))
                    }
                    _ => it,
                }
            }
        }
    }
}

impl From<RowError> for CliError {
    fn from(error: RowError) -> Self {
        match error {
            RowError::Journal(error) => error.into(),
            error => Self::from_error(Exit::Usage, &error)
                .code(Code::RowUnknown)
                .hint("name a row by its number, or by the key pair's name"),
        }
    }
}

/// The label before everything about a rehearsal.
pub(super) const SANDBOX: &str = "SANDBOX ";

/// The label of a run, if it is one.
pub(super) fn sandbox_label(run: &RunRecord) -> &'static str {
    if run.sandbox { SANDBOX } else { "" }
}

/// Shows a run whose session has no end, but that no process is working on, as interrupted, with the command to continue it.
async fn name_interrupted(facts: &mut RunFacts, context: &Context) {
    let stored = facts.state.clone();
    let said = Liveness::of(&context.journal).await.state(&stored);
    if said == stored {
        return;
    }
    facts.state = said.to_owned();
    for (name, value) in &mut facts.facts {
        if name == "state" {
            *value = said.into();
        }
    }
    if let Some(command) = goes_on_with(&stored, &facts.run, &context.ui) {
        context.ui.talk(format!("interrupted: no session is working on it; continue with: {command}"));
    }
}

pub(super) fn show_run(facts: &RunFacts, context: &Context) -> Result<(), CliError> {
    match context.ui.format {
        Format::Table => context.ui.data(&run_text(facts, &context.ui))?,
        Format::Json | Format::Jsonl => context.ui.data(&format!("{}\n", json_text(&run_value(facts)?)))?,
        Format::Csv => {
            let names: Vec<_> = facts.facts.iter().map(|(name, _)| name.as_str()).collect();
            let cells: Vec<_> = facts.facts.iter().map(|(_, value)| cell_of(value)).collect();
            let mut stream = context.ui.stream(&names)?;
            stream.row(&cells)?;
            stream.end()?;
        }
    }
    Ok(())
}

/// The run as JSON, with the facts of the view `runs` as fields, not as pairs.
pub(super) fn run_value(facts: &RunFacts) -> Result<Value, CliError> {
    let mut value = serde_json::to_value(facts).map_err(|error| CliError::from_error(Exit::Unexpected, &error))?;
    value["facts"] = facts.facts.iter().cloned().collect::<serde_json::Map<_, _>>().into();
    value["facts"]["sandbox"] = facts.sandbox.into();
    Ok(value)
}

fn cell_of(value: &serde_json::Value) -> Cell {
    match value {
        serde_json::Value::Null => Cell::Null,
        serde_json::Value::String(text) => Cell::Text(text.clone()),
        other => other.as_i64().map_or_else(|| Cell::Text(other.to_string()), Cell::Integer),
    }
}

pub(super) fn show_stories(stories: &[Story], context: &Context) -> Result<(), CliError> {
    match context.ui.format {
        Format::Table => stories.iter().try_for_each(|story| context.ui.data(&story_text(story, &context.ui)))?,
        Format::Json => {
            let value =
                serde_json::to_value(stories).map_err(|error| CliError::from_error(Exit::Unexpected, &error))?;
            context.ui.data(&format!("{}\n", json_text(&value)))?;
        }
        Format::Jsonl => {
            let bodies = stories.iter().flat_map(|story| &story.chapters);
            bodies.map(|chapter| format!("{}\n", chapter.body)).try_for_each(|line| context.ui.data(&line))?;
        }
        Format::Csv => {
            let mut stream = context.ui.stream(&["run_id", "sandbox", "row_no", "seq", "at", "kind", "gist"])?;
            for story in stories {
                for chapter in &story.chapters {
                    stream.row(&[
                        Cell::Text(story.run.clone()),
                        Cell::Boolean(story.sandbox),
                        number(story.row),
                        number(chapter.seq),
                        chapter.at.clone().map_or(Cell::Null, Cell::Text),
                        Cell::Text(chapter.kind.to_owned()),
                        Cell::Text(chapter.gist.clone()),
                    ])?;
                }
            }
            stream.end()?;
        }
    }
    Ok(())
}

fn number(number: u64) -> Cell {
    i64::try_from(number).map_or(Cell::Null, Cell::Integer)
}

fn story_text(story: &Story, ui: &Ui) -> String {
    let mut out = String::new();
    let name = shown(story.key_pair_name.as_deref().unwrap_or_default());
    let sandbox = if story.sandbox { "SANDBOX " } else { "" };
    let _ = writeln!(out, "{sandbox}row {} {name}", story.row);
    let outcome = match (&story.outcome, &story.evidence) {
        (Some(outcome), Some(evidence)) => {
            let words = shown(&format!("{} ({evidence})", outcome.replace('_', " ")));
            ui.painted(outcome, &words)
        }
        _ => "no outcome yet".to_owned(),
    };
    let _ = writeln!(out, "  {outcome} in run {}", story.run);
    if let Some(of) = &story.of {
        let _ = writeln!(out, "  row {} of run {}, planned again", of.row, shown(&of.run));
    }
    let mut before: Option<&str> = None;
    for chapter in &story.chapters {
        let at = chapter.at.as_deref();
        let later = before.zip(at).and_then(|(before, at)| lasted(before, at));
        let later = later.map(|later| format!(" +{later}")).unwrap_or_default();
        before = at.or(before);
        let at = at.map_or_else(|| "-".to_owned(), exactly_when);
        let _ = writeln!(out, "{at}{later} {} entry {}", chapter.kind, chapter.seq);
        let _ = writeln!(out, "  {}", shown(&chapter.gist));
        for (label, value) in &chapter.particulars {
            let _ = writeln!(out, "    {label}: {}", shown(value));
        }
    }
    out.extend(story.look_for.iter().map(|look_for| look_for_text(look_for, story.sandbox)));
    out
}
