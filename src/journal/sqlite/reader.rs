//! The reading traits of every store, implemented by the methods of [`SqliteReader`].

use std::future::Future;
use std::pin::Pin;

use jiff::Timestamp;

use super::read::SqliteReader;
use crate::domain::{OutcomeCounts, RunId, Target};
use crate::journal::{
    AttemptRecord, Cell, EntryFilter, IntentPage, JournalReader, Matching, OpenAttempt, PendingRow, ReadPast,
    ReadReview, ReadRows, ReadRuns, Reading, Reservation, ReviewRow, RunAbout, RunRecord, StoryEntry, TargetRecord,
    UnclearRow, Visitor,
};
use crate::record::Entry;
use crate::record::merkle::Hash;

/// Makes methods of the traits that call the reader's own methods and box the result. On the type itself, its own methods
/// take precedence over those of traits.
macro_rules! boxed {
    ($($name:ident = $own:ident($($given:ident: $kind:ty),*) -> $read:ty;)*) => {
        $(fn $name<'a>(&'a self, $($given: $kind),*) -> Reading<'a, $read> {
            Box::pin(self.$own($($given),*))
        })*
    };
}

impl ReadRuns for SqliteReader {
    boxed! {
        runs = runs() -> Vec<RunRecord>;
        counts = counts(run: &'a RunRecord) -> OutcomeCounts;
        attempts = attempts(run_no: i64) -> (u64, u64);
        targets = targets(run_no: i64) -> Vec<TargetRecord>;
        pending_counts = pending_counts(run_no: i64) -> Vec<(i64, u64)>;
        names_to_delete = names_to_delete(run_no: i64, target_no: i64, settled: bool, limit: u32) -> Vec<String>;
        about = about(run_no: i64) -> RunAbout;
        superfluous = superfluous(run_no: i64) -> u64;
        rate = rate(endpoint: &'a str, target: &'a Target) -> Option<(String, bool)>;
        open_attempts = open_attempts(run: RunId, endpoint: &'a str, account: &'a str, since: Timestamp) -> Vec<OpenAttempt>;
        unclear_rows = unclear_rows(run: RunId, endpoint: &'a str, account: &'a str) -> Vec<UnclearRow>;
    }
}

impl ReadRows for SqliteReader {
    boxed! {
        pending_rows = pending(run_no: i64, target_no: i64, after: u64, limit: u32, touched_only: bool) -> Vec<PendingRow>;
        story = story(run_no: i64, row: u64) -> Vec<StoryEntry>;
        attempts_of = attempts_of(run_no: i64, after: (u64, u32), limit: u32) -> Vec<AttemptRecord>;
        intents = intents(run_no: i64, after: u64, limit: u32) -> Option<IntentPage>;
    }
}

impl ReadPast for SqliteReader {
    boxed! {
        journal_id = journal_id() -> Option<String>;
        head = head() -> (u64, String);
        root_at = root_at(size: u64) -> Option<String>;
        entry = entry(seq: u64) -> Entry;
        stored = stored(seq: u64) -> StoryEntry;
        leaves = leaves(from: u64, to: u64) -> Vec<Hash>;
        accepted_rollbacks = accepted_rollbacks() -> Vec<Entry>;
        past_names = past_names(run_no: i64, after: i64, limit: u32) -> Option<(i64, String)>;
        past_seen = past_seen(run_no: i64, intents: &'a str) -> String;
    }
}

impl ReadReview for SqliteReader {
    boxed! {
        resolved_after = resolved_after(run_no: i64) -> Option<i64>;
        milestones = milestones(run_no: i64) -> Vec<StoryEntry>;
        milestones_of = milestones_of(run_no: i64, kind: &'a str) -> Vec<StoryEntry>;
        rows_of_name = rows_of_name(run_no: i64, name: &'a str) -> Vec<u64>;
        rows_anywhere = rows_anywhere(name: Option<&'a str>, row: Option<u64>, limit: u32) -> Vec<(String, u64)>;
        last_matching = last_matching(filter: &'a EntryFilter, count: u32) -> (i64, u64);
        matching = matching(filter: &'a EntryFilter, seq: i64, limit: u32) -> Vec<Matching>;
        review_columns = review_columns() -> Vec<String>;
        review = review(run_no: i64, after: u64, limit: u32, outcome: Option<&'static str>) -> Vec<ReviewRow>;
        runs_view = runs_view() -> (Vec<String>, Vec<Vec<Cell>>);
        query = query(statement: &'a str, visitor: &'a mut dyn Visitor) -> ();
        query_with = query_with(statement: &'a str, bound: &'a [String], visitor: &'a mut dyn Visitor) -> ();
        refusal = refusal(statement: &'a str) -> Option<String>;
        reservations = reservations() -> Vec<Reservation>;
        health = health() -> (String, i64, i64, i64);
    }
}

impl JournalReader for SqliteReader {
    boxed! { hold_still = hold_still() -> (); }

    fn release(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.release())
    }
}
