//! What a verification is given.

use std::path::PathBuf;

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
    /// Whether a journal without one is not accepted.
    pub require_checkpoint: bool,
    /// Where the scratch database for the projections may be, and a name for it that nobody else uses. Without it
    /// the projections are not compared.
    pub scratch: Option<(PathBuf, String)>,
}
