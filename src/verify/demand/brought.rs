//! What a reviewer demands of every real run that was started, by a policy, a number of approvals and a list of signers of their own.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use super::super::history::Approvals;
use crate::policy::{Rule, Rules};
use crate::record::approval::{Judge, Role};
use crate::record::ssh::{Program, Signers};

/// What a reviewer demands of every real run that was started.
#[derive(Clone)]
pub struct Demand {
    /// How many different people, with different keys, must have approved.
    pub approvals: usize,
    /// Whether neither the plan's maker nor the person who runs it counts.
    pub four_eyes: bool,
    /// Who may sign, by the reviewer's own list; without it, nobody may.
    pub signers: Option<Signers>,
    /// Verifies what cannot be verified in the process.
    pub program: Arc<dyn Program + Send + Sync>,
    /// The policies, of which each run must be under one.
    pub policies: Vec<BroughtPolicy>,
}

/// A policy that a reviewer brings.
#[derive(Debug, Clone)]
pub struct BroughtPolicy {
    /// SHA-256 of its file, in hexadecimal.
    pub sha256: String,
    /// What it says.
    pub rules: Rules,
}

impl fmt::Debug for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { approvals, four_eyes, policies, .. } = self;
        let mut told = f.debug_struct("Demand");
        told.field("approvals", approvals).field("four_eyes", four_eyes);
        told.field("policies", policies).finish_non_exhaustive()
    }
}

/// What a plan needs before its run is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Needs {
    pub(super) approvals: usize,
    pub(super) four_eyes: bool,
}

impl Demand {
    /// Whether the plan of a run has what it needs, by the keys that are valid at `at`.
    ///
    /// # Errors
    /// The rule, and what the plan lacks, with the reason of each signature that does not count.
    pub(super) fn judge(&self, needs: Needs, signed: &Approvals, at: Timestamp) -> Result<(), (Rule, String)> {
        // Four eyes without anybody who approved would be two.
        let required = needs.approvals.max(usize::from(needs.four_eyes));
        if required == 0 {
            return Ok(());
        }
        let Some(text) = &signed.text else {
            return Err((Rule::Approvals, "its run made its own plan, which nobody approved".into()));
        };
        let nobody = Signers::parse("");
        let signers = self.signers.as_ref().unwrap_or(&nobody);
        let judge = Judge { text, signers, at, apart: &[], program: &*self.program };
        let mut apart = Vec::new();
        if needs.four_eyes {
            let parties = [
                (Role::Maker, &signed.maker, "its maker"),
                (Role::Session, &signed.session, "the session that executes it"),
            ];
            for (role, armour, who) in parties {
                let Some(armour) = armour else {
                    return Err((
                        Rule::FourEyes,
                        format!("four eyes are demanded, and the plan is not signed by {who}"),
                    ));
                };
                let party = judge.party(role, armour);
                apart.push(party.map_err(|why| {
                    let why = format!("four eyes are demanded, and the signature by {who} is not accepted: {why}");
                    (Rule::FourEyes, why)
                })?);
            }
        }
        let judged = Judge { apart: &apart, ..judge }.judge(&signed.presented);
        let (mut found, mut others) = (0, String::new());
        for (one, signed) in judged.iter().zip(&signed.presented) {
            match (&one.counts, &one.principal) {
                (Ok(()), Some(principal)) if signed.named.as_ref() != Some(principal) => {
                    others += &format!("; {}: its key is that of {principal}", one.from);
                }
                (Ok(()), _) => found += 1,
                (Err(why), _) => others += &format!("; {}: {why}", one.from),
            }
        }
        if found >= required {
            return Ok(());
        }
        Err((Rule::Approvals, format!("{found} of the {required} approvals that are demanded count{others}")))
    }
}
