//! `keybatch verify`: is the journal what was written?

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::{CliError, Code, Context, Exit, Format, shown};
use crate::domain::counted;
use crate::record::checkpoint::{Checkpoint, CheckpointError};
use crate::record::merkle::Hash;
use crate::review::json_text;
use crate::session::checkpoints::each_record;
use crate::verify::{Options, Report, Verdict, verify};

/// Verify the journal, offline
///
/// Reads every entry and checks its hash and position, whether the recorded history is possible, and whether the tables
/// match the entries. Only a checkpoint that was kept elsewhere can show whether entries are missing at the end, or
/// whether everything was rewritten.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// File of checkpoints that was kept elsewhere; all checkpoints of this journal in it are compared
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Fail if there is no outside checkpoint to compare with
    #[arg(long)]
    require_checkpoint: bool,
}

pub(super) async fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    let scratch = super::scratch::directory(context)?;
    let brought = match &args.checkpoint {
        Some(path) => Brought::read(path, context, args.require_checkpoint).await?,
        None => Brought::default(),
    };
    let options = Options {
        checkpoint: brought.most,
        further: brought.further,
        require_checkpoint: args.require_checkpoint,
        scratch: Some((scratch, format!("keybatch-{}", uuid::Uuid::new_v4()))),
    };
    let mut report = verify(&context.journal, options).await?;
    report.warnings.extend(brought.warnings);
    let exit = if report.accepted { Exit::Success } else { Exit::NotVerified };
    match context.ui.format {
        Format::Table => context.ui.data(&text(&report, args.require_checkpoint))?,
        Format::Json | Format::Jsonl | Format::Csv => {
            let value =
                serde_json::to_value(&report).map_err(|error| CliError::from_error(Exit::Unexpected, &error))?;
            context.ui.data(&format!("{}\n", json_text(&value)))?;
        }
    }
    Ok(exit)
}

/// The checkpoints in a file.
#[derive(Debug, Default)]
struct Brought {
    /// The checkpoint of this journal that covers most: it shows whether the journal was cut back to an older one. If there
    /// is none of this journal, one of another.
    most: Option<Checkpoint>,
    /// All others of this journal, none of which may contradict it. There may be very many.
    further: Vec<(u64, Hash)>,
    /// Warnings about checkpoints that are incomplete or cover no entries.
    warnings: Vec<String>,
}

impl Brought {
    /// Reads all checkpoints in the file at `path`.
    async fn read(path: &Path, context: &Context, required: bool) -> Result<Self, CliError> {
        let shown = shown(&path.to_string_lossy());
        let unusable =
            |why: String| CliError::new(Exit::Usage, why).code(Code::CheckpointFile).hint("nothing was verified");
        let id = match context.reader().await {
            Ok(reader) => reader.journal_id().await.ok().flatten(),
            Err(_) => None,
        };
        let mut found = CheckpointsFound { of: id.clone(), ..CheckpointsFound::default() };
        let read = File::open(path).and_then(|file| found.read(BufReader::new(file)));
        read.map_err(|error| {
            let mut wrapped = unusable(format!("the checkpoint {shown} cannot be read"));
            wrapped.causes.push(error.to_string());
            wrapped
        })?;
        // It may cover entries that no earlier one covers.
        if required && found.torn_last {
            let why = format!("the last checkpoint in {shown} is incomplete, so the ones before it are not enough");
            return Err(unusable(why).hint("without --require-checkpoint, verify ignores it"));
        }
        let mut brought = Self::default();
        match (found.own.is_empty(), found.other) {
            // The incomplete ones may be of this journal, so one of another journal proves nothing against it.
            (true, Some(_)) if found.torn > 0 && id.is_some() => {
                let torn = found.torn;
                let why = format!("{shown} has no complete checkpoint of this journal, only {}", incomplete(torn));
                return Err(unusable(why));
            }
            (true, Some(other)) => brought.most = Some(other),
            (true, None) => {
                let trouble = found.trouble.or_else(|| Checkpoint::parse_last("").err());
                let why = trouble.map_or_else(String::new, |error| error.to_string());
                return Err(unusable(format!("{shown} is {why}")));
            }
            (false, _) => {
                found.own.retain(|(size, _)| *size > 0);
                tidy(&mut found.own);
                brought.most =
                    found.own.pop().map(|(size, root)| Checkpoint { journal_id: id.unwrap_or_default(), size, root });
                brought.further = found.own;
                if brought.most.is_none() {
                    let why =
                        format!("the checkpoint in {shown} covers no entries, so nothing can be compared with it");
                    brought.warnings.push(why);
                }
            }
        }
        if found.torn > 0 {
            let torn = found.torn;
            let why = format!("ignored {} in {shown} (a power loss can leave them)", incomplete(torn));
            brought.warnings.push(why);
        }
        Ok(brought)
    }
}

fn incomplete(torn: usize) -> String {
    counted(torn as u64, "incomplete checkpoint", "incomplete checkpoints")
}

/// What was found in a file so far. The file is read line by line, and only what can be compared is kept.
#[derive(Debug, Default)]
struct CheckpointsFound {
    /// The journal whose checkpoints are wanted.
    of: Option<String>,
    /// Size and root of each of its checkpoints.
    own: Vec<(u64, Hash)>,
    /// At this number, duplicates are removed.
    full: usize,
    /// The last one of any other journal.
    other: Option<Checkpoint>,
    torn: usize,
    /// Whether the last one is incomplete, and why.
    torn_last: bool,
    trouble: Option<CheckpointError>,
}

impl CheckpointsFound {
    fn read(&mut self, file: impl BufRead) -> std::io::Result<()> {
        each_record(file, |text| self.take(text))
    }

    fn take(&mut self, text: &str) {
        match Checkpoint::parse_last(text) {
            Ok(one) if Some(&one.journal_id) == self.of.as_ref() => {
                self.torn_last = false;
                self.own.push((one.size, one.root));
                // Duplicates, as in concatenated files, are kept once.
                if self.own.len() >= self.full.max(FEW) {
                    tidy(&mut self.own);
                    self.full = 2 * self.own.len();
                }
            }
            Ok(one) => {
                self.torn_last = false;
                self.other = Some(one);
            }
            Err(error) => {
                self.torn += 1;
                self.torn_last = true;
                self.trouble = Some(error);
            }
        }
    }
}

/// This many need little memory.
const FEW: usize = 10_000;

fn tidy(all: &mut Vec<(u64, Hash)>) {
    all.sort_unstable();
    all.dedup();
}

fn text(report: &Report, require_checkpoint: bool) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    let word = report.verdict.as_str().replace('_', " ");
    let _ = writeln!(out, "{}: {}", word.to_uppercase(), shown(&report.detail));
    if let Some(seq) = report.first_bad {
        let _ = writeln!(out, "first bad entry: {seq}");
    }
    for (label, value) in [("expected", &report.expected), ("found", &report.found)] {
        let Some(value) = value else { continue };
        let mut lines = value.lines();
        let _ = writeln!(out, "{label}: {}", shown(lines.next().unwrap_or_default()));
        for line in lines {
            let _ = writeln!(out, "  {}", shown(line));
        }
    }
    if let (Some(checkpoint), Some(size)) = (&report.checkpoint, report.proved_up_to) {
        let _ = writeln!(
            out,
            "proved by the checkpoint: entries 0 to {} ({})",
            size.saturating_sub(1),
            shown(&checkpoint.origin)
        );
    }
    for finding in report.findings.iter().skip(1) {
        let _ = writeln!(out, "also {}: {}", finding.verdict.as_str().replace('_', " "), shown(&finding.detail));
    }
    for warning in &report.warnings {
        let _ = writeln!(out, "note: {}", shown(warning));
    }
    let (entries, runs) = (counted(report.entries, "entry", "entries"), counted(report.runs, "run", "runs"));
    let _ = writeln!(out, "{entries}, {runs}\nroot {}", report.root);
    if report.verdict == Verdict::SelfConsistent && require_checkpoint {
        let _ = writeln!(
            out,
            "not accepted: --require-checkpoint needs a checkpoint that covers entries of this journal, and none was given"
        );
    }
    out
}
