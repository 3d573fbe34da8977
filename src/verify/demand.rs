//! The approvals that a reviewer demands of every real run.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use crate::record::approval::{Judge, Presented};
use crate::record::ssh::{Program, Signers};

/// The approvals that a reviewer demands of every real run that was started.
#[derive(Clone)]
pub struct Demand {
    /// How many different people, with different keys, must have approved.
    pub approvals: usize,
    /// Who may approve, by the reviewer's own list.
    pub signers: Signers,
    /// Verifies what cannot be verified in the process.
    pub program: Arc<dyn Program + Send + Sync>,
}

impl fmt::Debug for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Demand").field("approvals", &self.approvals).finish_non_exhaustive()
    }
}

impl Demand {
    /// Whether the plan of a run that was started at `at` has enough approvals. `text` is what had to be signed; a run that made its own
    /// plan has none.
    ///
    /// # Errors
    /// If it has too few, with the reason of each that does not count.
    pub(super) fn judge(&self, text: Option<&str>, presented: &[Presented], at: Timestamp) -> Result<(), String> {
        let Some(text) = text else {
            return if self.approvals == 0 {
                Ok(())
            } else {
                Err("its run made its own plan, which nobody approved".into())
            };
        };
        let Self { approvals, signers, program } = self;
        let judged = Judge { text, signers, at, apart: &[], program: &**program }.judge(presented);
        let found = judged.iter().filter(|one| one.counts.is_ok()).count();
        if found >= *approvals {
            return Ok(());
        }
        let others = judged.iter().filter_map(|one| Some(format!("; {}: {}", one.from, one.counts.as_ref().err()?)));
        Err(format!("{found} of the {approvals} approvals that are demanded count{}", others.collect::<String>()))
    }
}
