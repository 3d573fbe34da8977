//! The head of a journal, and what every store does in the same way once it has locked and read the head: it numbers, stamps and
//! seals a batch of drafts. Pure: the store supplies the head and its clock, and writes the result.

use jiff::{SignedDuration, Timestamp};

use super::JournalError;
use crate::domain::micros;
use crate::record::checkpoint::base64;
use crate::record::event::{CheckpointMade, Event, PREVIOUS};
use crate::record::merkle::{Frontier, Hash, leaf_hash};
use crate::record::{Draft, Entry, Sealed};

/// How many entries there are, and the root of the tree over them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeHead {
    /// Entries.
    pub size: u64,
    /// Their root.
    pub root: Hash,
}

/// Where and when an entry was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Its number.
    pub seq: u64,
    /// Its time.
    pub at: Timestamp,
    /// Its hash.
    pub leaf: Hash,
}

/// When a checkpoint that nobody asked for precedes a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cadence {
    /// After this many entries that no checkpoint covers.
    pub entries: u64,
    /// This long after the last checkpoint, if there is any entry that it does not cover.
    pub age: SignedDuration,
}

/// The last checkpoint among the entries of a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastCheckpoint {
    /// How many entries it covers.
    pub size: u64,
    /// When it was made.
    pub at: Timestamp,
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// One for each draft, in their order.
    pub stamps: Vec<Stamp>,
    /// What the checkpoint that was made with the batch covers, if any was.
    pub checkpoint: Option<TreeHead>,
    /// The head after it.
    pub head: TreeHead,
}

/// The head of a journal, as a store reads it under its lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    tree: Frontier,
    root: Hash,
    at: Timestamp,
    /// The last session whose opening this store wrote.
    session: Option<u64>,
    checkpoint: Option<LastCheckpoint>,
    /// When this session read the head.
    since: Timestamp,
}

/// A batch that is ready to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Its entries, in order.
    pub entries: Vec<(Entry, Sealed)>,
    /// The head after it.
    pub head: Head,
    /// What the writer learns once the batch is durable.
    pub appended: Appended,
}

impl Head {
    /// The head of a journal with this tree, last checkpoint and time of the last entry, read at `since`.
    ///
    /// Entries that no checkpoint covers count from the last checkpoint, whichever session made it. The age of that checkpoint
    /// counts from `since` at the earliest: a session does not begin with a checkpoint because the last one is days old.
    #[must_use]
    pub fn new(
        tree: Frontier,
        last_at: Option<Timestamp>,
        checkpoint: Option<LastCheckpoint>,
        since: Timestamp,
    ) -> Self {
        let root = tree.root();
        Self { tree, root, at: last_at.unwrap_or(Timestamp::MIN), session: None, checkpoint, since }
    }

    /// The tree over all entries.
    #[must_use]
    pub fn tree(&self) -> &Frontier {
        &self.tree
    }

    /// The last checkpoint, which is kept with the head.
    #[must_use]
    pub fn checkpoint(&self) -> Option<LastCheckpoint> {
        self.checkpoint
    }

    /// Size and root.
    #[must_use]
    pub fn mark(&self) -> TreeHead {
        TreeHead { size: self.tree.size(), root: self.root }
    }

    /// The head after others put entries with these leaves behind it, the last of them at that time. What this session knows of itself
    /// stays.
    #[must_use]
    pub fn followed_by(&self, leaves: &[Hash], last_at: Option<Timestamp>, checkpoint: Option<LastCheckpoint>) -> Self {
        let mut tree = self.tree.clone();
        leaves.iter().for_each(|leaf| tree.push(*leaf));
        let (root, at) = (tree.root(), last_at.map_or(self.at, |at| at.max(self.at)));
        Self { tree, root, at, session: self.session, checkpoint, since: self.since }
    }

    /// Numbers, stamps and seals `drafts`, after a checkpoint if `cadence` says that one is due. `now` is the store's clock; time
    /// never goes back from one entry to the next.
    ///
    /// This fills in what only the store knows: the root from which a session continues, the session that writes, what a checkpoint
    /// covers ([`checkpoint_draft`]), and the number of the previous entry ([`PREVIOUS`]).
    ///
    /// # Errors
    /// If an entry has no canonical form. Then nothing may be written.
    pub fn seal(
        &self,
        drafts: Vec<Draft>,
        cadence: Option<Cadence>,
        mut now: impl FnMut() -> Timestamp,
    ) -> Result<Batch, JournalError> {
        let mut batch = Batch {
            entries: Vec::with_capacity(drafts.len() + 1),
            head: self.clone(),
            appended: Appended { stamps: Vec::with_capacity(drafts.len()), checkpoint: None, head: self.mark() },
        };
        // The first entry of a process opens its session.
        let opens = matches!(drafts.first(), Some(Draft { event: Event::SessionOpened(_), .. }));
        if !opens && cadence.is_some_and(|cadence| self.is_due(cadence, now())) {
            batch.add(checkpoint_draft(), now())?;
        }
        for draft in drafts {
            let stamp = batch.add(draft, now())?;
            batch.appended.stamps.push(stamp);
        }
        batch.head.root = batch.head.tree.root();
        batch.appended.head = batch.head.mark();
        Ok(batch)
    }

    /// Puts entries behind it that another store sealed, as they stand.
    ///
    /// # Errors
    /// If one of them is not the next one, or does not have its hash. Then nothing may be written.
    pub fn follow(&self, entries: Vec<(Entry, Sealed)>) -> Result<Batch, JournalError> {
        let mut head = self.clone();
        let mut stamps = Vec::with_capacity(entries.len());
        for (Entry { seq, at, event, .. }, sealed) in &entries {
            let (seq, at) = (*seq, *at);
            if seq != head.tree.size() || sealed.seq != seq {
                return Err(JournalError::illegal(seq, "it is not the next entry"));
            }
            if sealed.leaf != leaf_hash(sealed.body.as_bytes()) {
                return Err(JournalError::illegal(seq, "it does not have its hash"));
            }
            match event {
                Event::SessionOpened(_) => head.session = Some(seq),
                Event::CheckpointMade(made) => head.checkpoint = Some(LastCheckpoint { size: made.size, at }),
                _ => {}
            }
            head.tree.push(sealed.leaf);
            head.at = at;
            stamps.push(Stamp { seq, at, leaf: sealed.leaf });
        }
        head.root = head.tree.root();
        let appended = Appended { stamps, checkpoint: None, head: head.mark() };
        Ok(Batch { entries, head, appended })
    }

    fn is_due(&self, cadence: Cadence, now: Timestamp) -> bool {
        let uncovered = self.tree.size().saturating_sub(self.checkpoint.map_or(0, |last| last.size));
        let from = self.checkpoint.map_or(self.since, |last| last.at.max(self.since));
        uncovered >= cadence.entries || (uncovered > 0 && now.duration_since(from) >= cadence.age)
    }
}

impl Batch {
    fn add(&mut self, Draft { run, row, mut event }: Draft, now: Timestamp) -> Result<Stamp, JournalError> {
        let head = &mut self.head;
        let at = micros(now).max(head.at);
        let seq = head.tree.size();
        match &mut event {
            Event::RowSettled(settled) => {
                let previous = seq.saturating_sub(1);
                settled.rests_on.iter_mut().filter(|seq| **seq == PREVIOUS).for_each(|seq| *seq = previous);
            }
            Event::SessionOpened(opened) => {
                head.session = Some(seq);
                opened.continues_from.get_or_insert_with(|| base64(&head.tree.root()));
            }
            Event::CheckpointMade(made) => {
                if made.root.is_empty() {
                    let root = head.tree.root();
                    (made.size, made.root) = (seq, base64(&root));
                    self.appended.checkpoint = Some(TreeHead { size: seq, root });
                }
                // It covers neither its own entry nor those that come with it.
                head.checkpoint = Some(LastCheckpoint { size: made.size, at });
            }
            _ => {}
        }
        let entry = Entry { seq, at, session: head.session, run, row, event };
        let sealed = entry.seal().map_err(JournalError::entry)?;
        let stamp = Stamp { seq, at, leaf: sealed.leaf };
        head.tree.push(sealed.leaf);
        head.at = at;
        self.entries.push((entry, sealed));
        Ok(stamp)
    }
}

/// A checkpoint of everything before it. What it covers is filled in when it is sealed.
#[must_use]
pub fn checkpoint_draft() -> Draft {
    Draft::of(Event::CheckpointMade(CheckpointMade { size: 0, root: String::new() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Evidence, Outcome};
    use crate::record::event::{JournalCreated, RowSettled};

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn created() -> Draft {
        let journal_id = "j".into();
        let (format, action, version) = ("f".into(), "a".into(), "0".into());
        Draft::of(Event::JournalCreated(JournalCreated { journal_id, format, action, version, previous: None }))
    }

    fn empty() -> Head {
        Head::new(Frontier::default(), None, None, second(0))
    }

    #[test]
    fn entries_are_numbered_behind_the_head_and_time_never_goes_back() {
        let mut clock = [second(9), second(7), second(8), second(11)].into_iter();
        let first = empty().seal(vec![created(), created()], None, || clock.next().unwrap()).unwrap();
        let batch = first.head.seal(vec![created(), created()], None, || clock.next().unwrap()).unwrap();
        let stamps = [first.appended.stamps, batch.appended.stamps].concat();
        assert_eq!(stamps.iter().map(|stamp| stamp.seq).collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert_eq!(stamps.iter().map(|stamp| stamp.at.as_second()).collect::<Vec<_>>(), [9, 9, 9, 11]);
        let mut tree = Frontier::default();
        stamps.iter().for_each(|stamp| tree.push(stamp.leaf));
        assert_eq!(batch.appended.head, TreeHead { size: 4, root: tree.root() });
        let again = Head::new(tree, Some(second(20)), None, second(0));
        assert_eq!(again.seal(vec![created()], None, || second(12)).unwrap().appended.stamps[0].at, second(20));
    }

    #[test]
    fn what_only_the_store_knows_is_filled_in() {
        let settled = Event::RowSettled(RowSettled {
            outcome: Outcome::Absent,
            evidence: Evidence::Inventory,
            rests_on: vec![1, PREVIOUS],
            detail: None,
        });
        let drafts = vec![created(), created(), Draft::of(settled), checkpoint_draft()];
        let batch = empty().seal(drafts, None, || second(1)).unwrap();
        let Event::RowSettled(settled) = &batch.entries[2].0.event else { panic!("{batch:?}") };
        assert_eq!(settled.rests_on, [1, 1]);
        let Event::CheckpointMade(made) = &batch.entries[3].0.event else { panic!("{batch:?}") };
        let covered = batch.appended.checkpoint.unwrap();
        assert_eq!((made.size, &made.root), (3, &base64(&covered.root)));
        assert_eq!(covered.size, 3);
    }

    #[test]
    fn a_checkpoint_precedes_a_batch_where_one_is_due() {
        let cadence = Cadence { entries: 3, age: SignedDuration::from_secs(60) };
        let sealed = |head: &Head, drafts: usize, at: i64| {
            head.seal((0..drafts).map(|_| created()).collect(), Some(cadence), || second(at)).unwrap()
        };
        let first = sealed(&empty(), 2, 100);
        assert_eq!(first.appended.checkpoint, None, "there is nothing to cover yet, however long ago");
        let young = sealed(&first.head, 1, 59);
        assert_eq!(young.appended.checkpoint, None);
        let old = sealed(&first.head, 1, 60);
        assert_eq!((old.entries.len(), old.appended.stamps[0].seq), (2, 3), "the stamp is that of the draft");
        assert_eq!(old.appended.checkpoint, Some(first.appended.head));
        let many = sealed(&young.head, 1, 1);
        assert_eq!(many.appended.checkpoint, Some(young.appended.head));
        assert_eq!(sealed(&many.head, 1, 2).appended.checkpoint, None, "it counts from there");
    }

    #[test]
    fn sealed_entries_follow_as_they_stand_or_not_at_all() {
        let batch = empty().seal(vec![created(), created(), checkpoint_draft()], None, || second(9)).unwrap();
        let followed = empty().follow(batch.entries[..2].to_vec()).unwrap();
        let whole = followed.head.follow(batch.entries[2..].to_vec()).unwrap();
        assert_eq!((whole.head.mark(), whole.head.checkpoint()), (batch.head.mark(), batch.head.checkpoint()));
        assert_eq!([followed.appended.stamps, whole.appended.stamps].concat(), batch.appended.stamps);
        assert_eq!(whole.entries, batch.entries[2..]);
        let mut other = batch.entries[..2].to_vec();
        other[1].1.body.push(' ');
        for refused in [batch.entries[1..].to_vec(), other] {
            assert!(matches!(empty().follow(refused), Err(JournalError::Illegal { .. })));
        }
    }
}
