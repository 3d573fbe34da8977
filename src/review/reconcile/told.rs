//! Events with which something is the matter: all are counted, the first ones kept.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use jiff::Timestamp;

use super::found::{Unexplained, Why};
use crate::review::trail::TrailEvent;

/// How many findings are kept whole; beyond that they are counted.
pub const MOST_FINDINGS: usize = 1_000;

/// How many events that nothing explains are told apart.
const MOST_TOLD: usize = 200_000;

/// Events with which something is the matter.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// By time and id.
    pub(super) first: BTreeMap<(Timestamp, String), Unexplained>,
    ids: HashSet<u64>,
    more: u64,
    /// How many were there before.
    pub(super) again: u64,
}

impl Told {
    pub(super) fn add(&mut self, why: Why, event: &TrailEvent) {
        let id = id_of(&event.id);
        if self.ids.contains(&id) {
            self.again += 1;
            return;
        }
        if self.ids.len() < MOST_TOLD {
            self.ids.insert(id);
        } else {
            self.more += 1;
        }
        self.first.insert((event.time, event.id.clone()), Unexplained { why, event: event.clone() });
        if self.first.len() > MOST_FINDINGS {
            self.first.pop_last();
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.ids.len() as u64 + self.more
    }
}

fn id_of(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}
