//! `keybatch verify PROOF`: what a proof shows, without the journal.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};

use super::brought::{NONE_SIGNED, NOT_JUDGED, NotSigned, signer};
use super::headline::headline;
use super::hint::Hint;
use super::{CliError, Code, Context, Exit, Format, Ui, shown, signers};
use crate::domain::{Clock as _, SystemClock, counted};
use crate::record::checkpoint::Checkpoint;
use crate::record::proof::{MAX_PROOF_BYTES, Proof};
use crate::record::ssh::Signers;
use crate::review::{Suggested, json_text};
use crate::session::checkpoints::each_record;
use crate::verify::{ProofReport, ProofTrust, Verdict, verify_proof, written_at};

/// What the reviewer brings.
pub(super) struct Brings<'a> {
    pub(super) checkpoints: &'a [PathBuf],
    pub(super) signers: Option<&'a Path>,
    pub(super) require_checkpoint: bool,
}

pub(super) fn run(path: &Path, brings: &Brings<'_>, context: &Context) -> Result<Exit, CliError> {
    let bytes = read(path)?;
    refuse_others(path, &bytes)?;
    let read = Proof::read(&bytes);
    let mut trust = ProofTrust { require_checkpoint: brings.require_checkpoint, ..ProofTrust::default() };
    let mut warnings = Vec::new();
    let signers = brings.signers.map(|path| signers::read(path, context)).transpose()?;
    if let Ok(proof) = &read {
        let mut judging =
            Judging { proof, signers: signers.as_ref(), context, trust: &mut trust, warnings: &mut warnings };
        judging.judge(brings.checkpoints)?;
    }
    let mut report = verify_proof(&read, &trust);
    report.warnings.extend(warnings);
    let exit = if report.accepted { Exit::Success } else { Exit::NotVerified };
    match context.ui.format {
        Format::Table => context.ui.data(&text(&context.ui, &report, brings.require_checkpoint))?,
        Format::Json | Format::Jsonl | Format::Csv => {
            let value =
                serde_json::to_value(&report).map_err(|error| CliError::from_error(Exit::Unexpected, &error))?;
            context.ui.data(&format!("{}\n", json_text(&value)))?;
        }
    }
    Ok(exit)
}

/// Refuses a journal or a plan, which are verified and shown otherwise. What was a proof once is judged.
fn refuse_others(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let name = shown(&path.to_string_lossy());
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let is_plan = || {
        let value: Result<serde_json::Value, _> = serde_json::from_slice(first);
        value.is_ok_and(|value| value["schema"].as_str().is_some_and(|schema| schema.starts_with("keybatch.plan/")))
    };
    let (what, instead) = if bytes.starts_with(b"SQLite format 3\0") {
        ("a database", Hint::suggesting("to verify a journal: ", Suggested::new(["verify"]).in_journal(path)))
    } else if is_plan() {
        ("a plan", Hint::command("to see what it would do: ", ["show".into(), path.to_string_lossy()]))
    } else {
        return Ok(());
    };
    let refused = CliError::new(Exit::Usage, format!("{name} is {what}, and no proof; nothing was verified"));
    Err(refused.code(Code::ProofUnreadable).hint(instead))
}

fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    let shown = shown(&path.to_string_lossy());
    let unreadable = |why: String| {
        CliError::new(Exit::Usage, format!("the proof {shown} cannot be read: {why}"))
            .code(Code::ProofUnreadable)
            .hint(Hint::command("nothing was verified; `", ["verify"]).and("` without a file verifies the journal"))
    };
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_PROOF_BYTES + 1).read_to_end(&mut bytes));
    read.map_err(|error| unreadable(error.to_string()))?;
    if bytes.len() as u64 > MAX_PROOF_BYTES {
        return Err(unreadable(format!("it has more than {MAX_PROOF_BYTES} bytes, and no proof has")));
    }
    Ok(bytes)
}

/// Finds out what the reviewer trusts of what the proof needs.
struct Judging<'a> {
    proof: &'a Proof,
    signers: Option<&'a Signers>,
    context: &'a Context,
    trust: &'a mut ProofTrust,
    warnings: &'a mut Vec<String>,
}

impl Judging<'_> {
    fn judge(&mut self, brought: &[PathBuf]) -> Result<(), CliError> {
        let Some(own) = self.proof.checkpoint.read() else { return Ok(()) };
        self.trust.signed = self.signers.map(|_| BTreeSet::new());
        if let Some(signature) = &self.proof.checkpoint.signature
            && let Some(who) = self.who(&own, signature)
        {
            self.trust.signed.get_or_insert_default().insert((own.size, own.root));
            self.trust.vouched_by = Some(who);
        }
        self.trust.only_others = !brought.is_empty();
        // Of the proof's own signature, the report says that it was not judged.
        let own_is_signed = self.proof.checkpoint.signature.is_some();
        let mut is_signed = false;
        for path in brought {
            is_signed |= self.read(path, &own)?;
        }
        let said = match self.signers {
            None if is_signed && !own_is_signed => Some(NOT_JUDGED),
            Some(_) if !is_signed && !own_is_signed => Some(NONE_SIGNED),
            _ => None,
        };
        self.warnings.extend(said.map(str::to_owned));
        Ok(())
    }

    /// Who signed the checkpoint, of those whom the list allows that.
    fn who(&mut self, checkpoint: &Checkpoint, signature: &str) -> Option<String> {
        let signers = self.signers?;
        // Of a later entry that the checkpoint covers, a proof does not show the time.
        let at = written_at(self.proof).unwrap_or_else(|| SystemClock::start().now());
        match signer(checkpoint, signature, signers, at, self.context) {
            Ok(who) => who,
            Err(NotSigned::Bad(why)) => {
                self.trust.bad_signature.get_or_insert(why);
                None
            }
            Err(NotSigned::Unknown(why)) => {
                self.trust.unverified_signature.get_or_insert(why);
                None
            }
        }
    }

    /// Reads the checkpoints in the file at `path`: those of the proof's journal count. Returns whether one of them is signed.
    fn read(&mut self, path: &Path, own: &Checkpoint) -> Result<bool, CliError> {
        let shown = shown(&path.to_string_lossy());
        let unusable =
            |why: String| CliError::new(Exit::Usage, why).code(Code::CheckpointFile).hint("nothing was verified");
        let mut known: BTreeSet<u64> = self.proof.consistency.iter().map(|older| older.size).collect();
        known.insert(own.size);
        let (mut found, mut signed, mut others, mut torn) = (BTreeSet::new(), Vec::new(), 0_u64, 0_u64);
        let mut is_signed = false;
        let file =
            File::open(path).map_err(|error| unusable(format!("the checkpoint {shown} cannot be read: {error}")))?;
        let read = each_record(BufReader::new(file), |text, signature| match Checkpoint::parse_last(text) {
            Ok(one) if one.journal_id == own.journal_id && one.size > 0 => {
                is_signed |= signature.is_some();
                // Of those that the proof says nothing of, one is enough to say so.
                if known.contains(&one.size) || found.is_empty() {
                    found.insert((one.size, one.root));
                    signed
                        .extend(signature.filter(|_| known.contains(&one.size)).map(|armour| (one, armour.to_owned())));
                }
            }
            Ok(_) => others += 1,
            Err(_) => torn += 1,
        });
        read.map_err(|error| unusable(format!("the checkpoint {shown} cannot be read: {error}")))?;
        if found.is_empty() && others == 0 {
            return Err(unusable(format!("{shown} holds no whole checkpoint")));
        }
        if torn > 0 {
            let torn = counted(torn, "incomplete checkpoint", "incomplete checkpoints");
            self.warnings.push(format!("ignored {torn} in {shown} (a power loss can leave them)"));
        }
        self.trust.only_others &= found.is_empty();
        for (checkpoint, armour) in signed {
            if self.signers.is_some() && self.who(&checkpoint, &armour).is_some() {
                self.trust.signed.get_or_insert_default().insert((checkpoint.size, checkpoint.root));
            }
        }
        self.trust.brought.extend(found);
        Ok(is_signed)
    }
}

fn text(ui: &Ui, report: &ProofReport, require_checkpoint: bool) -> String {
    let hashes = [("expected", &report.expected), ("found", &report.found)];
    let mut out = headline(ui, report.verdict, &report.detail, report.first_bad, hashes);
    for finding in report.findings.iter().skip(1) {
        let _ = writeln!(out, "also {}: {}", finding.verdict.as_str().replace('_', " "), shown(&finding.detail));
    }
    if !report.says.is_empty() {
        out.push_str("The entries in the proof say:\n");
    }
    for sentence in &report.says {
        let _ = writeln!(out, "  {}", shown(sentence));
    }
    for warning in &report.warnings {
        let _ = writeln!(out, "note: {}", shown(warning));
    }
    if let Some(checkpoint) = &report.checkpoint {
        let entries = counted(report.entries, "entry", "entries");
        let _ = writeln!(
            out,
            "{entries}, under the checkpoint of {} entries of {}\nroot {}",
            checkpoint.size,
            shown(&checkpoint.origin),
            checkpoint.root
        );
    }
    for older in &report.consistent_with {
        let _ = writeln!(out, "which begins with the checkpoint of {} entries\nroot {}", older.size, older.root);
    }
    if report.verdict == Verdict::SelfConsistent && require_checkpoint {
        out.push_str("not accepted: --require-checkpoint needs a checkpoint that covers all entries of the proof\n");
    }
    out
}
