//! `keybatch verify`: is the journal what was written?

use std::path::{Path, PathBuf};

use super::{CliError, Context, Exit, Format, shown};
use crate::audit::{Options, Report, Verdict, json_text, verify};
use crate::journal::checkpoint::Checkpoint;
use crate::journal::sqlite::SqliteReader;

/// Verify the journal, offline
///
/// Reads every entry and checks its hash, its place, whether the order of what happened is possible, and whether the
/// tables are what the entries say. Whether anything is missing at the end, or everything was rewritten, only a
/// checkpoint that was kept elsewhere can tell.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Checkpoints that were kept elsewhere; of those of this journal, the one that covers most is used
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Fail where there is nothing outside to compare with
    #[arg(long)]
    require_checkpoint: bool,
}

pub(super) async fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    let scratch = scratch_directory(context);
    let (checkpoint, torn) = match &args.checkpoint {
        Some(path) => {
            let (most, torn) = read_checkpoint(path, &context.journal, args.require_checkpoint).await?;
            (Some(most), torn)
        }
        None => (None, None),
    };
    let options = Options {
        checkpoint,
        require_checkpoint: args.require_checkpoint,
        scratch: Some((scratch, format!("keybatch-{}", uuid::Uuid::new_v4()))),
    };
    let mut report = verify(&context.journal, options).await?;
    report.warnings.extend(torn);
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

/// Where the projections are made again: a file without a name that is gone with the process.
pub(super) fn scratch_directory(context: &Context) -> PathBuf {
    let named = context.environment.variable("TMPDIR").map(PathBuf::from);
    let candidates = named.into_iter().chain([PathBuf::from("/var/tmp"), PathBuf::from("/tmp")]);
    candidates.into_iter().find(|path| path.is_dir()).unwrap_or_else(|| PathBuf::from("."))
}

/// Of several checkpoints the one of this journal that covers most: if an older one is all that the journal still has,
/// the newer one shows it. With it, what is to be said of those that are not whole.
async fn read_checkpoint(
    path: &Path,
    journal: &Path,
    required: bool,
) -> Result<(Checkpoint, Option<String>), CliError> {
    let shown = shown(&path.to_string_lossy());
    let unusable = |why: String| CliError::new(Exit::Usage, why).hint("nothing was verified");
    let bytes = std::fs::read(path).map_err(|error| {
        let mut wrapped = unusable(format!("the checkpoint {shown} cannot be read"));
        wrapped.causes.push(error.to_string());
        wrapped
    })?;
    // What a power loss leaves of the last one need not be text.
    let text = String::from_utf8_lossy(&bytes);
    let parsed = Checkpoint::parse_all(&text);
    let (all, torn) = parsed.map_err(|error| unusable(format!("{shown} is {error}")))?;
    // It may have seen entries that none before it did.
    if required && Checkpoint::parse_last(&text).is_err() {
        let why = format!("the last checkpoint in {shown} is not whole, so that the ones before it are not enough");
        return Err(unusable(why).hint("without --require-checkpoint, it is left out"));
    }
    let id = match SqliteReader::open(journal).await {
        Ok(reader) => reader.journal_id().await.ok().flatten(),
        Err(_) => None,
    };
    let own = all.iter().filter(|checkpoint| Some(&checkpoint.journal_id) == id.as_ref());
    let most = match own.max_by_key(|checkpoint| checkpoint.size) {
        Some(most) => most,
        // One of another journal says nothing against this one where those of this one may be what is torn.
        None if torn > 0 && id.is_some() => {
            return Err(unusable(format!("{shown} holds no whole checkpoint of this journal; {torn} are not whole")));
        }
        None => all.last().ok_or_else(|| unusable(format!("{shown} holds no checkpoint")))?,
    };
    let warning =
        format!("{torn} of the checkpoints in {shown} are not whole, as after a power loss, and were left out");
    Ok((most.clone(), (torn > 0).then_some(warning)))
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
    let runs = report.runs;
    let _ = writeln!(out, "{} entries, {runs} runs\nroot {}", report.entries, report.root);
    if report.verdict == Verdict::SelfConsistent && require_checkpoint {
        let _ = writeln!(out, "not accepted: --require-checkpoint asks for a checkpoint, and none was given");
    }
    out
}
