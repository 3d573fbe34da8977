//! Runners for the tests of what they share: a run with rows, and sessions that work on it.

use std::sync::Arc;
use std::time::Duration;

use keybatch::journal::postgres::{Address, Hold, PostgresStore};
use keybatch::journal::{Claim, Claiming, EntryStore as _, Roster};
use keybatch::record::merkle::{Frontier, leaf_hash};
use keybatch::record::{Draft, Entry, Event};
use serde_json::{Value, json};
use sqlx::Row as _;

use super::server::Database;
use super::{clock, holder};
use crate::conformance::histories::created;
use crate::story::event_of;

/// How long leases last where a test lets them lapse by hand.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) fn of(run: Option<u64>, row: Option<u64>, kind: &str, fields: &Value) -> Draft {
    Draft { run, row, event: event_of(kind, fields) }
}

fn opening(run: Option<u64>, id: Option<String>) -> Draft {
    let mut fields = json!({ "session_id": "s", "command": "work", "version": "0", "host": "h", "user": "u", "pid": 1,
        "sandbox": false, "settings": {}, "settings_sha256": "", "continues_from": "R", "account": "1", "endpoint": "e" });
    fields.as_object_mut().unwrap().extend(id.map(|id| ("run_id".to_owned(), id.into())));
    of(run, None, "session_opened", &fields)
}

pub(crate) fn started(row: u64) -> Draft {
    of(None, Some(row), "attempt_started", &json!({ "attempt": 1 }))
}

pub(crate) fn finished(row: u64) -> Draft {
    of(None, Some(row), "attempt_finished", &json!({ "attempt": 1, "class": "unanswered", "elapsed_us": 1 }))
}

pub(crate) fn late(row: u64) -> Draft {
    of(None, Some(row), "answer_late", &json!({ "attempt": 1, "class": "unanswered", "elapsed_us": 1 }))
}

pub(crate) fn settled(row: u64) -> Draft {
    let fields = json!({ "outcome": "absent", "evidence": "inventory", "rests_on": [] });
    of(None, Some(row), "row_settled", &fields)
}

pub(crate) fn left(session: u64) -> Draft {
    of(None, None, "lease_ended", &json!({ "of": session, "why": "left" }))
}

/// A run that was started, with so many rows for each of so many targets, in a journal that nobody holds. Returns its number.
pub(crate) async fn begun(database: &Database, rows: u64, targets: u64) -> u64 {
    let hold = Hold::take(&database.address(), &holder("run")).await.unwrap();
    let mut store = PostgresStore::open(&database.address(), hold.epoch(), clock()).await.unwrap();
    let run = store.head().await.unwrap().mark().size;
    let first = (run == 0).then(created);
    let run = run + u64::from(first.is_some());
    let id = format!("0198c0de-0000-7000-8000-{run:012x}");
    let mut drafts: Vec<_> = first.into_iter().collect();
    drafts.push(opening(None, Some(id)));
    for row in 1..=rows * targets {
        let line = json!({ "row": row, "line": row + 1, "name": format!("k{row}"), "account": "1",
            "region": format!("r{}", row % targets), "verdict": "delete", "notes": [] });
        drafts.push(of(None, Some(row), "intent_recorded", &json!({ "line": line })));
    }
    let settings = keybatch::domain::Settings::default();
    let fields = json!({ "plan_root": "P", "deletes": 0, "confirmed_by": "yes", "settings": settings });
    drafts.push(of(None, None, "run_started", &fields));
    drafts.push(of(None, None, "run_stopped", &json!({ "why": "signal" })));
    store.append(drafts, None).await.unwrap();
    hold.release().await;
    run
}

/// A runner at work.
pub(crate) struct Runner {
    pub(crate) hold: Hold,
    pub(crate) store: PostgresStore,
    pub(crate) roster: Arc<dyn Roster>,
    pub(crate) run: u64,
    pub(crate) session: u64,
}

impl Runner {
    pub(crate) async fn join(database: &Database, run: u64) -> Self {
        Self::at(&database.address(), run, LONG).await
    }

    pub(crate) async fn at(address: &Address, run: u64, lasts: Duration) -> Self {
        let hold = Hold::join(address, &holder("work"), lasts).await.unwrap();
        let mut store = PostgresStore::open_with(address, &hold, clock()).await.unwrap();
        let roster = hold.roster().unwrap();
        let session = store.append(vec![opens(run)], None).await.unwrap().stamps[0].seq;
        Self { hold, store, roster, run, session }
    }

    pub(crate) async fn claim(&self, target: i64, most: u32) -> Claim {
        self.roster.claim(self.claiming(target, most)).await.unwrap()
    }

    pub(crate) fn claiming(&self, target_no: i64, most: u32) -> Claiming {
        Claiming { run_no: i64::try_from(self.run).unwrap(), target_no, session: self.session, most }
    }

    pub(crate) async fn append(&mut self, draft: Draft) -> u64 {
        self.store.append(vec![draft], None).await.unwrap().stamps[0].seq
    }

    /// Falls silent, as a process does that dies or is suspended.
    pub(crate) async fn lapse(&self, database: &Database) {
        let session = self.session;
        let lapse = format!("UPDATE keybatch.runner SET until = clock_timestamp() WHERE session_no = {session}");
        database.sql(&lapse).await.unwrap();
    }
}

/// A runner's first entry.
pub(crate) fn opens(run: u64) -> Draft {
    opening(Some(run), None)
}

/// The journal's entries, if they are numbered without gaps, each has its hash, and the head is that of all of them.
pub(crate) async fn whole(database: &Database) -> Vec<Entry> {
    let rows = database.sql("SELECT seq, body, leaf FROM keybatch.entry ORDER BY seq").await.unwrap();
    let mut tree = Frontier::default();
    let mut entries = Vec::new();
    for (place, row) in rows.iter().enumerate() {
        let (seq, body, leaf): (i64, &str, Vec<u8>) = (row.get(0), row.get(1), row.get(2));
        assert_eq!(usize::try_from(seq).unwrap(), place);
        assert_eq!(leaf, leaf_hash(body.as_bytes()));
        tree.push(leaf_hash(body.as_bytes()));
        entries.push(Entry::parse(body).unwrap());
    }
    let head = database.sql("SELECT size, root, frontier FROM keybatch.head").await.unwrap();
    assert_eq!(head[0].get::<i64, _>(0), i64::try_from(entries.len()).unwrap());
    assert_eq!(head[0].get::<Vec<u8>, _>(1), tree.root());
    assert_eq!(head[0].get::<Vec<u8>, _>(2), tree.to_bytes());
    assert!(entries.is_sorted_by_key(|entry| entry.at));
    entries
}

/// How many entries of that kind there are.
pub(crate) fn count(entries: &[Entry], kind: &str) -> usize {
    entries.iter().filter(|entry| entry.event.kind() == kind).count()
}

/// What the entries of a session that mean nothing say, in order.
pub(crate) fn said(entries: &[Entry], session: u64) -> Vec<u64> {
    let of_session = entries.iter().filter(|entry| entry.session == Some(session));
    let said = of_session.filter_map(|entry| match &entry.event {
        Event::SessionClosed(closed) => Some(closed.elapsed_ms),
        _ => None,
    });
    said.collect()
}
