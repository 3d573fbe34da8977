//! The checkpoints that a reviewer brings to `verify`, and who signed them.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::keygen::Keygen;
use super::{CliError, Code, Context, Exit, shown};
use crate::domain::{Clock as _, SystemClock, counted};
use crate::journal::Reader;
use crate::record::approval::CHECKPOINT_NAMESPACE;
use crate::record::checkpoint::{Checkpoint, CheckpointError};
use crate::record::merkle::Hash;
use crate::record::ssh::{Answer, Program as _, Question, Signature, SignatureError, Signers, Verification};
use crate::session::checkpoints::each_record;

/// Signed checkpoints were brought, and no list of signers.
pub(super) const NOT_JUDGED: &str =
    "the signatures under the checkpoints were not verified: --allowed-signers FILE does";

/// A list of signers was brought, and no signed checkpoint.
pub(super) const NONE_SIGNED: &str =
    "no checkpoint of this journal is signed, and --allowed-signers accepts signed ones alone";

/// The checkpoints in a file.
#[derive(Debug, Default)]
pub(super) struct Brought {
    /// The checkpoint of this journal that covers most: it shows whether the journal was cut back to an older one. If there
    /// is none of this journal, one of another.
    pub(super) most: Option<Checkpoint>,
    /// All others of this journal, none of which may contradict it. There may be very many.
    pub(super) further: Vec<(u64, Hash)>,
    /// Where signatures count: those that were signed by somebody who may.
    pub(super) signed: Option<BTreeSet<(u64, Hash)>>,
    /// What is wrong with signatures.
    pub(super) bad_signature: Option<String>,
    /// Why it is not known whether signatures hold.
    pub(super) unverified_signature: Option<String>,
    /// Warnings about checkpoints that are incomplete or cover no entries, and notes on who signed.
    pub(super) warnings: Vec<String>,
    /// What each file holds.
    pub(super) files: Vec<FileOf>,
    /// Whether [`most`](Self::most) is of another journal.
    foreign: bool,
}

fn unique(all: Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    all.into_iter().filter(|one| seen.insert(one.clone())).collect()
}

/// What a file holds of this journal.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(super) struct FileOf {
    /// The file.
    pub(super) file: String,
    /// Different whole checkpoints of this journal in it, signed or not, forged ones excepted.
    pub(super) checkpoints: u64,
    /// How many entries the largest covers.
    pub(super) largest: Option<u64>,
}

impl Brought {
    /// Reads all checkpoints in the files. A file without any of this journal is an error where it is the only one, and worth a
    /// note beside others.
    pub(super) async fn read_all(
        paths: &[PathBuf],
        signers: Option<&Signers>,
        context: &Context,
        required: bool,
    ) -> Result<Self, CliError> {
        let (mut all, mut foreign) = (Self::default(), None);
        for path in paths {
            let mut one = Self::read(path, signers, context, required).await?;
            let is_foreign = one.foreign;
            if let [file] = &mut one.files[..]
                && is_foreign
                && paths.len() > 1
                && context.many.is_none()
            {
                all.warnings.push(format!("{} has no checkpoint of this journal", file.file));
            }
            if is_foreign {
                foreign = foreign.or(one.most.take());
            }
            all.add(one);
        }
        // Nothing else was brought that could be compared. Of several journals, a file need not be about each.
        if context.many.is_none()
            && all.most.is_none()
            && all.bad_signature.is_none()
            && all.unverified_signature.is_none()
        {
            all.most = foreign;
        }
        all.warnings = unique(all.warnings);
        Ok(all)
    }

    fn add(&mut self, other: Self) {
        let most = [self.most.take(), other.most].into_iter().flatten();
        let mut most: Vec<_> = most.collect();
        most.sort_by_key(|checkpoint| checkpoint.size);
        self.most = most.pop();
        self.further.extend(most.into_iter().map(|checkpoint| (checkpoint.size, checkpoint.root)));
        self.further.extend(other.further);
        tidy(&mut self.further);
        self.signed = match (self.signed.take(), other.signed) {
            (Some(mut all), Some(more)) => {
                all.extend(more);
                Some(all)
            }
            (all, more) => all.or(more),
        };
        self.bad_signature = self.bad_signature.take().or(other.bad_signature);
        self.unverified_signature = self.unverified_signature.take().or(other.unverified_signature);
        self.warnings.extend(other.warnings);
        self.files.extend(other.files);
    }

    /// Reads all checkpoints in the file at `path`. With `signers`, only those prove anything that one of them signed.
    async fn read(path: &Path, signers: Option<&Signers>, context: &Context, required: bool) -> Result<Self, CliError> {
        let shown = shown(&path.to_string_lossy());
        let unusable =
            |why: String| CliError::new(Exit::Usage, why).code(Code::CheckpointFile).hint("nothing was verified");
        let reader = context.reader().await.ok();
        let id = match &reader {
            Some(reader) => reader.journal_id().await.ok().flatten(),
            None => None,
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
        match signers {
            Some(signers) => brought.judge(&mut found, signers, reader.as_ref(), context).await,
            None if !found.signed.is_empty() => {
                brought.warnings.push(NOT_JUDGED.into());
            }
            None => {}
        }
        let mut own = 0;
        match (found.own.is_empty(), found.other) {
            // Its own were forged, and say nothing.
            (true, _) if brought.bad_signature.is_some() || brought.unverified_signature.is_some() => {}
            // The incomplete ones may be of this journal, so one of another journal proves nothing against it.
            (true, Some(_)) if found.torn > 0 && id.is_some() => {
                let torn = found.torn;
                let why = format!("{shown} has no complete checkpoint of this journal, only {}", incomplete(torn));
                return Err(unusable(why));
            }
            (true, Some(other)) => (brought.most, brought.foreign) = (Some(other), true),
            (true, None) => {
                let trouble = found.trouble.or_else(|| Checkpoint::parse_last("").err());
                let why = trouble.map_or_else(String::new, |error| error.to_string());
                return Err(unusable(format!("{shown} is {why}")));
            }
            (false, _) => {
                found.own.retain(|(size, _)| *size > 0);
                tidy(&mut found.own);
                own = found.own.len() as u64;
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
        let largest = brought.most.as_ref().map(|most| most.size).filter(|_| !brought.foreign);
        brought.files = vec![FileOf { file: shown, checkpoints: own, largest }];
        Ok(brought)
    }

    /// Finds out which checkpoints of this journal were signed by somebody who may. One under a signature that does not hold is
    /// no evidence of anything, but of forgery: it is not compared with the journal.
    async fn judge(
        &mut self,
        found: &mut CheckpointsFound,
        signers: &Signers,
        reader: Option<&Reader>,
        context: &Context,
    ) {
        let (mut good, mut bad, mut who) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let mut complaint: Option<String> = None;
        for (checkpoint, armour) in std::mem::take(&mut found.signed) {
            let one = (checkpoint.size, checkpoint.root);
            let at = when(reader, checkpoint.size).await;
            match signer(&checkpoint, &armour, signers, at, context) {
                Ok(Some(name)) => {
                    good.insert(one);
                    who.insert(name);
                }
                Ok(None) => {}
                Err(NotSigned::Unknown(why)) => {
                    bad.insert(one);
                    self.unverified_signature.get_or_insert(why);
                }
                Err(NotSigned::Bad(why)) => {
                    bad.insert(one);
                    complaint.get_or_insert(why);
                }
            }
        }
        // The same checkpoint may stand there twice, with a good signature and without one.
        bad.retain(|one| !good.contains(one));
        found.own.retain(|one| !bad.contains(one));
        self.bad_signature = complaint.map(|why| {
            let more =
                if bad.len() > 1 { format!(" ({} checkpoints have bad signatures)", bad.len()) } else { String::new() };
            format!("{why}{more}")
        });
        if let Some(most) = good.last() {
            let who = who.into_iter().collect::<Vec<_>>().join("; ");
            self.warnings.push(format!("the largest signed checkpoint covers {} entries; signed by {who}", most.0));
        } else if bad.is_empty() {
            self.warnings.push(NONE_SIGNED.into());
        }
        self.signed = Some(good);
    }
}

/// When keys must have been valid: when the last entry that the checkpoint covers was written, which is what it vouches for.
/// Where that entry is not there, the journal is not what was signed, and the time does not matter.
async fn when(reader: Option<&Reader>, size: u64) -> Timestamp {
    let entry = match reader {
        Some(reader) => reader.entry(size.saturating_sub(1)).await.ok(),
        None => None,
    };
    entry.map_or_else(|| SystemClock::start().now(), |entry| entry.at)
}

/// Why a signature says nothing for its checkpoint.
pub(super) enum NotSigned {
    /// It does not hold, or is by nobody who may sign.
    Bad(String),
    /// Nothing here can verify it.
    Unknown(String),
}

/// Who signed the checkpoint; nobody where the signature is cut off, as a power loss leaves it.
pub(super) fn signer(
    checkpoint: &Checkpoint,
    armour: &str,
    signers: &Signers,
    at: Timestamp,
    context: &Context,
) -> Result<Option<String>, NotSigned> {
    let of = format!("the signature under the checkpoint of {} entries", checkpoint.size);
    let signature = match Signature::parse(armour) {
        Ok(signature) => signature,
        Err(SignatureError::NoEnd) => return Ok(None),
        Err(error) => return Err(NotSigned::Bad(format!("{of} cannot be read: {error}"))),
    };
    let text = checkpoint.to_text();
    let verification = signature.verify(CHECKPOINT_NAMESPACE, text.as_bytes());
    if let Verification::Bad(bad) = &verification {
        return Err(NotSigned::Bad(format!("{of} does not hold: {bad}")));
    }
    let key = signature.key();
    let principals = signers.somebody(key, CHECKPOINT_NAMESPACE, at);
    let principals = principals.map_err(|why| NotSigned::Bad(format!("{of} is not by anybody who may sign: {why}")))?;
    let named = |principal: &str| format!("{} ({})", shown(principal), key.fingerprint());
    let Verification::NeedsProgram(needs) = verification else {
        return Ok(Some(named(&principals.join(", "))));
    };
    let mut said = String::new();
    for principal in &principals {
        let question = Question {
            text: text.as_bytes(),
            signature: &signature,
            namespace: CHECKPOINT_NAMESPACE,
            principal,
            signers: &signers.text(),
            at,
        };
        match (Keygen { context }).verify(&question) {
            Answer::Good => return Ok(Some(named(principal))),
            Answer::Bad(why) => said = format!(", and ssh-keygen does not accept it: {why}"),
            Answer::Unavailable(why) => {
                let why = format!("{of} cannot be verified: {needs}; only ssh-keygen can, and it cannot be run: {why}");
                return Err(NotSigned::Unknown(why));
            }
        }
    }
    Err(NotSigned::Bad(format!("{of} does not hold: {needs}{said}")))
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
    /// Those of them that have a signature behind them, with it.
    signed: Vec<(Checkpoint, String)>,
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
        each_record(file, |text, signature| self.take(text, signature))
    }

    fn take(&mut self, text: &str, signature: Option<&str>) {
        match Checkpoint::parse_last(text) {
            Ok(one) if Some(&one.journal_id) == self.of.as_ref() => {
                self.torn_last = false;
                self.own.push((one.size, one.root));
                self.signed.extend(signature.map(|signature| (one, signature.to_owned())));
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
