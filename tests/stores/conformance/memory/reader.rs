//! Each question answered from all entries. Views and SQL are not for a store that has none.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;

use jiff::Timestamp;
use keybatch::domain::{Class, Outcome, OutcomeCounts, RunId, Target, time_text};
use keybatch::journal::{
    AttemptRecord, Cell, EntryFilter, IntentPage, JournalError, JournalReader, Matching, OpenAttempt, PendingRow,
    ReadPast, ReadReview, ReadRows, ReadRuns, Reading, Reservation, ReviewRow, RunAbout, RunRecord, StoryEntry,
    TargetRecord, UnclearRow, Visitor,
};
use keybatch::record::Entry;
use keybatch::record::checkpoint::base64;
use keybatch::record::merkle::{Frontier, Hash};
use keybatch::record::plan::{PlanObservation, PlanRow, Severity, Verdict};
use serde_json::json;

use super::attempts::attempts;
use super::history::{History, Row, Run};
use super::matching::matching;
use super::unclear::{open_attempts, unclear_rows};
use super::{Kept, Memory, entry};

/// A reader of what is kept in memory.
pub(super) struct MemoryReader(pub(super) Memory);

impl MemoryReader {
    /// The answer of `read`, now.
    fn read<'a, T: Send + 'a>(&self, read: impl FnOnce(&Kept, &History) -> T) -> Reading<'a, T> {
        let kept = self.0.kept();
        let answer = read(&kept, &kept.history());
        Box::pin(async move { Ok(answer) })
    }

    /// What `read` says of a run, or nothing.
    fn of_run<'a, T: Default + Send + 'a>(
        &self,
        run_no: i64,
        read: impl FnOnce(&Kept, &History, &Run) -> T,
    ) -> Reading<'a, T> {
        self.read(|kept, history| history.run(run_no).map(|run| read(kept, history, run)).unwrap_or_default())
    }
}

fn stored(kept: &Kept, seq: u64) -> StoryEntry {
    StoryEntry { seq, body: kept.entries[usize::try_from(seq).unwrap()].1.body.clone() }
}

fn no_sql<'a, T>() -> Reading<'a, T> {
    let error = JournalError::Query { reason: "this store knows no SQL".into(), may_be_the_disk: false };
    Box::pin(async move { Err(error) })
}

/// The rows after one, that pass, so many at most.
fn rows<'a>(run: &'a Run, after: u64, limit: u32, pass: impl Fn(&Row) -> bool + 'a) -> Vec<(u64, &'a Row)> {
    let rows = run.rows.iter().filter(move |(number, row)| **number > after && pass(row));
    rows.take(limit as usize).map(|(number, row)| (*number, row)).collect()
}

impl ReadRuns for MemoryReader {
    fn runs(&self) -> Reading<'_, Vec<RunRecord>> {
        self.read(|_, history| history.runs.iter().map(|run| run.record.clone()).collect())
    }

    fn counts<'a>(&'a self, run: &'a RunRecord) -> Reading<'a, OutcomeCounts> {
        self.of_run(run.run_no, |_, history, run| history.counts(run))
    }

    fn attempts(&self, run_no: i64) -> Reading<'_, (u64, u64)> {
        self.of_run(run_no, |_, _, run| {
            let classes = || {
                let attempts = run.rows.values().flat_map(|row| &row.attempts);
                attempts.map(|attempt| attempt.finished.as_ref().map(|(_, class)| *class))
            };
            let left = classes().filter(|class| *class != Some(Class::NotSent)).count();
            (left as u64, classes().filter(|class| *class == Some(Class::Throttled)).count() as u64)
        })
    }

    fn targets(&self, run_no: i64) -> Reading<'_, Vec<TargetRecord>> {
        self.of_run(run_no, |_, _, run| {
            let record =
                |(target_no, target): &(i64, Target)| TargetRecord { target_no: *target_no, target: target.clone() };
            run.targets.iter().map(record).collect()
        })
    }

    fn pending_counts(&self, run_no: i64) -> Reading<'_, Vec<(i64, u64)>> {
        self.of_run(run_no, |_, _, run| {
            let pending =
                |number: i64| run.rows.values().filter(|row| row.target == number && row.settled.is_none()).count();
            run.targets.iter().map(|(number, _)| (*number, pending(*number) as u64)).collect()
        })
    }

    fn names_to_delete(&self, run_no: i64, target_no: i64, settled: bool, limit: u32) -> Reading<'_, Vec<String>> {
        self.of_run(run_no, |_, _, run| {
            let wanted = |row: &Row| {
                row.target == target_no
                    && row.intent.line.verdict == Verdict::Delete
                    && row.settled.is_some() == settled
            };
            rows(run, 0, limit, wanted).iter().map(|(_, row)| row.intent.line.name.clone()).collect()
        })
    }

    fn about(&self, run_no: i64) -> Reading<'_, RunAbout> {
        let about = |_: &Kept, history: &History| {
            let run = history.run(run_no).unwrap();
            RunAbout {
                manifest: run.manifest.clone(),
                operator: format!("{}@{}", run.opened.user, run.opened.host),
                ticket: run.opened.ticket.clone(),
                started_at: time_text(run.started_at),
                finished_at: run.finished_at.map(time_text),
                closed_ms: run.closed_ms,
            }
        };
        self.read(about)
    }

    fn superfluous(&self, run_no: i64) -> Reading<'_, u64> {
        self.of_run(run_no, |_, _, run| {
            let is_duplicate = |row: &&Row| {
                let reasons = row.intent.line.notes.iter().filter(|note| note.severity != Severity::Warn);
                row.intent.line.verdict == Verdict::Skip
                    && row.intent.today.is_none()
                    && row.settled.is_some_and(|(outcome, _)| outcome == Outcome::Skipped)
                    && reasons.into_iter().all(|note| note.kind == "duplicate")
            };
            run.rows.values().filter(is_duplicate).count() as u64
        })
    }

    fn rate<'a>(&'a self, endpoint: &'a str, target: &'a Target) -> Reading<'a, Option<(String, bool)>> {
        self.read(|_, history| {
            let of_endpoint = history.runs.iter().filter(|run| run.record.endpoint.as_deref() == Some(endpoint));
            let rates = of_endpoint.flat_map(|run| &run.rates).filter(|(_, place, ..)| place == target);
            rates.max_by_key(|(seq, ..)| *seq).map(|(_, _, rate, is_limit)| (rate.clone(), *is_limit))
        })
    }

    fn open_attempts<'a>(
        &'a self,
        run: RunId,
        endpoint: &'a str,
        account: &'a str,
        since: Timestamp,
    ) -> Reading<'a, Vec<OpenAttempt>> {
        self.read(|kept, history| open_attempts((kept, history), run, endpoint, account, since))
    }

    fn unclear_rows<'a>(&'a self, run: RunId, endpoint: &'a str, account: &'a str) -> Reading<'a, Vec<UnclearRow>> {
        self.read(|_, history| unclear_rows(history, run, endpoint, account))
    }
}

impl ReadRows for MemoryReader {
    fn pending_rows(
        &self,
        run_no: i64,
        target_no: i64,
        after: u64,
        limit: u32,
        touched_only: bool,
    ) -> Reading<'_, Vec<PendingRow>> {
        self.of_run(run_no, |kept, _, run| {
            let touched = |row: &Row| row.entries.len() > 1;
            let wanted =
                |row: &Row| row.target == target_no && row.settled.is_none() && (!touched_only || touched(row));
            let pending = |(number, row): &(u64, &Row)| PendingRow {
                row: *number,
                intent: entry(kept, row.intent_seq),
                seen_at: row.intent.page.map(|page| entry(kept, page).at),
                touched: touched(row),
            };
            rows(run, after, limit, wanted).iter().map(pending).collect()
        })
    }

    fn story(&self, run_no: i64, row: u64) -> Reading<'_, Vec<StoryEntry>> {
        self.of_run(run_no, |kept, _, run| {
            run.rows.get(&row).into_iter().flat_map(|row| &row.entries).map(|seq| stored(kept, *seq)).collect()
        })
    }

    fn attempts_of(&self, run_no: i64, after: (u64, u32), limit: u32) -> Reading<'_, Vec<AttemptRecord>> {
        self.of_run(run_no, |kept, _, run| {
            let later = attempts(kept, run).into_iter().filter(|own| (own.row, own.attempt) > after);
            later.take(limit as usize).collect()
        })
    }

    fn intents(&self, run_no: i64, after: u64, limit: u32) -> Reading<'_, Option<IntentPage>> {
        self.of_run(run_no, |kept, _, run| {
            let page = rows(run, after, limit, |_| true);
            let bodies: Vec<_> = page.iter().map(|(_, row)| stored(kept, row.intent_seq).body).collect();
            let (last, _) = page.last()?;
            Some(IntentPage::new(*last, bodies.iter().map(String::len).collect(), bodies.concat().into_bytes()))
        })
    }
}

impl ReadPast for MemoryReader {
    fn journal_id(&self) -> Reading<'_, Option<String>> {
        self.read(|kept, _| super::journal_id(kept))
    }

    fn head(&self) -> Reading<'_, (u64, String)> {
        self.read(|kept, _| (kept.tree.size(), base64(&kept.tree.root())))
    }

    fn root_at(&self, size: u64) -> Reading<'_, Option<String>> {
        self.read(|kept, _| {
            let size = usize::try_from(size).unwrap();
            let leaves = kept.entries.get(..size)?;
            let mut tree = Frontier::default();
            leaves.iter().for_each(|(_, sealed)| tree.push(sealed.leaf));
            Some(base64(&tree.root()))
        })
    }

    fn entry(&self, seq: u64) -> Reading<'_, Entry> {
        self.read(|kept, _| entry(kept, seq))
    }

    fn stored(&self, seq: u64) -> Reading<'_, StoryEntry> {
        self.read(|kept, _| stored(kept, seq))
    }

    fn leaves(&self, from: u64, to: u64) -> Reading<'_, Vec<Hash>> {
        let places = usize::try_from(from).unwrap()..usize::try_from(to).unwrap();
        self.read(|kept, _| kept.entries[places].iter().map(|(_, sealed)| sealed.leaf).collect())
    }

    fn accepted_rollbacks(&self) -> Reading<'_, Vec<Entry>> {
        self.read(|kept, history| history.rollbacks.iter().map(|seq| entry(kept, *seq)).collect())
    }

    fn past_names(&self, run_no: i64, after: i64, limit: u32) -> Reading<'_, Option<(i64, String)>> {
        self.of_run(run_no, |_, _, run| {
            let page = rows(run, u64::try_from(after).unwrap_or(0), limit, |_| true);
            let name = |(_, row): &(u64, &Row)| {
                let PlanRow { account, region, name, .. } = &row.intent.line;
                json!([account, region, name, row.intent_seq])
            };
            let (last, _) = page.last()?;
            Some((i64::try_from(*last).unwrap(), json!(page.iter().map(name).collect::<Vec<_>>()).to_string()))
        })
    }

    fn past_seen<'a>(&'a self, run_no: i64, intents: &'a str) -> Reading<'a, String> {
        let wanted: BTreeSet<u64> = serde_json::from_str(intents).unwrap();
        self.of_run(run_no, |_, _, run| {
            let left_alone = |row: &Row| {
                let today = row.intent.today.as_ref().filter(|today| today.observation.is_none());
                let notes = today.map_or(&row.intent.line.notes, |today| &today.notes);
                notes.iter().any(|note| note.kind == "recreated" && note.severity != Severity::Warn)
            };
            let seen = run.rows.values().filter(|row| wanted.contains(&row.intent_seq) && !left_alone(row));
            let record = |row: &Row| {
                let identity = row.intent.line.observation.as_ref().map(PlanObservation::identity);
                json!([
                    row.intent.line.account,
                    row.intent.line.region,
                    row.intent.line.name,
                    identity,
                    time_text(run.started_at)
                ])
            };
            json!(seen.map(record).collect::<Vec<_>>()).to_string()
        })
    }
}

impl ReadReview for MemoryReader {
    fn milestones(&self, run_no: i64) -> Reading<'_, Vec<StoryEntry>> {
        self.of_run(run_no, |kept, _, run| run.milestones.iter().map(|(seq, _)| stored(kept, *seq)).collect())
    }

    fn milestones_of<'a>(&'a self, run_no: i64, kind: &'a str) -> Reading<'a, Vec<StoryEntry>> {
        self.of_run(run_no, |kept, _, run| {
            let of_kind = run.milestones.iter().filter(|(_, own)| *own == kind);
            of_kind.map(|(seq, _)| stored(kept, *seq)).collect()
        })
    }

    fn rows_of_name<'a>(&'a self, run_no: i64, name: &'a str) -> Reading<'a, Vec<u64>> {
        self.of_run(run_no, |_, _, run| {
            rows(run, 0, u32::MAX, |row| row.intent.line.name == name).iter().map(|(number, _)| *number).collect()
        })
    }

    fn rows_anywhere<'a>(
        &'a self,
        name: Option<&'a str>,
        row: Option<u64>,
        limit: u32,
    ) -> Reading<'a, Vec<(String, u64)>> {
        self.read(|_, history| {
            let all = history.runs.iter().flat_map(|run| run.rows.iter().map(move |(number, row)| (run, *number, row)));
            let wanted = all.filter(|(_, number, own)| {
                name.is_some_and(|name| own.intent.line.name == name) || row == Some(*number)
            });
            wanted.take(limit as usize).map(|(run, number, _)| (run.record.run.to_string(), number)).collect()
        })
    }

    fn last_matching<'a>(&'a self, filter: &'a EntryFilter, count: u32) -> Reading<'a, (i64, u64)> {
        self.read(|kept, history| {
            let all: Vec<_> = matching(kept, history, filter).map(|entry| entry.seq).collect();
            let first = all.get(all.len().saturating_sub(count as usize)..).and_then(<[u64]>::first);
            (first.map_or(0, |seq| i64::try_from(*seq).unwrap()), all.len() as u64)
        })
    }

    fn matching<'a>(&'a self, filter: &'a EntryFilter, seq: i64, limit: u32) -> Reading<'a, Vec<Matching>> {
        self.read(|kept, history| {
            let from = u64::try_from(seq).unwrap_or(0);
            let found = matching(kept, history, filter).filter(|entry| entry.seq >= from).take(limit as usize);
            let record = |entry: &Entry| {
                let run =
                    history.run_of(entry).and_then(|number| history.runs.iter().find(|run| run.number() == number));
                let row = run.and_then(|run| run.rows.get(&entry.row?));
                Matching {
                    seq: i64::try_from(entry.seq).unwrap(),
                    body: stored(kept, entry.seq).body,
                    run_id: run.map(|run| run.record.run.to_string()),
                    sandbox: run.map(|run| run.record.sandbox),
                    name: row.map(|row| row.intent.line.name.clone()),
                }
            };
            found.map(record).collect()
        })
    }

    fn review_columns(&self) -> Reading<'_, Vec<String>> {
        no_sql()
    }

    fn review(&self, _: i64, _: u64, _: u32, _: Option<&'static str>) -> Reading<'_, Vec<ReviewRow>> {
        no_sql()
    }

    fn runs_view(&self) -> Reading<'_, (Vec<String>, Vec<Vec<Cell>>)> {
        no_sql()
    }

    fn query<'a>(&'a self, _: &'a str, _: &'a mut dyn Visitor) -> Reading<'a, ()> {
        no_sql()
    }

    fn query_with<'a>(&'a self, _: &'a str, _: &'a [String], _: &'a mut dyn Visitor) -> Reading<'a, ()> {
        no_sql()
    }

    fn refusal<'a>(&'a self, _: &'a str) -> Reading<'a, Option<String>> {
        no_sql()
    }

    fn reservations(&self) -> Reading<'_, Vec<Reservation>> {
        self.read(|_, _| Vec::new())
    }

    fn health(&self) -> Reading<'_, (String, i64, i64, i64)> {
        self.read(|kept, _| ("memory".into(), 0, i64::try_from(kept.entries.len()).unwrap(), 0))
    }
}

impl JournalReader for MemoryReader {
    fn hold_still(&self) -> Reading<'_, ()> {
        unreachable!("only exports hold a journal still")
    }

    fn release(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {})
    }
}
