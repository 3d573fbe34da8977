//! What a shell offers when a command line is to be completed: commands, options, values and files from the command line itself,
//! runs, rows and names of key pairs from the journal.
//!
//! A shell's script calls `keybatch -- WORDS…` with a variable set. Whatever fails here, nothing is offered and nothing is said.

use std::ffi::{OsStr, OsString};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Arg, Command};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter as _};
use clap_complete::env::Shells;

use super::environment::Environment;
use super::journals::location;
use super::settings::Settings;
use crate::journal::open::{self, Leftovers};
use crate::journal::{Cell, Location, Reader, Visitor};
use crate::review::runs::LATEST;

/// The variable by which a shell's script says that it wants candidates, and for which shell.
pub(super) const VARIABLE: &str = "KEYBATCH_COMPLETE";

/// The most runs, and the most names, that are offered. A longer list helps nobody.
const MOST: usize = 100;

/// Nobody waits longer for a list.
const PATIENCE: Duration = Duration::from_secs(2);

/// The answer to a shell that wants candidates; none if this is an ordinary call.
pub(super) fn answer(
    arguments: &[OsString],
    environment: &Environment,
    declared: impl FnOnce() -> Command,
    settings: &Settings,
) -> Option<String> {
    let shell = environment.variable(VARIABLE)?;
    let (separator, words) = arguments.get(1..)?.split_first()?;
    // The variable alone is not enough: somebody may have exported it.
    if separator != "--" {
        return None;
    }
    let journal = Arc::new(Past { journal: journal(words, environment, settings)?, words: words.to_vec() });
    let mut command = complete_runs(declared(), &journal);
    command.build();
    let shells = Shells::builtins();
    let mut answer = Vec::new();
    let directory = std::env::current_dir().ok();
    shells.completer(shell)?.write_complete(&mut command, words.to_vec(), directory.as_deref(), &mut answer).ok()?;
    Some(String::from_utf8_lossy(&answer).into_owned())
}

/// The journal that the words, the variable or a file name.
fn journal(words: &[OsString], environment: &Environment, settings: &Settings) -> Option<Location> {
    let after =
        words.iter().zip(words.iter().skip(1)).filter(|(option, _)| *option == "--journal").map(|(_, path)| path);
    let joined = words.iter().filter_map(|word| word.to_str()?.strip_prefix("--journal=")).map(PathBuf::from);
    let typed = after.map(PathBuf::from).chain(joined).next();
    let of_variable = || environment.variable("KEYBATCH_JOURNAL").map(PathBuf::from);
    let of_file = || settings.of("", "journal")?.values.first().map(PathBuf::from);
    location(typed.or_else(of_variable).or_else(of_file).as_ref(), true, environment).ok()
}

/// The command line with what the journal offers, wherever an argument is a run or a row.
fn complete_runs(command: Command, past: &Arc<Past>) -> Command {
    let command = command.mut_args(|arg| {
        let names = value_names(&arg);
        let offers = |name: &str| names.split('|').any(|word| word == name);
        let (runs, rows, files) = (offers("RUN"), offers("ROW") || offers("NAME"), offers("PLAN") || offers("FILE"));
        if !(arg.is_positional() && (runs || offers("ROW")) || arg.get_id() == "of" || arg.get_id() == "still_using") {
            return arg;
        }
        let past = Arc::clone(past);
        arg.add(ArgValueCompleter::new(move |current: &OsStr| {
            let mut found = past.candidates(current, runs, rows);
            if files && !current.is_empty() {
                found.extend(PathCompleter::file().complete(current));
            }
            found
        }))
    });
    command.mut_subcommands(|command| complete_runs(command, past))
}

fn value_names(arg: &Arg) -> String {
    arg.get_value_names()
        .map(|names| names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join("|"))
        .unwrap_or_default()
}

/// The journal, and the words that were typed so far.
struct Past {
    journal: Location,
    words: Vec<OsString>,
}

impl Past {
    fn candidates(&self, current: &OsStr, runs: bool, rows: bool) -> Vec<CompletionCandidate> {
        let Some(current) = current.to_str() else { return Vec::new() };
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return Vec::new() };
        let found = async { tokio::time::timeout(PATIENCE, self.read(current, runs, rows)).await };
        runtime.block_on(found).ok().flatten().unwrap_or_default()
    }

    async fn read(&self, current: &str, runs: bool, rows: bool) -> Option<Vec<CompletionCandidate>> {
        let leftovers = self.journal.file().and_then(Leftovers::of);
        let reader = open::reader(&self.journal).await.ok()?;
        let mut found = Vec::new();
        let known = reader.runs().await.ok()?.into_iter().map(|run| run.run.to_string()).collect::<Vec<_>>();
        if runs {
            let matching = known.iter().rev().filter(|run| run.starts_with(current)).take(MOST);
            found.extend(matching.map(CompletionCandidate::new));
            if LATEST.starts_with(current) && !known.is_empty() {
                found.push(CompletionCandidate::new(LATEST));
            }
        }
        // All names of all runs are no help: one must have begun to type, or have named a run.
        let run = self.run(&known);
        if rows && (run.is_some() || !current.is_empty()) {
            found.extend(names(&reader, current, run.as_deref()).await);
        }
        reader.release().await;
        if let Some(leftovers) = leftovers {
            leftovers.remove().await;
        }
        Some(found)
    }

    /// The run that an earlier word names.
    fn run(&self, known: &[String]) -> Option<String> {
        // The words are those before the one to be completed, and perhaps that one, too: a run is never offered as a row of itself.
        let typed = self.words.iter().filter_map(|word| word.to_str());
        typed.skip(1).find_map(|word| match word {
            LATEST => known.last().cloned(),
            _ if word.len() >= 4 => known.iter().find(|run| run.starts_with(word)).cloned(),
            _ => None,
        })
    }
}

/// Numbers and names of rows, of one run or of all, that begin with what was typed.
async fn names(reader: &Reader, current: &str, run: Option<&str>) -> Vec<CompletionCandidate> {
    // Only such texts are names. So nothing that was typed can be SQL.
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !current.chars().all(is_name) {
        return Vec::new();
    }
    let of_run = run.map(|run| format!("run_id = '{run}' AND ")).unwrap_or_default();
    let column = if !current.is_empty() && current.bytes().all(|byte| byte.is_ascii_digit()) && run.is_some() {
        "row_no"
    } else {
        "key_pair_name"
    };
    let statement =
        format!("SELECT DISTINCT {column} FROM intents WHERE {of_run}{column} GLOB '{current}*' LIMIT {MOST}");
    let mut found = Found(Vec::new());
    match reader.query(&statement, &mut found).await {
        Ok(()) => found.0,
        Err(_) => Vec::new(),
    }
}

struct Found(Vec<CompletionCandidate>);

impl Visitor for Found {
    fn columns(&mut self, _names: &[String]) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn row(&mut self, cells: Vec<Cell>) -> ControlFlow<()> {
        let text = match cells.first() {
            Some(Cell::Text(text)) => Some(text.clone()),
            Some(Cell::Integer(number)) => Some(number.to_string()),
            _ => None,
        };
        self.0.extend(text.map(CompletionCandidate::new));
        ControlFlow::Continue(())
    }
}
