//! What the writer counts as it works: how many entries there are, how many of them the last checkpoint covers, and how long commits
//! take. Reading it costs nothing and waits for nobody.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::head::{Appended, Head};

/// The upper bounds of the buckets that commits are counted in: from what a fast disk takes to what a broken one does.
pub const COMMIT_BOUNDS: [Duration; 13] = [
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2_500),
    Duration::from_secs(10),
];

/// What the writer counts as it works.
#[derive(Debug, Default)]
pub struct Meter {
    entries: AtomicU64,
    covered: AtomicU64,
    /// Commits by the first bound that they do not exceed; the last ones exceed all.
    commits: [AtomicU64; COMMIT_BOUNDS.len() + 1],
    micros: AtomicU64,
}

/// What the writer had counted at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Metered {
    /// Entries of the journal.
    pub entries: u64,
    /// How many of them its last checkpoint covers.
    pub covered: u64,
    /// Commits of this session, each counted under the first of [`COMMIT_BOUNDS`] that it did not exceed, or under none of them (the
    /// last).
    pub commits: [u64; COMMIT_BOUNDS.len() + 1],
    /// How long they took in all.
    pub commits_took: Duration,
}

impl Metered {
    /// Entries that the last checkpoint does not cover.
    #[must_use]
    pub fn behind(&self) -> u64 {
        self.entries.saturating_sub(self.covered)
    }
}

impl Meter {
    /// Of a journal with this head, before anything is written.
    pub(super) fn begin(&self, head: &Head) {
        self.entries.store(head.mark().size, Ordering::Relaxed);
        self.covered.store(head.checkpoint().map_or(0, |last| last.size), Ordering::Relaxed);
    }

    /// A batch is durable, after so long.
    pub(super) fn committed(&self, appended: &Appended, took: Duration) {
        self.entries.store(appended.head.size, Ordering::Relaxed);
        if let Some(made) = &appended.checkpoint {
            self.covered.store(made.size, Ordering::Relaxed);
        }
        let bucket = COMMIT_BOUNDS.iter().position(|bound| took <= *bound).unwrap_or(COMMIT_BOUNDS.len());
        self.commits[bucket].fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// What it has counted.
    #[must_use]
    pub fn read(&self) -> Metered {
        Metered {
            entries: self.entries.load(Ordering::Relaxed),
            covered: self.covered.load(Ordering::Relaxed),
            commits: std::array::from_fn(|bucket| self.commits[bucket].load(Ordering::Relaxed)),
            commits_took: Duration::from_micros(self.micros.load(Ordering::Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::head::TreeHead;
    use super::*;

    #[test]
    fn commits_are_counted_under_the_first_bound_that_they_do_not_exceed() {
        let meter = Meter::default();
        let head = |size| TreeHead { size, root: [0; 32] };
        let appended =
            |size, made: Option<u64>| Appended { stamps: Vec::new(), checkpoint: made.map(head), head: head(size) };
        meter.committed(&appended(3, None), Duration::from_micros(500));
        meter.committed(&appended(5, Some(4)), Duration::from_micros(501));
        meter.committed(&appended(9, None), Duration::from_secs(11));
        let read = meter.read();
        assert_eq!((read.entries, read.covered, read.behind()), (9, 4, 5));
        assert_eq!((read.commits[0], read.commits[1], read.commits[13]), (1, 1, 1));
        assert_eq!(read.commits.iter().sum::<u64>(), 3);
        assert_eq!(read.commits_took, Duration::from_micros(11_001_001));
    }
}
