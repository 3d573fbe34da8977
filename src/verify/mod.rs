//! Is the journal what was written? It reads only, and needs neither the lock nor a healthy system.
//!
//! ```text
//!   entries ──► scan (bytes, leaves, shapes) ──► history (what may follow what) ──► projections ──► outside checkpoints ──► Report
//! ```
//!
//! Nothing here prints or writes, and nothing here knows the network or the command line. What an answer means is judged by
//! readings of this room's own: it may not lean on the code that it judges.

mod background;
mod beside;
mod canonical;
mod chain;
mod checkpoints;
mod coverage;
mod head;
mod history;
mod legal;
mod options;
mod plan_root;
mod projections;
mod proof;
mod report;
mod scan;
mod sequence;
mod shape;
mod verdict;
mod walk;
mod claims;
mod demand;
mod work;

pub use beside::Beside;
pub use chain::{Link, links};
pub use coverage::{Coverage, NotNamed, RunCoverage};
pub use demand::{BroughtPolicy, Demand, NotJudged, Overridden, RunDemands, Violation};
pub use options::Options;
pub use plan_root::has_root;
pub use proof::{ProofReport, ProofTrust, RowAttempt, RowFacts, verify_proof, written_at};
pub use report::{CheckpointFacts, Finding, Report, Verdict};
pub use sequence::Sequence;
pub use walk::verify;
