//! The reading side of the journal in memory, as any store has it, for the product's own session.

use std::pin::Pin;
use std::sync::Arc;

use jiff::Timestamp;
use keybatch::domain::{Class, Outcome};
use keybatch::domain::{OutcomeCounts, RunId, Target};
use keybatch::journal::{
    AttemptRecord, Cell, EntryFilter, IntentPage, JournalError, JournalReader, Matching, OpenAttempt, PendingRow,
    ReadPast, ReadReview, ReadRows, ReadRuns, Reading, Reservation, ReviewRow, RunAbout, RunRecord, StoryEntry,
    TargetRecord, UnclearRow, Visitor,
};
use keybatch::record::Entry;
use keybatch::record::checkpoint::base64;
use keybatch::record::event::Event;
use keybatch::record::merkle::{Frontier, Hash, leaf_hash};
use keybatch::record::plan::{PlanObservation, Verdict};
use serde_json::json;

use super::ledger::{Handle, Ledger, Row, Run};
use super::row::is_left_alone;

/// Everything that is durable, for reading.
#[derive(Debug, Clone)]
pub(crate) struct Books(pub(crate) Handle);

fn parse(body: &str) -> Result<Entry, JournalError> {
    Entry::parse(body).map_err(|error| JournalError::from(Arc::new(error)))
}

/// What no session asks.
fn nobody_asks<'a, T: Send + 'a>() -> Reading<'a, T> {
    Box::pin(std::future::ready(Err(JournalError::Closed)))
}

impl Books {
    fn read<'a, T: Send + 'a>(&self, read: impl FnOnce(&Ledger) -> Result<T, JournalError>) -> Reading<'a, T> {
        Box::pin(std::future::ready(read(&self.0.sim().ledger)))
    }

    fn of_run<'a, T: Send + 'a>(
        &self,
        run_no: i64,
        read: impl FnOnce(&Ledger, &Run, &[Row]) -> Result<T, JournalError>,
    ) -> Reading<'a, T> {
        self.read(|ledger| {
            let number = u64::try_from(run_no).unwrap();
            let index = ledger.runs.iter().position(|run| run.opened_seq == number).unwrap();
            read(ledger, &ledger.runs[index], ledger.rows_of(index))
        })
    }
}

fn targets(rows: &[Row]) -> Vec<Target> {
    let mut targets: Vec<Target> = Vec::new();
    for row in rows {
        if !targets.contains(&row.target) {
            targets.push(row.target.clone());
        }
    }
    targets
}

/// The rows of a target with their numbers.
pub(crate) fn of_target(rows: &[Row], target_no: i64) -> impl Iterator<Item = (u64, &Row)> {
    let target = usize::try_from(target_no - 1).ok().and_then(|index| targets(rows).into_iter().nth(index));
    (1..).zip(rows).filter(move |(_, row)| Some(&row.target) == target.as_ref())
}

impl ReadRuns for Books {
    fn runs(&self) -> Reading<'_, Vec<RunRecord>> {
        self.read(|ledger| Ok(ledger.runs.iter().map(Run::record).collect()))
    }

    fn counts<'a>(&'a self, run: &'a RunRecord) -> Reading<'a, OutcomeCounts> {
        self.of_run(run.run_no, |_, _, rows| {
            let mut counts = OutcomeCounts::default();
            rows.iter().filter_map(Row::outcome).for_each(|outcome| counts.add(outcome));
            counts.unsettled =
                rows.iter().filter(|row| row.settled.is_none() && !row.attempts.is_empty()).count() as u64;
            counts.not_attempted = run.rows - counts.total();
            Ok(counts)
        })
    }

    fn attempts(&self, run_no: i64) -> Reading<'_, (u64, u64)> {
        self.of_run(run_no, |_, _, rows| {
            let attempts = || rows.iter().flat_map(|row| &row.attempts);
            let throttled = attempts().filter(|one| one.finished.is_some_and(|(class, _)| class == Class::Throttled));
            Ok((attempts().count() as u64, throttled.count() as u64))
        })
    }

    fn targets(&self, run_no: i64) -> Reading<'_, Vec<TargetRecord>> {
        self.of_run(run_no, |_, _, rows| {
            let targets = (1..).zip(targets(rows));
            Ok(targets.map(|(target_no, target)| TargetRecord { target_no, target }).collect())
        })
    }

    fn pending_counts(&self, run_no: i64) -> Reading<'_, Vec<(i64, u64)>> {
        self.of_run(run_no, |_, _, rows| {
            let open = |no| of_target(rows, no).filter(|(_, row)| row.settled.is_none()).count() as u64;
            let numbers = (1..).take(targets(rows).len());
            Ok(numbers.map(|no| (no, open(no))).filter(|(_, open)| *open > 0).collect())
        })
    }

    fn names_to_delete(&self, run_no: i64, target_no: i64, settled: bool, limit: u32) -> Reading<'_, Vec<String>> {
        self.of_run(run_no, |_, _, rows| {
            let rows = of_target(rows, target_no).map(|(_, row)| row);
            let wanted = rows.filter(|row| row.verdict == Verdict::Delete && row.settled.is_some() == settled);
            Ok(wanted.take(limit as usize).map(|row| row.name.clone()).collect())
        })
    }

    fn about(&self, run_no: i64) -> Reading<'_, RunAbout> {
        self.of_run(run_no, |_, _, _| {
            Ok(RunAbout {
                manifest: None,
                operator: "user".into(),
                ticket: None,
                started_at: String::new(),
                finished_at: None,
                closed_ms: 0,
            })
        })
    }

    fn superfluous(&self, _: i64) -> Reading<'_, u64> {
        self.read(|_| Ok(0))
    }

    fn rate<'a>(&'a self, _: &'a str, target: &'a Target) -> Reading<'a, Option<(String, bool)>> {
        self.read(|ledger| {
            let mut rates = ledger.learned.iter().rev().filter(|(of, ..)| of == target);
            Ok(rates.next().map(|(_, rate, is_limit)| (rate.clone(), *is_limit)))
        })
    }

    fn open_attempts<'a>(
        &'a self,
        run: RunId,
        _: &'a str,
        account: &'a str,
        _: Timestamp,
    ) -> Reading<'a, Vec<OpenAttempt>> {
        self.read(|ledger| {
            let mut open = Vec::new();
            for (index, other) in ledger.runs.iter().enumerate().filter(|(_, other)| other.run != run) {
                for row in ledger.rows_of(index).iter().filter(|row| row.target.account == account) {
                    let Some(last) = row.attempts.last() else { continue };
                    if last.finished.is_some_and(|(class, _)| class != Class::Unanswered) {
                        continue;
                    }
                    let started = parse(&ledger.bodies[last.seq])?;
                    open.push(OpenAttempt {
                        time: started.session.and_then(|session| ledger.times.get(&session).copied()),
                        run: other.run.to_string(),
                        target: row.target.clone(),
                        key_pair_name: row.name.clone(),
                        started,
                        finished: last.finished_seq.map(|seq| parse(&ledger.bodies[seq])).transpose()?,
                    });
                }
            }
            Ok(open)
        })
    }

    fn unclear_rows<'a>(&'a self, run: RunId, _: &'a str, account: &'a str) -> Reading<'a, Vec<UnclearRow>> {
        self.read(|ledger| {
            let mut unclear = Vec::new();
            for (index, other) in ledger.runs.iter().enumerate().filter(|(_, other)| other.run != run) {
                let rows = (1..).zip(ledger.rows_of(index)).filter(|(_, row)| row.target.account == account);
                let is_unclear = |row: &Row| {
                    !row.attempts.is_empty() && matches!(row.outcome(), None | Some(Outcome::InDoubt | Outcome::Gone))
                };
                unclear.extend(rows.filter(|(_, row)| is_unclear(row)).map(|(number, row)| UnclearRow {
                    run_no: other.record().run_no,
                    row: number,
                    target: row.target.clone(),
                    key_pair_name: row.name.clone(),
                }));
            }
            Ok(unclear)
        })
    }
}

impl ReadRows for Books {
    fn pending_rows(
        &self,
        run_no: i64,
        target_no: i64,
        after: u64,
        limit: u32,
        touched_only: bool,
    ) -> Reading<'_, Vec<PendingRow>> {
        self.of_run(run_no, |ledger, _, rows| {
            let open = of_target(rows, target_no).filter(|(row, facts)| *row > after && facts.settled.is_none());
            let wanted = open.filter(|(_, facts)| !touched_only || facts.is_touched()).take(limit as usize);
            let pending = wanted.map(|(row, facts)| {
                let (intent, touched) = (parse(&ledger.bodies[facts.intent])?, facts.is_touched());
                Ok(PendingRow { row, intent, seen_at: facts.observed_at, touched })
            });
            pending.collect()
        })
    }

    fn story(&self, run_no: i64, row: u64) -> Reading<'_, Vec<StoryEntry>> {
        self.of_run(run_no, |ledger, _, rows| {
            let facts = &rows[usize::try_from(row - 1).unwrap()];
            let entry = |seq: &usize| StoryEntry { seq: *seq as u64, body: ledger.bodies[*seq].clone() };
            Ok(facts.entries().iter().map(entry).collect())
        })
    }

    fn attempts_of(&self, _: i64, _: (u64, u32), _: u32) -> Reading<'_, Vec<AttemptRecord>> {
        nobody_asks()
    }

    fn intents(&self, run_no: i64, after: u64, limit: u32) -> Reading<'_, Option<IntentPage>> {
        self.of_run(run_no, |ledger, _, rows| {
            let wanted = rows.iter().skip(usize::try_from(after).unwrap()).take(limit as usize);
            let bodies: Vec<_> = wanted.map(|row| ledger.bodies[row.intent].as_bytes()).collect();
            let lengths: Vec<_> = bodies.iter().map(|body| body.len()).collect();
            let last = after + bodies.len() as u64;
            Ok((!bodies.is_empty()).then(|| IntentPage::new(last, lengths, bodies.concat())))
        })
    }
}

impl ReadPast for Books {
    fn journal_id(&self) -> Reading<'_, Option<String>> {
        self.read(|ledger| Ok(ledger.journal_id.clone()))
    }

    fn head(&self) -> Reading<'_, (u64, String)> {
        self.read(|ledger| Ok((ledger.head.size(), base64(&ledger.head.root()))))
    }

    fn root_at(&self, size: u64) -> Reading<'_, Option<String>> {
        self.read(|ledger| {
            let size = usize::try_from(size).unwrap();
            let mut tree = Frontier::default();
            let Some(bodies) = ledger.bodies.get(..size) else { return Ok(None) };
            bodies.iter().for_each(|body| tree.push(leaf_hash(body.as_bytes())));
            Ok(Some(base64(&tree.root())))
        })
    }

    fn entry(&self, seq: u64) -> Reading<'_, Entry> {
        self.read(|ledger| parse(&ledger.bodies[usize::try_from(seq).unwrap()]))
    }

    fn stored(&self, _: u64) -> Reading<'_, StoryEntry> {
        nobody_asks()
    }

    fn leaves(&self, _: u64, _: u64) -> Reading<'_, Vec<Hash>> {
        nobody_asks()
    }

    fn accepted_rollbacks(&self) -> Reading<'_, Vec<Entry>> {
        self.read(|ledger| ledger.rollbacks.iter().map(|body| parse(body)).collect())
    }

    fn past_names(&self, run_no: i64, after: i64, _: u32) -> Reading<'_, Option<(i64, String)>> {
        self.of_run(run_no, |_, _, rows| {
            let names: Vec<_> =
                rows.iter().map(|row| json!([row.target.account, row.target.region, row.name, row.intent])).collect();
            // All of them are one page.
            Ok((after < 0 && !names.is_empty()).then(|| (rows.len() as i64, json!(names).to_string())))
        })
    }

    fn past_seen<'a>(&'a self, run_no: i64, intents: &'a str) -> Reading<'a, String> {
        let wanted: Vec<usize> = serde_json::from_str(intents).unwrap();
        self.of_run(run_no, |ledger, run, rows| {
            let mut seen = Vec::new();
            for row in rows.iter().filter(|row| wanted.contains(&row.intent)) {
                let Event::IntentRecorded(intent) = parse(&ledger.bodies[row.intent])?.event else { continue };
                if !is_left_alone(&intent) {
                    let identity = intent.line.observation.as_ref().map(PlanObservation::identity);
                    seen.push(json!([row.target.account, row.target.region, row.name, identity, run.began_at]));
                }
            }
            Ok(json!(seen).to_string())
        })
    }
}

impl ReadReview for Books {
    fn milestones(&self, _: i64) -> Reading<'_, Vec<StoryEntry>> {
        nobody_asks()
    }

    fn milestones_of<'a>(&'a self, _: i64, kind: &'a str) -> Reading<'a, Vec<StoryEntry>> {
        self.read(move |ledger| {
            let written = |body: &String| body.contains(&format!(r#""kind":"{kind}""#));
            if kind == "plan_signed" {
                assert!(!ledger.bodies.iter().any(written), "no life is under four eyes");
                return Ok(Vec::new());
            }
            assert_eq!(kind, "session_opened", "nothing else is asked for");
            let body = |seq: u64| ledger.bodies[usize::try_from(seq).unwrap()].clone();
            Ok(ledger.opened.iter().map(|seq| StoryEntry { seq: *seq, body: body(*seq) }).collect())
        })
    }

    fn rows_of_name<'a>(&'a self, _: i64, _: &'a str) -> Reading<'a, Vec<u64>> {
        nobody_asks()
    }

    fn rows_anywhere<'a>(&'a self, _: Option<&'a str>, _: Option<u64>, _: u32) -> Reading<'a, Vec<(String, u64)>> {
        nobody_asks()
    }

    fn last_matching<'a>(&'a self, _: &'a EntryFilter, _: u32) -> Reading<'a, (i64, u64)> {
        nobody_asks()
    }

    fn matching<'a>(&'a self, _: &'a EntryFilter, _: i64, _: u32) -> Reading<'a, Vec<Matching>> {
        nobody_asks()
    }

    fn review_columns(&self) -> Reading<'_, Vec<String>> {
        nobody_asks()
    }

    fn review(&self, _: i64, _: u64, _: u32, _: Option<&'static str>) -> Reading<'_, Vec<ReviewRow>> {
        nobody_asks()
    }

    fn runs_view(&self) -> Reading<'_, (Vec<String>, Vec<Vec<Cell>>)> {
        nobody_asks()
    }

    fn query<'a>(&'a self, _: &'a str, _: &'a mut dyn Visitor) -> Reading<'a, ()> {
        nobody_asks()
    }

    fn query_with<'a>(&'a self, _: &'a str, _: &'a [String], _: &'a mut dyn Visitor) -> Reading<'a, ()> {
        nobody_asks()
    }

    fn refusal<'a>(&'a self, _: &'a str) -> Reading<'a, Option<String>> {
        nobody_asks()
    }

    fn reservations(&self) -> Reading<'_, Vec<Reservation>> {
        nobody_asks()
    }

    fn health(&self) -> Reading<'_, (String, i64, i64, i64)> {
        nobody_asks()
    }
}

impl JournalReader for Books {
    fn hold_still(&self) -> Reading<'_, ()> {
        nobody_asks()
    }

    fn release(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::ready(()))
    }
}
