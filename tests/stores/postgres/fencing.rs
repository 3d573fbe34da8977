//! Runners whose leases lapse: who goes on, who does not, and what becomes of answers that come too late.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use keybatch::journal::postgres::{Hold, PostgresStore, is_held};
use keybatch::journal::{Claiming, EntryStore as _, Journal, JournalError, OnUnrecorded, WriterOptions, open};
use keybatch::record::Draft;
use serde_json::json;

use super::runners::{LONG, Runner, begun, count, finished, late, left, of, opens, settled, started, whole};
use super::server::Database;
use super::{clock, holder};
use crate::conformance::histories::closed;
use crate::harness::tests;

tests![; async
    a_runner_that_was_silent_goes_on_if_nobody_took_its_rows,
    only_whoever_lost_rows_is_fenced_off,
    after_an_outage_the_first_one_back_does_not_take_the_others_for_dead,
    whoever_was_fenced_off_adds_late_answers_and_nothing_else,
    the_writer_records_answers_late_and_tells_what_it_cannot,
    rows_of_a_runner_that_left_are_nobodys_and_those_of_one_that_was_cut_short_have_lapsed,
    leases_are_renewed_by_the_hold_by_claims_and_by_appends,
    a_session_that_works_alone_and_runners_keep_each_other_out,
    a_dead_runner_is_replaced_by_a_session_that_works_alone,
    a_dead_session_that_worked_alone_is_replaced_by_a_runner,
    runners_of_two_runs_are_never_at_work_together,
    a_run_that_has_ended_is_joined_by_nobody
];

async fn a_runner_that_was_silent_goes_on_if_nobody_took_its_rows() {
    let database = Database::with_schema().await;
    let run = begun(&database, 4, 2).await;
    let (mut old, new) = (Runner::join(&database, run).await, Runner::join(&database, run).await);
    assert_eq!(old.claim(1, 2).await.rows, [1, 3]);
    // By an append, by a claim, and by its hold.
    old.lapse(&database).await;
    old.append(started(1)).await;
    assert_eq!(new.claim(1, 9).await.rows, [5, 7]);
    old.lapse(&database).await;
    assert_eq!(old.claim(2, 1).await.rows, [2]);
    let claim = new.claim(2, 9).await;
    assert_eq!((claim.rows, claim.lapsed, claim.others), (vec![4, 6, 8], vec![], 1));
}

async fn only_whoever_lost_rows_is_fenced_off() {
    let database = Database::with_schema().await;
    let run = begun(&database, 3, 2).await;
    let (mut a, mut b) = (Runner::join(&database, run).await, Runner::join(&database, run).await);
    let (c, d) = (Runner::join(&database, run).await, Runner::join(&database, run).await);
    assert_eq!([a.claim(1, 2).await.rows, b.claim(2, 1).await.rows], [vec![1, 3], vec![2]]);
    a.lapse(&database).await;
    b.lapse(&database).await;
    // What is nobody's comes in its turn with what others lost.
    let claim = c.claim(1, 1).await;
    assert_eq!((claim.rows, claim.lapsed, claim.others), (vec![1], vec![a.session], 1));
    assert!(matches!(a.store.append(vec![closed(1)], None).await, Err(JournalError::FencedOff { .. })));
    b.append(started(2)).await;
    // The one that takes the rest learns it as well: it cannot know what the other one has written.
    let claim = d.claim(1, 9).await;
    assert_eq!((claim.rows, claim.lapsed), (vec![3, 5], vec![a.session]));
}

async fn after_an_outage_the_first_one_back_does_not_take_the_others_for_dead() {
    let database = Database::with_schema().await;
    let run = begun(&database, 6, 1).await;
    let (a, mut b) = (Runner::join(&database, run).await, Runner::join(&database, run).await);
    assert_eq!([a.claim(1, 1).await.rows, b.claim(1, 1).await.rows], [vec![1], vec![2]]);
    a.lapse(&database).await;
    b.lapse(&database).await;
    for expected in [3, 4] {
        let claim = a.claim(1, 1).await;
        assert_eq!((claim.rows, claim.lapsed), (vec![expected], vec![]));
    }
    b.append(started(2)).await;
    b.lapse(&database).await;
    // One that comes new has nothing to make good for, and after the time of a lease nobody has.
    let mut c = Runner::join(&database, run).await;
    assert_eq!(c.claim(1, 1).await.lapsed, [b.session]);
    c.lapse(&database).await;
    assert_eq!(a.claim(1, 1).await.rows, [5]);
    database.sql("UPDATE keybatch.runner SET since = since - lasts").await.unwrap();
    let claim = a.claim(1, 1).await;
    assert_eq!(
        (claim.rows, claim.lapsed),
        (vec![2], vec![b.session, c.session]),
        "each is named, also once others had its rows"
    );
    assert!(matches!(c.store.append(vec![closed(1)], None).await, Err(JournalError::FencedOff { .. })));
}

async fn whoever_was_fenced_off_adds_late_answers_and_nothing_else() {
    let database = Database::with_schema().await;
    let run = begun(&database, 4, 1).await;
    let (mut old, mut new) = (Runner::join(&database, run).await, Runner::join(&database, run).await);
    assert_eq!(old.claim(1, 2).await.rows, [1, 2]);
    old.append(started(1)).await;
    old.lapse(&database).await;
    let claim = new.claim(1, 2).await;
    assert_eq!((claim.rows, claim.lapsed), (vec![1, 2], vec![old.session]));
    new.append(closed(0)).await;
    let refused = old.store.append(vec![finished(1), late(1)], None).await;
    assert!(matches!(refused, Err(JournalError::FencedOff { holder: Some(_) })), "{refused:?}");
    assert_eq!(old.roster.left(), Duration::ZERO);
    for draft in [closed(1), finished(1), keybatch::journal::checkpoint_draft()] {
        let refused = old.store.append(vec![draft], None).await;
        assert!(matches!(refused, Err(JournalError::Closed)), "{refused:?}");
    }
    let appended = old.store.append(vec![late(1)], None).await.unwrap();
    let entries = whole(&database).await;
    let entry = entries.last().unwrap();
    assert_eq!((entry.seq, entry.session, entry.row), (appended.stamps[0].seq, Some(old.session), Some(1)));
    assert_eq!(count(&entries, "attempt_finished"), 0);
    assert!(matches!(old.roster.claim(old.claiming(1, 1)).await, Err(JournalError::FencedOff { .. })));
    // While a session has the journal for itself, it counts on being the only one that writes.
    new.hold.release().await;
    let alone = {
        database.sql("UPDATE keybatch.runner SET until = '-infinity'").await.unwrap();
        Hold::take(&database.address(), &holder("resume")).await.unwrap()
    };
    let refused = old.store.append(vec![late(1)], None).await;
    assert!(matches!(refused, Err(JournalError::FencedOff { .. })), "{refused:?}");
    alone.release().await;
    old.store.append(vec![late(1)], None).await.unwrap();
    whole(&database).await;
}

async fn the_writer_records_answers_late_and_tells_what_it_cannot() {
    let database = Database::with_schema().await;
    let run = begun(&database, 4, 1).await;
    let at = database.location();
    let hold = open::join(&at, &holder("work"), LONG, |_| ()).await.unwrap();
    let roster = open::roster(&hold).unwrap();
    let told = Arc::<Mutex<Vec<Draft>>>::default();
    let tell = Arc::clone(&told);
    let on_unrecorded: OnUnrecorded = Arc::new(move |drafts| tell.lock().unwrap().extend_from_slice(drafts));
    let telling = open::Told { on_absence: Box::new(|_| ()), on_unrecorded };
    let store = open::held_store(&at, &hold, clock(), telling).await.unwrap();
    let options = WriterOptions { new_journal_id: "j".into(), on_checkpoint: Box::new(|_, _| Ok(())) };
    let journal = Journal::start_apart(store, options).await.unwrap();
    let session = journal.append(vec![opens(run)]).await.unwrap()[0].seq;
    let claiming = Claiming { run_no: i64::try_from(run).unwrap(), target_no: 1, session, most: 2 };
    assert_eq!(roster.claim(claiming).await.unwrap().rows, [1, 2]);
    journal.append(vec![started(1), started(2)]).await.unwrap();
    database.sql("UPDATE keybatch.runner SET until = clock_timestamp()").await.unwrap();
    let other = Runner::join(&database, run).await;
    assert_eq!(other.claim(1, 4).await.lapsed, [session]);
    let seen = of(
        None,
        Some(1),
        "observed",
        &json!({ "source": "get_key_pair", "found": "no_answer", "requests": 1, "throttled": 0, "elapsed_us": 1 }),
    );
    let refused = journal.append(vec![finished(1), seen.clone(), settled(1)]).await;
    assert!(matches!(refused, Err(JournalError::FencedOff { .. })), "{refused:?}");
    // Also one that comes later.
    let refused = journal.append(vec![finished(2)]).await;
    assert!(matches!(refused, Err(JournalError::FencedOff { .. })), "{refused:?}");
    let entries = whole(&database).await;
    let late: Vec<_> = entries.iter().filter(|entry| entry.event.kind() == "answer_late").collect();
    assert_eq!(late.iter().map(|entry| entry.row).collect::<Vec<_>>(), [Some(1), Some(2)]);
    assert_eq!((count(&entries, "attempt_finished"), count(&entries, "row_settled")), (0, 0));
    let told = told.lock().unwrap();
    assert_eq!(told.iter().map(|draft| draft.event.kind()).collect::<Vec<_>>(), ["observed"]);
}

async fn rows_of_a_runner_that_left_are_nobodys_and_those_of_one_that_was_cut_short_have_lapsed() {
    let database = Database::with_schema().await;
    let run = begun(&database, 6, 1).await;
    let (mut orderly, cut) = (Runner::join(&database, run).await, Runner::join(&database, run).await);
    let last = Runner::join(&database, run).await;
    assert_eq!([orderly.claim(1, 2).await.rows, cut.claim(1, 2).await.rows], [vec![1, 2], vec![3, 4]]);
    let ends = vec![left(orderly.session), closed(1)];
    orderly.store.append(ends, None).await.unwrap();
    let claim = last.claim(1, 3).await;
    assert_eq!((claim.rows, claim.lapsed), (vec![1, 2, 5], vec![]));
    orderly.store.close().await.unwrap();
    orderly.hold.release().await;
    let session = cut.session;
    cut.hold.release().await;
    let claim = last.claim(1, 9).await;
    assert_eq!((claim.rows, claim.lapsed), (vec![3, 4, 6], vec![session]));
    let there = database.sql("SELECT 1 FROM keybatch.runner").await.unwrap();
    assert_eq!(there.len(), 2, "who left in order is forgotten");
}

async fn leases_are_renewed_by_the_hold_by_claims_and_by_appends() {
    let database = Database::with_schema().await;
    let run = begun(&database, 4, 1).await;
    // Long enough that a busy machine is no reason to lose them.
    let lasts = Duration::from_secs(4);
    let mut runner = Runner::at(&database.address(), run, lasts).await;
    assert_eq!(runner.roster.lasts(), lasts);
    assert!(runner.roster.skew_ms().is_some_and(|ms| ms.abs() < 2_000));
    let until = Instant::now() + lasts * 3 / 2;
    while Instant::now() < until {
        let left = runner.roster.left();
        assert!(left > lasts / 4 && left <= lasts, "{left:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    runner.hold.abandon();
    tokio::time::sleep(lasts / 2).await;
    assert!(runner.roster.left() < lasts * 5 / 8);
    runner.store.append(vec![closed(0)], None).await.unwrap();
    assert!(runner.roster.left() > lasts * 3 / 4);
    tokio::time::sleep(lasts / 2).await;
    runner.roster.may_finish(i64::try_from(run).unwrap()).await.unwrap();
    assert!(runner.roster.left() > lasts * 3 / 4);
    tokio::time::sleep(lasts + Duration::from_millis(100)).await;
    assert_eq!(runner.roster.left(), Duration::ZERO);
    assert_eq!(is_held(&database.address()).await, Some(false));
}

async fn a_session_that_works_alone_and_runners_keep_each_other_out() {
    let database = Database::with_schema().await;
    let address = database.address();
    let run = begun(&database, 1, 1).await;
    assert_eq!(is_held(&address).await, Some(false));
    let alone = Hold::take(&address, &holder("resume")).await.unwrap();
    let refused = Hold::join(&address, &holder("work"), LONG).await;
    let Err(JournalError::Locked { holder: Some(by), .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(*by, holder("resume"));
    alone.release().await;
    let lasts = Duration::from_secs(4);
    let (first, second) = (Runner::at(&address, run, lasts).await, Runner::at(&address, run, lasts).await);
    assert_eq!(is_held(&address).await, Some(true));
    let refused = Hold::take(&address, &holder("resume")).await;
    let Err(JournalError::Locked { holder: Some(by), .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(*by, holder("work"));
    first.hold.release().await;
    assert!(matches!(Hold::take(&address, &holder("resume")).await, Err(JournalError::Locked { .. })));
    second.hold.release().await;
    assert_eq!(is_held(&address).await, Some(false));
    let began = Instant::now();
    Hold::take(&address, &holder("resume")).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

async fn a_dead_runner_is_replaced_by_a_session_that_works_alone() {
    let database = Database::with_schema().await;
    let address = database.address();
    let run = begun(&database, 2, 1).await;
    let mut runner = Runner::at(&address, run, Duration::from_secs(2)).await;
    assert_eq!(runner.claim(1, 1).await.rows, [1]);
    runner.append(started(1)).await;
    runner.hold.abandon();
    let began = Instant::now();
    let alone = Hold::take(&address, &holder("resume")).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let refused = runner.store.append(vec![finished(1)], None).await;
    let Err(JournalError::FencedOff { holder: Some(by) }) = refused else { panic!("{refused:?}") };
    assert_eq!(*by, holder("resume"));
    let mut store = PostgresStore::open(&address, alone.epoch(), clock()).await.unwrap();
    store
        .append(vec![settled(1)].into_iter().map(|draft| Draft { run: Some(run), ..draft }).collect(), None)
        .await
        .unwrap();
    whole(&database).await;
}

async fn a_dead_session_that_worked_alone_is_replaced_by_a_runner() {
    let database = Database::with_schema().await;
    let address = database.address();
    let run = begun(&database, 2, 1).await;
    let alone = Hold::take(&address, &holder("resume")).await.unwrap();
    let mut old = PostgresStore::open(&address, alone.epoch(), clock()).await.unwrap();
    old.append(vec![closed(0)], None).await.unwrap();
    alone.abandon();
    database.sql("UPDATE keybatch.holder SET until = clock_timestamp()").await.unwrap();
    let runner = Runner::join(&database, run).await;
    let refused = old.append(vec![closed(1)], None).await;
    let Err(JournalError::FencedOff { holder: Some(by) }) = refused else { panic!("{refused:?}") };
    assert_eq!(*by, holder("work"));
    // Nor does a runner's epoch become that of a session that works alone.
    let epoch = runner.hold.epoch();
    runner.hold.release().await;
    let mut gone = PostgresStore::open(&address, epoch, clock()).await.unwrap();
    assert!(matches!(gone.append(vec![closed(2)], None).await, Err(JournalError::FencedOff { .. })));
    whole(&database).await;
}

async fn runners_of_two_runs_are_never_at_work_together() {
    let database = Database::with_schema().await;
    let address = database.address();
    let (one, two) = (begun(&database, 2, 1).await, begun(&database, 2, 1).await);
    let mut first = Runner::join(&database, one).await;
    assert_eq!(first.claim(1, 1).await.rows, [1]);
    let join = async || {
        let hold = Hold::join(&address, &holder("work"), LONG).await.unwrap();
        let mut store = PostgresStore::open_with(&address, &hold, clock()).await.unwrap();
        let opened = store.append(vec![opens(two)], None).await;
        (hold, opened)
    };
    let (hold, refused) = join().await;
    let Err(JournalError::Locked { holder: Some(by), .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(*by, holder("work"));
    hold.release().await;
    first.lapse(&database).await;
    let (_hold, opened) = join().await;
    opened.unwrap();
    assert!(matches!(first.store.append(vec![started(1)], None).await, Err(JournalError::FencedOff { .. })));
    whole(&database).await;
}

async fn a_run_that_has_ended_is_joined_by_nobody() {
    let database = Database::with_schema().await;
    let address = database.address();
    let run = begun(&database, 1, 1).await;
    database.sql("UPDATE keybatch.run SET state = 'finished'").await.unwrap();
    let hold = Hold::join(&address, &holder("work"), LONG).await.unwrap();
    let mut store = PostgresStore::open_with(&address, &hold, clock()).await.unwrap();
    let refused = store.append(vec![opens(run)], None).await;
    assert!(matches!(refused, Err(JournalError::HeadMoved { .. })), "{refused:?}");
    assert_eq!(count(&whole(&database).await, "session_opened"), 1);
}
