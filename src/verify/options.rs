//! What a verification is given.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::beside::Beside;
use super::demand::Demand;
use crate::record::checkpoint::Checkpoint;
use crate::record::merkle::Hash;

/// What a verification is given from outside. Trust comes from nothing else.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// A checkpoint that was kept elsewhere; of several of the journal, the one that covers most. One of no entries shows
    /// nothing, and counts as none.
    pub checkpoint: Option<Checkpoint>,
    /// The size and the root of all others of the same journal that were brought with it, in any order.
    pub further: Vec<(u64, Hash)>,
    /// Where the reviewer says who may sign checkpoints: those of the journal, by size and root, that such a person signed. Only
    /// these prove anything; the others are compared all the same.
    pub signed: Option<BTreeSet<(u64, Hash)>>,
    /// What is wrong with the signatures under checkpoints that were brought: one sentence.
    pub bad_signature: Option<String>,
    /// Why it could not be determined whether signatures under checkpoints that were brought hold: one sentence.
    pub unverified_signature: Option<String>,
    /// Whether a journal without one is not accepted, nor one with a finished real run whose end none covers.
    pub require_checkpoint: bool,
    /// The run that matters: its id, a beginning of it, or `latest`. With [`require_checkpoint`](Self::require_checkpoint), its
    /// end must be covered, and that of no other.
    pub run: Option<String>,
    /// What every real run must have.
    pub demand: Option<Demand>,
    /// Where the scratch database for the projections may be, and a name for it that nobody else uses. Without it
    /// the projections are not compared.
    pub scratch: Option<(PathBuf, String)>,
    /// A reader that is to show the state that is verified.
    pub beside: Option<Beside>,
}
