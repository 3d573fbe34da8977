//! Verifies a proof, without the journal that it is from: the path of each entry, what the entries show of their row, and whether a
//! checkpoint that the reviewer brought vouches for them.
//!
//! ```text
//!   Proof ──► form ──► checkpoint, consistency ──► paths, bodies ──► the row's story ──► trust ──► ProofReport
//! ```
//!
//! A proof shows that entries are in a journal, not that there are no others.

mod facts;
mod told;

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

pub use facts::{RowAttempt, RowFacts};

use super::history::{Lone, Trouble};
use super::report::{CheckpointFacts, Finding, Verdict};
use super::scan::read_one;
use crate::domain::counted;
use crate::record::Entry;
use crate::record::approval::CHECKPOINT_NAMESPACE;
use crate::record::checkpoint::{Checkpoint, base64};
use crate::record::merkle::Hash;
use crate::record::proof::{Proof, ProofEntry, ProofFault};
use crate::record::ssh::{Signature, Verification};

/// What the reviewer brings. Trust comes from nothing else.
#[derive(Debug, Clone, Default)]
pub struct ProofTrust {
    /// Size and root of the checkpoints of the proof's journal that were brought.
    pub brought: Vec<(u64, Hash)>,
    /// Whether checkpoints were brought, and all are of other journals.
    pub only_others: bool,
    /// With a list of signers: those of `brought` that one of these signed. Only they prove anything; all are compared.
    pub signed: Option<BTreeSet<(u64, Hash)>>,
    /// Who signed the checkpoint in the proof itself, of those whom the list allows that.
    pub vouched_by: Option<String>,
    /// What is wrong with a signature: one sentence.
    pub bad_signature: Option<String>,
    /// Why it could not be determined whether a signature holds: one sentence.
    pub unverified_signature: Option<String>,
    /// Whether a proof for which nothing vouches is not accepted.
    pub require_checkpoint: bool,
}

/// What a proof shows, and whether that is so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProofReport {
    /// `keybatch.verify.proof/1`.
    pub schema: &'static str,
    /// As of a journal.
    pub verdict: Verdict,
    /// Whether the reviewer's demands are met.
    pub accepted: bool,
    /// One sentence.
    pub detail: String,
    /// The first bad entry, if it is known.
    pub first_bad: Option<u64>,
    /// What should be there.
    pub expected: Option<String>,
    /// What is there.
    pub found: Option<String>,
    /// The journal.
    pub journal_id: Option<String>,
    /// The checkpoint that the proof is under.
    pub checkpoint: Option<CheckpointFacts>,
    /// The older checkpoints that the proof shows to be the beginning of that one.
    pub consistent_with: Vec<CheckpointFacts>,
    /// How many entries of the journal the largest checkpoint covers that the reviewer trusts and that agrees.
    pub proved_up_to: Option<u64>,
    /// Entries in the proof.
    pub entries: u64,
    /// What they show of the row; none where they do not hold, or the proof is of no row.
    pub row: Option<RowFacts>,
    /// The same in sentences.
    pub says: Vec<String>,
    /// Everything that is wrong, the gravest first.
    pub findings: Vec<Finding>,
    /// What else is to be said.
    pub warnings: Vec<String>,
}

/// When the last entry of a proof was written: keys that vouch for it must have been valid then.
#[must_use]
pub fn written_at(proof: &Proof) -> Option<Timestamp> {
    Entry::parse(&proof.entries.last()?.body).ok().map(|entry| entry.at)
}

/// Judges a proof as it was read.
#[must_use]
pub fn verify_proof(read: &Result<Proof, ProofFault>, trust: &ProofTrust) -> ProofReport {
    let mut judging = Judging::default();
    if let Some(why) = &trust.bad_signature {
        judging.wrong(Finding::new(Verdict::BadSignature, None, why.clone()));
    }
    if let Some(why) = &trust.unverified_signature {
        judging.wrong(Finding::new(Verdict::CannotVerify, None, why.clone()));
    }
    match read {
        Ok(proof) => judging.judge(proof, trust),
        Err(fault @ ProofFault::NotCanonical) => judging.wrong(Finding::new(Verdict::Altered, None, fault.to_string())),
        Err(fault) => judging.wrong(Finding::new(Verdict::CannotVerify, None, fault.to_string())),
    }
    judging.report(read.as_ref().ok(), trust)
}

#[derive(Default)]
struct Judging {
    findings: Vec<Finding>,
    checkpoint: Option<Checkpoint>,
    older: Vec<(u64, Hash)>,
    journal_id: Option<String>,
    facts: Option<RowFacts>,
    proved: Option<u64>,
}

impl Judging {
    fn wrong(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    fn judge(&mut self, proof: &Proof, trust: &ProofTrust) {
        let Some(checkpoint) = proof.checkpoint.read() else {
            return self.wrong(Finding::new(Verdict::Altered, None, "the checkpoint of the proof is not one"));
        };
        self.journal_id = Some(checkpoint.journal_id.clone());
        self.check_signature(proof.checkpoint.signature.as_deref(), &checkpoint);
        self.check_consistency(proof, &checkpoint);
        let entries = self.check_entries(&proof.entries, &checkpoint);
        match (proof.run, proof.row) {
            (Some(run), Some(row)) => self.check_story(run, row, entries, &checkpoint),
            (None, None) if proof.entries.is_empty() && !proof.consistency.is_empty() => {}
            _ => self.wrong(Finding::new(
                Verdict::IllegalHistory,
                None,
                "the proof is neither of a row nor of older checkpoints",
            )),
        }
        self.checkpoint = Some(checkpoint);
        self.compare(trust);
    }

    /// A signature that is there holds, no matter who made it.
    fn check_signature(&mut self, armour: Option<&str>, checkpoint: &Checkpoint) {
        let Some(armour) = armour else { return };
        let bad = |why: String| Finding::new(Verdict::BadSignature, None, format!("the signature in the proof {why}"));
        match Signature::parse(armour) {
            Ok(signature) if signature.to_armour() != armour => {
                self.wrong(bad("is not written as keybatch writes it".into()));
            }
            Ok(signature) => {
                if let Verification::Bad(why) = signature.verify(CHECKPOINT_NAMESPACE, checkpoint.to_text().as_bytes())
                {
                    self.wrong(bad(format!("does not hold: {why}")));
                }
            }
            Err(error) => self.wrong(bad(format!("cannot be read: {error}"))),
        }
    }

    fn check_consistency(&mut self, proof: &Proof, checkpoint: &Checkpoint) {
        if !proof.consistency.is_sorted_by(|one, next| one.size < next.size) {
            self.wrong(Finding::new(Verdict::Altered, None, "the older checkpoints are not ascending"));
        }
        for older in &proof.consistency {
            if older.holds(checkpoint) {
                self.older.push((older.size, older.root));
            } else {
                let detail = format!(
                    "it does not show that the checkpoint of {} entries is the beginning of that of {}",
                    older.size, checkpoint.size
                );
                self.wrong(Finding::new(Verdict::Altered, None, detail));
            }
        }
    }

    /// The entries whose paths lead to the checkpoint, unless one of them does not.
    fn check_entries<'a>(&mut self, entries: &'a [ProofEntry], checkpoint: &Checkpoint) -> Option<&'a [ProofEntry]> {
        if !entries.is_sorted_by(|one, next| one.seq < next.seq) {
            self.wrong(Finding::new(Verdict::Altered, None, "the entries are not ascending"));
            return None;
        }
        for entry in entries {
            let found = entry.root(checkpoint.size);
            if found != Some(checkpoint.root) {
                let detail =
                    format!("entry {} is not in the journal of this checkpoint: its path leads elsewhere", entry.seq);
                let found = found.map_or_else(|| "no root of that many entries".to_owned(), |root| base64(&root));
                self.wrong(
                    Finding::new(Verdict::Altered, Some(entry.seq), detail).hashes(base64(&checkpoint.root), found),
                );
                return None;
            }
        }
        Some(entries)
    }

    fn check_story(&mut self, run: u64, row: u64, entries: Option<&[ProofEntry]>, checkpoint: &Checkpoint) {
        let Some(entries) = entries else { return };
        let (mut story, mut facts) = (Lone::of(run, row), RowFacts::of(row));
        for ProofEntry { seq, body, .. } in entries {
            let number = i64::try_from(*seq).unwrap_or(i64::MAX);
            let (entry, claimed) = match read_one(number, body) {
                Ok(read) => read,
                Err((verdict, why)) => {
                    let detail = format!("entry {seq} is not what an entry looks like: {why}");
                    return self.wrong(Finding::new(verdict, Some(*seq), detail));
                }
            };
            match (story.step(&entry, &claimed), Entry::parse(body)) {
                (Err(Trouble::Illegal(why)), _) => {
                    let detail = format!("entry {seq} does not belong to this story: {why}");
                    return self.wrong(Finding::new(Verdict::IllegalHistory, Some(*seq), detail));
                }
                (Err(Trouble::Root { what, expected, found }), _) => {
                    let detail = format!("entry {seq} names another root of {what} than there is");
                    return self.wrong(Finding::new(Verdict::Altered, Some(*seq), detail).hashes(expected, found));
                }
                (Ok(()), Ok(whole)) => facts.learn(&whole),
                (Ok(()), Err(error)) => {
                    return self.wrong(Finding::new(Verdict::IllegalHistory, Some(*seq), error.to_string()));
                }
            }
        }
        if let Some(what) = story.lacks() {
            return self.wrong(Finding::new(Verdict::IllegalHistory, None, format!("the proof lacks {what}")));
        }
        if let Some(id) = story.journal_id().filter(|id| *id != checkpoint.journal_id) {
            let finding =
                Finding::new(Verdict::Altered, Some(0), "the checkpoint is of another journal than the entries");
            return self.wrong(finding.hashes(checkpoint.journal_id.clone(), id));
        }
        self.facts = Some(facts);
    }

    /// What the reviewer's checkpoints say of the proof's.
    fn compare(&mut self, trust: &ProofTrust) {
        let Some(checkpoint) = &self.checkpoint else { return };
        let known: Vec<_> = self.older.iter().copied().chain([(checkpoint.size, checkpoint.root)]).collect();
        let mut wrong = Vec::new();
        let mut related = false;
        for (size, root) in &trust.brought {
            let Some((_, own)) = known.iter().find(|(of, _)| of == size) else { continue };
            related = true;
            if own != root {
                let detail =
                    format!("the checkpoint of {size} entries that was brought has another root than the proof's");
                wrong.push(Finding::new(Verdict::Forked, None, detail).hashes(base64(root), base64(own)));
            } else if trust.signed.as_ref().is_none_or(|signed| signed.contains(&(*size, *root))) {
                self.proved = self.proved.max(Some(*size));
            }
        }
        if trust.vouched_by.is_some() {
            self.proved = Some(checkpoint.size);
        }
        if trust.only_others {
            let detail =
                format!("no checkpoint that was brought is of the proof's journal, keybatch/{}", checkpoint.journal_id);
            wrong.push(Finding::new(Verdict::CannotVerify, None, detail));
        } else if !related && !trust.brought.is_empty() && self.proved.is_none() {
            let detail = format!(
                "the proof is under a checkpoint of {} entries, and shows nothing of the ones that were brought: ask for a proof under \
                 yours (keybatch prove --checkpoint), or for one that is consistent with it (keybatch prove --consistency)",
                checkpoint.size
            );
            wrong.push(Finding::new(Verdict::CannotVerify, None, detail));
        }
        self.findings.extend(wrong);
    }

    fn report(mut self, proof: Option<&Proof>, trust: &ProofTrust) -> ProofReport {
        // A stable sort: of findings that are equally grave, the first one leads.
        self.findings.sort_by_key(|finding| std::cmp::Reverse(finding.verdict));
        let last = proof.and_then(|proof| proof.entries.last()).map(|entry| entry.seq);
        let gravest = self.findings.first().cloned().unwrap_or_else(|| self.sound(last));
        let is_sound = self.findings.is_empty();
        let origin = self.journal_id.clone().unwrap_or_default();
        let of = |(size, root): &(u64, Hash)| {
            CheckpointFacts::from(&Checkpoint { journal_id: origin.clone(), size: *size, root: *root })
        };
        let mut warnings = Vec::new();
        if let Some(who) = &trust.vouched_by {
            warnings.push(format!("the checkpoint in the proof is signed by {who}"));
        } else if trust.signed.is_none() && proof.is_some_and(|proof| proof.checkpoint.signature.is_some()) {
            warnings.push("who signed the checkpoint in the proof was not judged: --allowed-signers FILE does".into());
        }
        let facts = self.facts.filter(|_| is_sound);
        if facts.is_some() {
            warnings.push("a proof shows that entries are in the journal, not that there are no others".into());
        }
        ProofReport {
            schema: "keybatch.verify.proof/1",
            verdict: gravest.verdict,
            accepted: match gravest.verdict {
                Verdict::Verified => true,
                Verdict::SelfConsistent => !trust.require_checkpoint,
                _ => false,
            },
            detail: gravest.detail,
            first_bad: gravest.seq,
            expected: gravest.expected,
            found: gravest.found,
            journal_id: self.journal_id.clone(),
            checkpoint: self.checkpoint.as_ref().map(CheckpointFacts::from),
            consistent_with: self.older.iter().map(of).collect(),
            proved_up_to: self.proved,
            entries: proof.map_or(0, |proof| proof.entries.len() as u64),
            says: facts.as_ref().map(told::told).unwrap_or_default(),
            row: facts,
            findings: self.findings,
            warnings,
        }
    }

    /// The verdict on a proof with which nothing is wrong.
    fn sound(&self, last: Option<u64>) -> Finding {
        let size = self.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.size);
        match (self.proved, last) {
            (Some(proved), Some(last)) if last < proved => {
                let detail =
                    format!("all entries of the proof are among the {proved} that a checkpoint you trust covers");
                Finding::new(Verdict::Verified, None, detail)
            }
            (Some(proved), Some(_)) => {
                let detail = format!(
                    "the checkpoint that you trust covers {proved} entries; those of the proof from {proved} on are under the proof's \
                     own checkpoint of {size} entries alone, and nothing that you brought vouches for that"
                );
                Finding::new(Verdict::SelfConsistent, None, detail)
            }
            (Some(_), None) => {
                let older = counted(self.older.len() as u64, "older checkpoint is", "older checkpoints are");
                let detail =
                    format!("{older} the beginning of the checkpoint of {size} entries, and one of these is yours");
                Finding::new(Verdict::Verified, None, detail)
            }
            (None, _) => {
                let detail = format!(
                    "nothing is wrong with the proof, but it shows only what is under its own checkpoint of {size} entries: whether that is \
                     the journal's, only a checkpoint that you hold (--checkpoint) or signers that you know (--allowed-signers) can show"
                );
                Finding::new(Verdict::SelfConsistent, None, detail)
            }
        }
    }
}
