//! What any store must do, asked of each: SQLite, PostgreSQL, and a naive store in memory that shares nothing with them but what is
//! pure.

mod checkpoints;
mod failures;
pub(crate) mod histories;
mod importing;
pub(crate) mod memory;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};
use keybatch::domain::{Clock, time_text};
use keybatch::journal::postgres::PostgresStore;
use keybatch::journal::{
    Cadence, EntryStore, Import, Journal, LastCheckpoint, PROJECTIONS, Reader, Snapshot, TreeHead, WriterOptions,
    checkpoint_draft, open,
};
use keybatch::record::checkpoint::base64;
use keybatch::record::merkle::Frontier;
use keybatch::record::{Entry, Event, MAX_INTEGER};

use self::checkpoints::{
    a_checkpoint_covers_what_is_before_it, a_checkpoint_is_due_over_sessions_but_never_before_one_opens,
    the_last_checkpoint_is_kept_with_the_head,
};
use self::failures::{
    a_commit_whose_answer_is_lost_is_there_or_not, a_store_that_failed_does_nothing_but_close,
    whoever_comes_too_late_writes_nothing,
};
use self::histories::{closed, created, history, write};
use self::importing::{
    a_copy_goes_on_where_another_ended, a_copy_is_what_was_copied, what_does_not_follow_is_not_imported,
};
use self::memory::{Memory, MemoryStore};
use crate::harness::{Test, wait_for};
use crate::postgres::Postgres;

/// Where a store of some kind keeps a journal.
trait Place: Sync {
    type Store: Import;

    /// A session's hold on it.
    async fn store(&self, clock: Arc<dyn Clock>) -> Self::Store;

    async fn reader(&self) -> Reader;

    async fn snapshot(&self) -> Box<dyn Snapshot>;
}

struct Sqlite(tempfile::TempDir);

impl Sqlite {
    fn path(&self) -> PathBuf {
        self.0.path().join("journal.db")
    }
}

impl Default for Sqlite {
    fn default() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

impl Place for Sqlite {
    type Store = open::Store;

    async fn store(&self, clock: Arc<dyn Clock>) -> Self::Store {
        open::store(&self.path(), clock).await.unwrap()
    }

    async fn reader(&self) -> Reader {
        open::reader(&self.path()).await.unwrap()
    }

    async fn snapshot(&self) -> Box<dyn Snapshot> {
        open::snapshot(&self.path()).await.unwrap()
    }
}

impl Place for Memory {
    type Store = MemoryStore;

    async fn store(&self, clock: Arc<dyn Clock>) -> Self::Store {
        Memory::store(self, clock)
    }

    async fn reader(&self) -> Reader {
        Memory::reader(self)
    }

    async fn snapshot(&self) -> Box<dyn Snapshot> {
        Memory::snapshot(self)
    }
}

impl Place for Postgres {
    type Store = PostgresStore;

    async fn store(&self, clock: Arc<dyn Clock>) -> Self::Store {
        Postgres::store(self, clock).await
    }

    async fn reader(&self) -> Reader {
        Postgres::reader(self).await
    }

    async fn snapshot(&self) -> Box<dyn Snapshot> {
        Postgres::snapshot(self).await
    }
}

/// Each of these is asked of each store.
macro_rules! of_each_store {
    ($($name:ident)*) => {
        of_store! { sqlite async { Sqlite::default() }; $($name)* }
        of_store! { in_memory async { Memory::default() }; $($name)* }
        of_store! { postgres Postgres::new(); $($name)* }
    };
}

macro_rules! of_store {
    ($module:ident $place:expr; $($name:ident)*) => {
        pub(crate) mod $module {
            use super::*;

            pub(crate) const LIST: &[Test] = &[
                $(Test::new(module_path!(), stringify!($name), || wait_for(async { super::$name(&$place.await).await })),)*
            ];
        }
    };
}

of_each_store! {
    entries_are_numbered_stamped_and_chained
    a_batch_is_written_whole_or_not_at_all
    what_is_queued_is_committed_together
    whoever_comes_too_late_writes_nothing
    a_store_that_failed_does_nothing_but_close
    a_commit_whose_answer_is_lost_is_there_or_not
    a_checkpoint_covers_what_is_before_it
    the_last_checkpoint_is_kept_with_the_head
    a_checkpoint_is_due_over_sessions_but_never_before_one_opens
    questions_are_answered_as_the_entries_say
    pages_are_the_whole
    a_snapshot_stands_still
    a_copy_is_what_was_copied
    a_copy_goes_on_where_another_ended
    what_does_not_follow_is_not_imported
}

/// A clock that is set; each look takes a millisecond.
#[derive(Debug, Default)]
struct Ticks(AtomicI64);

impl Ticks {
    fn at(second: i64) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(second * 1_000)))
    }
}

impl Clock for Ticks {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(1_790_000_000_000 + self.0.fetch_add(1, Ordering::Relaxed)).unwrap()
    }
}

fn mark(tree: &Frontier) -> TreeHead {
    TreeHead { size: tree.size(), root: tree.root() }
}

async fn entries(reader: &Reader) -> Vec<Entry> {
    let (size, _) = reader.head().await.unwrap();
    let mut entries = Vec::new();
    for seq in 0..size {
        entries.push(reader.entry(seq).await.unwrap());
    }
    entries
}

async fn entries_are_numbered_stamped_and_chained(place: &impl Place) {
    let mut tree = Frontier::default();
    let mut stamps = Vec::new();
    // The second session's clock is behind that of the first.
    for (second, batches) in [(100, vec![vec![created()], vec![closed(1), closed(2)]]), (50, vec![vec![closed(3)]])] {
        let mut store = place.store(Ticks::at(second)).await;
        assert_eq!(store.head().await.unwrap().mark(), mark(&tree));
        assert_eq!(store.journal_id().await.unwrap().as_deref(), (tree.size() > 0).then_some("j"));
        for batch in batches {
            let appended = store.append(batch, None).await.unwrap();
            appended.stamps.iter().for_each(|stamp| tree.push(stamp.leaf));
            assert_eq!((appended.head, appended.checkpoint), (mark(&tree), None));
            stamps.extend(appended.stamps);
        }
        store.close().await.unwrap();
    }
    assert!(stamps.iter().map(|stamp| stamp.seq).eq(0..4), "{stamps:?}");
    assert!(stamps.is_sorted_by_key(|stamp| stamp.at), "{stamps:?}");
    assert_eq!(stamps[3].at, stamps[2].at, "the clock was set back");
    let reader = place.reader().await;
    assert_eq!(reader.head().await.unwrap(), (4, base64(&tree.root())));
    assert_eq!(reader.journal_id().await.unwrap().as_deref(), Some("j"));
    let stored = entries(&reader).await;
    assert!(stored.iter().map(|entry| (entry.seq, entry.at)).eq(stamps.iter().map(|stamp| (stamp.seq, stamp.at))));
    assert!(stored.iter().map(|entry| entry.seal().unwrap().leaf).eq(stamps.iter().map(|stamp| stamp.leaf)));
    let mut tree = Frontier::default();
    for size in 0..=4 {
        assert_eq!(reader.root_at(size).await.unwrap(), Some(base64(&tree.root())), "of {size}");
        stamps.get(usize::try_from(size).unwrap()).into_iter().for_each(|stamp| tree.push(stamp.leaf));
    }
    assert_eq!(reader.root_at(5).await.unwrap(), None);
    let leaves = reader.leaves(0, 4).await.unwrap();
    assert!(leaves.iter().copied().eq(stamps.iter().map(|stamp| stamp.leaf)));
    assert_eq!(reader.leaves(1, 3).await.unwrap(), leaves[1..3]);
    for (seq, entry) in (0..).zip(&stored) {
        assert_eq!(reader.stored(seq).await.unwrap().body, entry.seal().unwrap().body);
    }
}

async fn a_batch_is_written_whole_or_not_at_all(place: &impl Place) {
    let mut store = place.store(Ticks::at(0)).await;
    let before = write(&mut store, history(1)).await;
    store.close().await.unwrap();
    for bad in [closed(MAX_INTEGER + 1)].into_iter().chain(histories::misfits()) {
        let mut store = place.store(Ticks::at(1_000)).await;
        let told = format!("{bad:?}");
        assert!(store.append(vec![closed(1), bad, closed(2)], None).await.is_err(), "{told}");
        drop(store);
        let mut store = place.store(Ticks::at(1_000)).await;
        assert_eq!(store.head().await.unwrap().mark(), before, "{told}");
        store.close().await.unwrap();
    }
    assert_eq!(entries(&place.reader().await).await.len() as u64, before.size);
}

fn options() -> WriterOptions {
    WriterOptions { new_journal_id: "j".into(), on_checkpoint: Box::new(|_, _| Ok(())) }
}

async fn what_is_queued_is_committed_together(place: &impl Place) {
    let (journal, _task) = Journal::start(place.store(Ticks::at(0)).await, options()).await.unwrap();
    let appends = (0..100).map(|number| {
        let journal = journal.clone();
        tokio::spawn(async move { journal.append(vec![closed(number), closed(number)]).await.unwrap() })
    });
    let mut seqs = Vec::new();
    for append in appends.collect::<Vec<_>>() {
        let stamps = append.await.unwrap();
        assert_eq!(stamps[0].seq + 1, stamps[1].seq, "what belongs together stays together");
        seqs.extend(stamps.iter().map(|stamp| stamp.seq));
    }
    let head = journal.close().await.unwrap();
    seqs.sort_unstable();
    assert!(seqs.into_iter().eq(1..=200));
    let reader = place.reader().await;
    assert_eq!(reader.head().await.unwrap(), (head.size, base64(&head.root)));
    assert_eq!((head.size, entries(&reader).await.len()), (201, 201));
}

/// Whatever the history, one behind the other in sessions of their own: each question has the answer that is found by going through all entries.
async fn questions_are_answered_as_the_entries_say(place: &impl Place) {
    let naive = Memory::default();
    for seed in 0..6 {
        let batches = history(seed);
        let (mut store, mut other) = (place.store(Ticks::at(0)).await, naive.store(Ticks::at(0)));
        assert_eq!(write(&mut store, batches.clone()).await, write(&mut other, batches).await, "seed {seed}");
        store.close().await.unwrap();
        let (answers, expected) =
            (histories::answers(&place.reader().await).await, histories::answers(&naive.reader()).await);
        for (answer, expected) in answers.iter().zip(&expected) {
            assert_eq!(answer, expected, "seed {seed}");
        }
        assert_eq!(answers.len(), expected.len());
    }
}

async fn pages_are_the_whole(place: &impl Place) {
    let mut store = place.store(Ticks::at(0)).await;
    write(&mut store, history(3)).await;
    store.close().await.unwrap();
    let reader = place.reader().await;
    for run in reader.runs().await.unwrap() {
        for target in reader.targets(run.run_no).await.unwrap() {
            let page = async |after: u64, limit: u32| {
                let pending = reader.pending_rows(run.run_no, target.target_no, after, limit, false).await.unwrap();
                pending.into_iter().map(|row| row.row).collect::<Vec<_>>()
            };
            let (mut paged, mut after) = (Vec::new(), 0);
            while let [.., last] = page(after, 2).await[..] {
                paged.extend(page(after, 2).await);
                after = last;
            }
            assert_eq!(paged, page(0, 1_000).await);
        }
        let mut bodies: Vec<Vec<u8>> = Vec::new();
        let mut after = 0;
        while let Some(page) = reader.intents(run.run_no, after, 3).await.unwrap() {
            assert!(page.last > after);
            after = page.last;
            bodies.extend(page.bodies().map(<[u8]>::to_vec));
        }
        let whole = reader.intents(run.run_no, 0, 1_000).await.unwrap();
        let whole = whole.map(|page| page.bodies().map(<[u8]>::to_vec).collect::<Vec<_>>());
        assert_eq!(bodies, whole.unwrap_or_default());
    }
}

async fn a_snapshot_stands_still(place: &impl Place) {
    let mut store = place.store(Ticks::at(0)).await;
    let before = write(&mut store, history(4)).await;
    let mut snapshot = place.snapshot().await;
    let scratch = tempfile::tempdir().unwrap();
    let mut replay = snapshot.replay(scratch.path(), "r").await.unwrap();
    snapshot.begin().await.unwrap();
    store.append(vec![closed(1)], None).await.unwrap();
    let head = snapshot.head().await.unwrap().unwrap();
    assert_eq!((head.size, head.root), (i64::try_from(before.size).unwrap(), before.root.to_vec()));
    assert_eq!(snapshot.heads().await.unwrap(), 1);
    let (mut tree, mut next) = (Frontier::default(), i64::MIN);
    loop {
        let page = snapshot.page(next).await.unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.ascends_from(next));
        let single = snapshot.single(last).await.unwrap();
        assert!(single.entries().eq(page.entries().filter(|(seq, ..)| *seq == last)));
        next = last + 1;
        page.entries().for_each(|(.., leaf)| tree.push(leaf));
        let parsed = page.entries().map(|(_, body, _)| Entry::parse(std::str::from_utf8(body).unwrap()).unwrap());
        replay.project(&parsed.collect::<Vec<_>>()).await.unwrap();
    }
    assert_eq!(mark(&tree), before, "nothing of what was written since");
    assert_eq!(head.frontier, tree.to_bytes());
    assert!(snapshot.agrees_with(&*replay).await.unwrap());
    assert_eq!(snapshot.integrity().await.unwrap(), None);
    assert!(snapshot.schema_differences().await.unwrap().is_empty());
    assert_eq!(snapshot.wrong_mark().await.unwrap(), None);
    replay.finish().await.unwrap();
    for table in PROJECTIONS.into_iter().filter(|table| !keybatch::journal::SUMMED.contains(table)) {
        assert_eq!(snapshot.first_difference(table).await.unwrap(), None, "{table}");
    }
    snapshot.end().await;
    store.close().await.unwrap();
}
