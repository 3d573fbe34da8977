//! `keybatch resolve`: says what became of a row that ended in doubt or as gone.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::anchor::AnchorCommand;
use super::code::Code;
use super::error::{CliError, Sent};
use super::exit::Exit;
use super::hint::Hint;
use super::machine::Machine;
use super::options::{SessionOptions, refuse_secret};
use super::terminal::Verb;
use super::{Context, Format, shown};
use crate::domain::{Class, Outcome};
use crate::record::event::AttachedFile;
use crate::review::json_text;
use crate::session::order::Rollback;
use crate::session::{self, ResolveOrder, Resolved, Unresolvable, refuse_used};

/// Say what became of a row that is in doubt or gone
///
/// keybatch sends nothing. It records what you say, why, and by whom, as a further entry beside the outcome that the run
/// determined, which stays. The latest entry counts in reports, sums and exit codes. `show RUN ROW` shows each request with its id and time.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run: its id, a unique prefix of it (4 characters or more), or `latest`
    #[arg(value_name = "RUN")]
    run: String,
    /// The row: its number, or the key pair's name
    #[arg(value_name = "ROW|NAME")]
    row: String,
    /// What became of the key pair: `deleted` (our request deleted it), `absent` (it was gone before our request), `failed` (our
    /// request did nothing), `gone` (it is gone, and nobody can say by whom); or the run's own outcome, to withdraw what was
    /// said before. Of a row that is gone, only `deleted` and `absent` can be said
    #[arg(long, value_name = "OUTCOME")]
    outcome: String,
    /// How you know, for the journal
    #[arg(long, value_name = "TEXT")]
    because: String,
    /// A file that shows it; its name, length and SHA-256 are recorded, and you keep the file
    #[arg(long, value_name = "FILE")]
    evidence: Option<PathBuf>,
    /// Continue with a journal that lost entries; each row without an outcome is settled by reading when its run is resumed
    #[arg(long)]
    accept_rollback: bool,
    /// Ticket, for the journal
    #[arg(long, env = "KEYBATCH_TICKET", value_name = "ID")]
    ticket: Option<String>,
    /// Append the checkpoint to this file [default: the one that the run's own sessions named]
    #[arg(long, env = "KEYBATCH_CHECKPOINT_TO", value_name = "FILE")]
    checkpoint_to: Option<PathBuf>,
    /// Hand the checkpoint to this command on its standard input, and record what it prints
    #[arg(long, env = "KEYBATCH_CHECKPOINT_EXEC", value_name = "CMD", value_parser = AnchorCommand::parse, hide_env_values = true)]
    checkpoint_exec: Option<AnchorCommand>,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    refuse_secret("--because", Some(&args.because))?;
    if args.because.trim().is_empty() {
        return Err(CliError::new(Exit::Usage, "--because needs a reason").sent(Sent::Nothing));
    }
    let outcome = outcome(&args.outcome)?;
    let file = args.evidence.as_deref().map(attached).transpose()?;
    let mut options = SessionOptions {
        ticket: args.ticket,
        checkpoint_to: args.checkpoint_to,
        checkpoint_exec: args.checkpoint_exec,
        ..SessionOptions::default()
    };
    options.check()?;
    options.make_absolute();
    let rollback = Rollback { accept: args.accept_rollback, because: Some(args.because.clone()) };
    let order = options.order(context, rollback);
    refuse_used(order.checkpoint_to.as_deref(), &context.journal, &[])?;
    let machine = Machine::new(context, &options, Verb::Resolve, None)?;
    if !context.journal.may_exist() {
        return Err(context.missing_journal());
    }
    let order = ResolveOrder { order, run: args.run, row: args.row, outcome, because: args.because, file };
    match session::resolve(&machine, &order).await? {
        Some(resolved) => say(context, &resolved),
        None => Ok(Exit::Stopped),
    }
}

/// The outcome of this name.
fn outcome(word: &str) -> Result<Outcome, CliError> {
    let known = [Outcome::Deleted, Outcome::Gone, Outcome::Absent, Outcome::Failed, Outcome::InDoubt];
    known.into_iter().find(|outcome| outcome.as_str() == word.replace('-', "_")).ok_or_else(|| {
        CliError::new(Exit::Refused, format!("{} is not an outcome that can be said of a row", shown(word)))
            .code(Code::ResolveOutcome)
            .hint("say deleted, absent, failed or gone")
            .sent(Sent::Nothing)
    })
}

/// The file that shows it: only what identifies it is recorded.
fn attached(path: &Path) -> Result<AttachedFile, CliError> {
    let name = path.to_string_lossy().into_owned();
    let unreadable = |why: String| {
        CliError::new(Exit::Refused, format!("the evidence {} cannot be read: {why}", shown(&name)))
            .code(Code::ResolveEvidence)
            .hint("nothing was recorded: name a file that can be read, or leave out --evidence")
            .sent(Sent::Nothing)
    };
    let metadata = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?;
    if !metadata.is_file() {
        return Err(unreadable("it is not a regular file".into()));
    }
    let mut file = File::open(path).map_err(|error| unreadable(error.to_string()))?;
    let (mut digest, mut bytes, mut piece) = (Sha256::new(), 0_u64, vec![0; 64 * 1024]);
    loop {
        match file.read(&mut piece).map_err(|error| unreadable(error.to_string()))? {
            0 => break,
            read => {
                digest.update(&piece[..read]);
                bytes += read as u64;
            }
        }
    }
    let sha256 = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(AttachedFile { name, sha256, bytes })
}

impl From<Unresolvable> for CliError {
    fn from(error: Unresolvable) -> Self {
        let (exit, code) = match &error {
            Unresolvable::WentOn { .. } => (Exit::Refused, Code::RunWentOn),
            Unresolvable::NoSuchRow(_) => (Exit::Usage, Code::RowUnknown),
            Unresolvable::SeveralRows { .. } => (Exit::Usage, Code::RowAmbiguous),
            Unresolvable::NotSettled { .. } | Unresolvable::NotDoubtful { .. } => (Exit::Refused, Code::ResolveRow),
            Unresolvable::NotPossible { .. } => (Exit::Refused, Code::ResolveOutcome),
        };
        let it = Self::new(exit, error.to_string()).code(code);
        match error {
            Unresolvable::WentOn { .. } => {
                it.hint("nothing was recorded: reconcile it again, best when the run is finished")
            }
            Unresolvable::NoSuchRow(error) => error.into(),
            Unresolvable::SeveralRows { .. } => it.hint("name the row by its number"),
            Unresolvable::NotSettled { run, .. } => it.hint(Hint::command(
                "let keybatch determine it, if the run can be resumed: ",
                ["resume", &run.to_string()],
            )),
            Unresolvable::NotDoubtful { run, row, .. } => {
                let words = ["show".to_owned(), run.to_string(), format!("row:{row}")];
                it.hint(Hint::command("see what that rests on with: ", words))
            }
            Unresolvable::NotPossible { possible, .. } => {
                let words: Vec<_> = possible.iter().map(|outcome| outcome.as_str()).collect();
                it.hint(format!("of this row can be said: {}", words.join(", ")))
            }
        }
    }
}

/// Reports what was recorded: an object for programs, a line for people.
fn say(context: &Context, resolved: &Resolved) -> Result<Exit, CliError> {
    let Resolved { run, sandbox, row, key_pair_name, settled, before, told, late, seq, outcomes, journal, head } =
        resolved;
    if context.ui.format != Format::Table {
        let answer = |(attempt, class): &(u32, Class)| json!({ "attempt": attempt, "class": class });
        let late_answers: Vec<_> = late.iter().map(answer).collect();
        let object = json!({
            "schema": "keybatch.resolved/1", "run": run.to_string(), "sandbox": sandbox, "row": row,
            "key_pair_name": key_pair_name, "settled_outcome": settled, "before": before, "outcome": told.outcome,
            "evidence": told.evidence, "because": told.because, "by": told.by, "file": told.file,
            "rests_on": told.rests_on, "entry": seq, "late_answers": late_answers, "outcomes": outcomes, "journal": journal,
            "head": { "size": head.size, "root": head.root },
        });
        context.ui.data(&format!("{}\n", json_text(&object)))?;
        return Ok(Exit::Success);
    }
    let words = |outcome: &Outcome| outcome.as_str().replace('_', " ");
    let sandbox = if *sandbox { "SANDBOX " } else { "" };
    let after = context.ui.painted(told.outcome.as_str(), &words(&told.outcome));
    let line = format!("{sandbox}row {row} {}: {}, was {}", shown(key_pair_name), after, words(before));
    context.ui.data(&format!("{line} (entry {seq} of run {run})\n"))?;
    for (attempt, class) in late {
        let class = class.as_str().replace('_', " ");
        context.ui.talk(format!("note: an answer to attempt {attempt} came too late to decide anything: {class}"));
    }
    if outcomes.in_doubt > 0 {
        context.ui.talk(format!("still in doubt in this run: {}", outcomes.in_doubt));
    }
    Ok(Exit::Success)
}
