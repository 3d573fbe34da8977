//! A name at the service, and what lives and lived under it.

use keybatch::domain::{Identity, KeyPair};

use super::time::Us;

/// Why a key pair is no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// The request of this number.
    Us(usize),
    Others,
}

#[derive(Debug, Clone)]
pub(crate) struct Incarnation {
    pub(crate) pair: KeyPair,
    pub(crate) created: Us,
}

/// A name, and what lives and lived under it. The first incarnation is the one that the plan observed.
#[derive(Debug, Clone)]
pub(crate) struct Resource {
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) name: String,
    /// What the plan observed.
    pub(crate) planned: Option<Identity>,
    pub(crate) current: Option<Incarnation>,
    pub(crate) incarnations: u32,
    /// When and by whom the planned incarnation was deleted.
    pub(crate) original_removed: Option<(Us, By)>,
    /// Deleting this one is denied, or refused as invalid.
    pub(crate) denied: bool,
    pub(crate) refused: bool,
    pub(crate) requests: Vec<usize>,
    /// Those of which an older copy of the journal knows nothing.
    pub(crate) lost: Vec<usize>,
    /// Those of earlier runs.
    pub(crate) earlier: Vec<usize>,
    /// Whether the journal knows nothing of some of them.
    pub(crate) is_forgotten: bool,
    /// What the last answered reading of this session showed, and what moment it shows.
    pub(crate) last_read: Option<(Us, Option<Identity>)>,
    /// The moment of the last answered reading, of any session, that showed the planned incarnation.
    pub(crate) last_same: Us,
    /// What the runs so far were about to treat, by the number of their manifest.
    pub(crate) dealt: Vec<(u32, Option<Identity>)>,
    /// Whether the run that works must leave it alone, since earlier ones dealt with another incarnation.
    pub(crate) is_recreated: bool,
    /// Whether the manifest expects another key pair there.
    pub(crate) protected: bool,
}

impl Resource {
    pub(crate) fn is_in(&self, account: &str, region: &str) -> bool {
        self.account == account && self.region == region
    }
}
