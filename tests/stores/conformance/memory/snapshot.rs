//! One state of what is kept in memory, as `verify` reads it.

use std::any::Any;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;

use keybatch::domain::time_text;
use keybatch::journal::{Difference, EntryPage, Reading, Replay, SchemaDifference, Snapshot, StoredHead, WrongMark};
use keybatch::record::Entry;

use super::{Kept, Memory};

/// How many entries a page holds.
const PAGE: usize = 7;

pub(super) struct MemorySnapshot {
    memory: Memory,
    /// What was there when it began.
    kept: Kept,
}

impl MemorySnapshot {
    pub(super) fn new(memory: Memory) -> Self {
        Self { memory, kept: Kept::default() }
    }

    fn entries(&self, seq: i64, limit: usize) -> EntryPage {
        let mut page = EntryPage::default();
        let entries = self.kept.entries.iter().map(|(_, sealed)| (i64::try_from(sealed.seq).unwrap(), sealed));
        for (number, sealed) in entries.filter(|(number, _)| *number >= seq).take(limit) {
            page.push(number, sealed.body.as_bytes(), &sealed.leaf);
        }
        page
    }
}

fn now<'a, T: Send + 'a>(value: T) -> Reading<'a, T> {
    Box::pin(async move { Ok(value) })
}

impl Snapshot for MemorySnapshot {
    fn begin(&mut self) -> Reading<'_, ()> {
        self.kept = self.memory.kept().clone();
        now(())
    }

    fn end(self: Box<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async {})
    }

    fn integrity(&mut self) -> Reading<'_, Option<(String, bool)>> {
        now(None)
    }

    fn schema_differences(&mut self) -> Reading<'_, Vec<SchemaDifference>> {
        now(Vec::new())
    }

    fn wrong_mark(&mut self) -> Reading<'_, Option<WrongMark>> {
        now(None)
    }

    fn head(&mut self) -> Reading<'_, Option<StoredHead>> {
        let tree = &self.kept.tree;
        let size = i64::try_from(tree.size()).unwrap();
        let last = self.kept.checkpoint();
        let checkpoint = (last.map(|last| i64::try_from(last.size).unwrap()), last.map(|last| time_text(last.at)));
        let head = StoredHead { size, root: tree.root().to_vec(), frontier: tree.to_bytes(), checkpoint };
        now((size > 0).then_some(head))
    }

    fn heads(&mut self) -> Reading<'_, i64> {
        now(i64::from(self.kept.tree.size() > 0))
    }

    fn page(&mut self, seq: i64) -> Reading<'_, EntryPage> {
        now(self.entries(seq, PAGE))
    }

    fn single(&mut self, seq: i64) -> Reading<'_, EntryPage> {
        now(self.entries(seq, 1))
    }

    fn replay<'a>(&'a mut self, _: &'a Path, _: &'a str) -> Reading<'a, Box<dyn Replay>> {
        now(Box::new(MemoryReplay(Vec::new())) as Box<dyn Replay>)
    }

    /// It has no tables: its entries are its projections.
    fn agrees_with<'a>(&'a mut self, replay: &dyn Replay) -> Reading<'a, bool> {
        let replay: &dyn Any = replay;
        let own = self.kept.entries.iter().map(|(entry, _)| entry);
        now(replay.downcast_ref::<MemoryReplay>().is_some_and(|replay| replay.0.iter().eq(own)))
    }

    fn first_difference(&mut self, _: &'static str) -> Reading<'_, Option<Difference>> {
        now(None)
    }
}

struct MemoryReplay(Vec<Entry>);

impl Replay for MemoryReplay {
    fn project<'a>(&'a mut self, entries: &'a [Entry]) -> Reading<'a, ()> {
        self.0.extend_from_slice(entries);
        now(())
    }

    fn project_rows<'a>(&'a mut self, _: &'a [Entry]) -> Reading<'a, ()> {
        now(())
    }

    fn finish(self: Box<Self>) -> Reading<'static, ()> {
        now(())
    }
}
