//! `keybatch prove`: a file that shows what became of one row, or that the journal only grew, without the journal.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::hint::Hint;
use super::new_file::{refuse_existing, unwritten, write_new};
use super::show::sandbox_label;
use super::{CliError, Code, Context, Exit, Format, shown};
use crate::domain::counted;
use crate::journal::{JournalError, Reader, RunRecord};
use crate::record::checkpoint::{Checkpoint, base64};
use crate::record::proof::{MAX_PROOF_BYTES, Proof};
use crate::record::ssh::Signature;
use crate::review::runs::resolve;
use crate::review::{ProveError, Proved, Under, json_text, prove_consistency, prove_row, rows};
use crate::session::checkpoints::each_record;
use crate::verify::{ProofTrust, Verdict, verify_proof};

/// Prove what happened to one key pair, without handing over the journal
///
/// Writes the entries of one row, with what shows that they are in the journal under a checkpoint. `keybatch verify PROOF` and
/// contrib/verify.py check the file without the journal.
///
/// A proof shows that entries are in the journal, not that there are no others.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  keybatch prove latest old-key -o old-key.proof
  keybatch prove latest 17 --checkpoint mailed.txt -o 17.proof
  keybatch prove --consistency mailed.txt -o grown.proof
  keybatch verify old-key.proof --checkpoint mailed.txt")]
pub(super) struct Args {
    /// The run: its id, a unique prefix of it (4 characters or more), or `latest`
    #[arg(value_name = "RUN", requires = "row", required_unless_present = "consistency")]
    run: Option<String>,
    /// A row of the run: its number, or the key pair's name
    #[arg(value_name = "ROW|NAME")]
    row: Option<String>,
    /// Write to this new file
    #[arg(short = 'o', long = "to", value_name = "FILE", required = true)]
    to: PathBuf,
    /// Prove under the largest checkpoint of this journal in FILE instead of the journal as it is now
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Also prove that the largest checkpoint of this journal in OLD is the beginning of that one; without RUN, only that
    #[arg(long, value_name = "OLD")]
    consistency: Option<PathBuf>,
}

pub(super) async fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    refuse_existing(&args.to)?;
    let reader = context.reader().await?;
    let under = under(args, &reader).await?;
    let (proved, run) = match (&args.run, &args.row) {
        (Some(run), Some(row)) => {
            let run = resolve(&reader, run).await?;
            let row = one_row(&reader, &run, row).await?;
            (prove_row(&reader, &run, row, &under).await?, Some(run))
        }
        _ => (Proved { proof: prove_consistency(&reader, &under).await?, later: Vec::new() }, None),
    };
    let Proved { proof, later } = proved;
    let bytes = checked(&proof, &under)?;
    write_new(&args.to, &bytes).map_err(|error| unwritten(&args.to, &error))?;
    say(args, context, &proof, run.as_ref(), &under, bytes.len())?;
    if !later.is_empty() {
        let entries = counted(later.len() as u64, "later entry of the row is", "later entries of the row are");
        let size = under.checkpoint.size;
        context.ui.say(&format!("warning: {entries} not in the proof: the checkpoint covers {size} entries"));
    }
    Ok(Exit::Success)
}

/// What the proof is to be under.
async fn under(args: &Args, reader: &Reader) -> Result<Under, CliError> {
    let id = reader.journal_id().await?.unwrap_or_default();
    let (checkpoint, signature) = match &args.checkpoint {
        Some(path) => largest(path, &id)?,
        None => {
            let (size, root) = reader.head().await?;
            let head = Checkpoint::of(&id, size, &root).filter(|_| size > 0 && !id.is_empty());
            (head.ok_or_else(|| JournalError::damaged("its head is not one of a journal with entries"))?, None)
        }
    };
    let older = args.consistency.as_deref().map(|path| largest(path, &id)).transpose()?.map(|(older, _)| older);
    if let Some(older) = older.as_ref().filter(|older| older.size > checkpoint.size && args.checkpoint.is_some()) {
        let why = format!(
            "the checkpoint of --consistency covers {} entries, more than that of --checkpoint ({})",
            older.size, checkpoint.size
        );
        return Err(CliError::new(Exit::Usage, why).hint("exchange the two files"));
    }
    Ok(Under { checkpoint, signature, older })
}

/// The checkpoint of this journal in the file that covers most, with its signature where one of its records has one.
fn largest(path: &Path, id: &str) -> Result<(Checkpoint, Option<String>), CliError> {
    let named = shown(&path.to_string_lossy());
    let unusable = |why: String| {
        CliError::new(Exit::Usage, why).code(Code::CheckpointFile).hint("name a file of checkpoints of this journal")
    };
    let mut found: Option<(Checkpoint, Option<String>)> = None;
    let file = File::open(path).map_err(|error| unusable(format!("the checkpoint {named} cannot be read: {error}")))?;
    let read = each_record(BufReader::new(file), |text, signature| {
        let Some(one) = Checkpoint::parse_last(text).ok().filter(|one| one.journal_id == id && one.size > 0) else {
            return;
        };
        let armour = signature.and_then(|text| Signature::parse(text).ok()).map(|signature| signature.to_armour());
        match &mut found {
            Some((most, _)) if most.size > one.size => {}
            Some((most, kept)) if *most == one => {
                if kept.is_none() {
                    *kept = armour;
                }
            }
            other => *other = Some((one, armour)),
        }
    });
    read.map_err(|error| unusable(format!("the checkpoint {named} cannot be read: {error}")))?;
    found.ok_or_else(|| unusable(format!("{named} holds no whole checkpoint of this journal")))
}

async fn one_row(reader: &Reader, run: &RunRecord, wanted: &str) -> Result<u64, CliError> {
    match rows(reader, run, wanted).await?.as_slice() {
        [row] => Ok(*row),
        several => {
            let numbers: Vec<_> = several.iter().take(5).map(u64::to_string).collect();
            let why = format!("{} rows of the run name the key pair {}", several.len(), shown(wanted));
            let refused = CliError::new(Exit::Usage, why).code(Code::RowAmbiguous);
            Err(refused.hint(format!("name one by its number, such as {}", numbers.join(", "))))
        }
    }
}

/// The bytes of the proof, if a reviewer who has its checkpoint will accept it.
fn checked(proof: &Proof, under: &Under) -> Result<Vec<u8>, CliError> {
    let (size, root) = (under.checkpoint.size, under.checkpoint.root);
    let trust = ProofTrust { brought: vec![(size, root)], ..ProofTrust::default() };
    let report = verify_proof(&Ok(proof.clone()), &trust);
    if report.verdict != Verdict::Verified {
        let refused = CliError::new(Exit::NotVerified, format!("there is no such proof: {}", report.detail));
        return Err(refused
            .code(Code::Proof)
            .hint(Hint::command("no file was written; see what is wrong with: ", ["verify"])));
    }
    let bytes = proof.to_bytes().filter(|bytes| bytes.len() as u64 <= MAX_PROOF_BYTES);
    bytes.ok_or_else(|| {
        CliError::new(Exit::Unexpected, format!("the proof would have more than {MAX_PROOF_BYTES} bytes"))
            .code(Code::Proof)
            .hint("no file was written")
    })
}

fn say(
    args: &Args,
    context: &Context,
    proof: &Proof,
    run: Option<&RunRecord>,
    under: &Under,
    bytes: usize,
) -> Result<(), CliError> {
    let file = args.to.to_string_lossy();
    if matches!(context.ui.format, Format::Json | Format::Jsonl) {
        let value = json!({
            "schema": "keybatch.prove/1",
            "file": file,
            "bytes": bytes,
            "run": run.map(|run| run.run.to_string()),
            "row": proof.row,
            "entries": proof.entries.len(),
            "size": under.checkpoint.size,
            "root": base64(&under.checkpoint.root),
            "signed": under.signature.is_some(),
            "consistent_with": under.older.as_ref().map(|older| older.size),
        });
        context.ui.data(&format!("{}\n", json_text(&value)))?;
        return Ok(());
    }
    let label = run.map(sandbox_label).unwrap_or_default();
    let what = match proof.row {
        Some(row) => format!("proof of row {row}, {}", counted(proof.entries.len() as u64, "entry", "entries")),
        None => "consistency proof".to_owned(),
    };
    let older = under.older.as_ref().map(|older| format!(" (which begins with that of {})", older.size));
    context.ui.talk(format!(
        "{label}{what}, under the checkpoint of {} entries{}, written to {}",
        under.checkpoint.size,
        older.unwrap_or_default(),
        shown(&file)
    ));
    Ok(())
}

impl From<ProveError> for CliError {
    fn from(error: ProveError) -> Self {
        let it = |exit, code| Self::from_error(exit, &error).code(code);
        match &error {
            ProveError::Journal(error) => error.clone().into(),
            ProveError::NoIntent { .. } => it(Exit::Usage, Code::RowUnknown),
            ProveError::TooOld { .. } => it(Exit::Usage, Code::ProofCheckpoint)
                .hint("name a later checkpoint, or none for the journal as it is now"),
            ProveError::Stops { seq, .. } => it(Exit::NotVerified, Code::Proof).hint(format!(
                "no file was written; entries before {seq} can still be proved under a checkpoint of at most {seq} entries: --checkpoint FILE"
            )),
            ProveError::Short { .. } | ProveError::OtherRoot { .. } | ProveError::Altered { .. } => {
                it(Exit::NotVerified, Code::Proof)
                    .hint(Hint::command("no file was written; see what is wrong with: ", ["verify"]))
            }
        }
    }
}
