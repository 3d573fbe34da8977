//! What `verify` asks of any store, from the methods of [`PostgresSnapshot`].

use std::future::Future;
use std::path::Path;
use std::pin::Pin;

use super::audit::PostgresSnapshot;
use crate::journal::{Difference, EntryPage, Reading, Replay, SchemaDifference, Snapshot, StoredHead, WrongMark};

impl Snapshot for PostgresSnapshot {
    fn begin(&mut self) -> Reading<'_, ()> {
        Box::pin(self.begin())
    }

    fn end(self: Box<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin((*self).end())
    }

    fn integrity(&mut self) -> Reading<'_, Option<(String, bool)>> {
        Box::pin(self.integrity())
    }

    fn schema_differences(&mut self) -> Reading<'_, Vec<SchemaDifference>> {
        Box::pin(self.schema_differences())
    }

    fn wrong_mark(&mut self) -> Reading<'_, Option<WrongMark>> {
        Box::pin(self.wrong_mark())
    }

    fn head(&mut self) -> Reading<'_, Option<StoredHead>> {
        Box::pin(self.head())
    }

    fn heads(&mut self) -> Reading<'_, i64> {
        Box::pin(self.heads())
    }

    fn page(&mut self, seq: i64) -> Reading<'_, EntryPage> {
        Box::pin(self.page(seq))
    }

    fn single(&mut self, seq: i64) -> Reading<'_, EntryPage> {
        Box::pin(self.single(seq))
    }

    fn replay<'a>(&'a mut self, directory: &'a Path, name: &'a str) -> Reading<'a, Box<dyn Replay>> {
        Box::pin(self.replay(directory, name))
    }

    fn agrees_with<'a>(&'a mut self, replay: &dyn Replay) -> Reading<'a, bool> {
        let expected = replay.sums().map(|sums| (sums.key().clone(), *sums.tallies()));
        Box::pin(async move {
            match expected {
                Some((key, tallies)) => self.adds_up_to(key, tallies).await,
                None => Ok(false),
            }
        })
    }

    fn first_difference(&mut self, table: &'static str) -> Reading<'_, Option<Difference>> {
        Box::pin(self.first_difference(table))
    }
}
