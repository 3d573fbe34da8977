//! Several stores that append to one journal: nothing is lost, and nothing is there twice.

use std::time::{Duration, Instant};

use keybatch::journal::postgres::{Hold, PostgresStore};
use keybatch::journal::{Cadence, EntryStore as _, JournalError, ServerTrouble};
use keybatch::record::Draft;
use sqlx::Row as _;

use super::proxy::{Fault, Proxy};
use super::runners::{Runner, begun, count, finished, opens, said, settled, started, whole};
use super::server::{ADMIN, Database, run};
use super::{clock, holder};
use crate::conformance::histories::closed;
use crate::harness::tests;

tests![; async
    many_runners_append_at_one_head_and_no_entry_is_lost,
    two_runners_that_take_turns_each_find_what_the_other_wrote,
    a_runner_that_is_alone_needs_one_call_for_a_batch,
    a_connection_cut_at_any_point_leaves_a_batch_there_once,
    a_batch_that_arrives_late_is_not_there_twice,
    a_runner_that_stands_still_behind_the_lock_does_not_keep_the_others_out,
    a_runner_that_dies_behind_the_lock_leaves_it_at_once,
    a_head_that_does_not_continue_what_a_runner_knows_is_damage,
    entries_that_the_server_lost_are_told,
    only_rows_that_are_leased_are_written_about,
    a_run_that_others_go_on_with_keeps_its_state,
    runners_do_not_wait_for_a_busy_head_in_vain
];

const CADENCE: Option<Cadence> = Some(Cadence { entries: 20, age: jiff::SignedDuration::from_secs(60) });

async fn many_runners_append_at_one_head_and_no_entry_is_lost() {
    let database = Database::with_schema().await;
    let run = begun(&database, 1, 1).await;
    let mut tasks = Vec::new();
    for number in 0..4_u64 {
        let runner = Runner::join(&database, run).await;
        tasks.push(tokio::spawn(async move {
            // All of it, so that its hold lives as long.
            let mut runner = runner;
            let (mut next, mut stamps) = (0, Vec::new());
            while next < 150 {
                let batch: Vec<_> = (next..next + 1 + (next + number) % 4).map(closed).collect();
                next += batch.len() as u64;
                let appended = runner.store.append(batch, CADENCE).await.unwrap();
                stamps.extend(appended.stamps);
            }
            (runner.session, next, stamps)
        }));
    }
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    let entries = whole(&database).await;
    for (session, next, stamps) in results {
        assert_eq!(said(&entries, session), (0..next).collect::<Vec<_>>());
        assert_eq!(stamps.len() as u64, next);
        for stamp in stamps {
            let entry = &entries[usize::try_from(stamp.seq).unwrap()];
            assert_eq!((entry.session, entry.at, entry.seal().unwrap().leaf), (Some(session), stamp.at, stamp.leaf));
        }
    }
    // They count the entries that no checkpoint covers together.
    let checkpoints = count(&entries, "checkpoint_made");
    assert!((24..=36).contains(&checkpoints), "{checkpoints} of {}", entries.len());
}

async fn two_runners_that_take_turns_each_find_what_the_other_wrote() {
    for order in [[0, 1], [1, 0]] {
        let database = Database::with_schema().await;
        let run = begun(&database, 1, 1).await;
        let mut both = [Runner::join(&database, run).await, Runner::join(&database, run).await];
        let mut size = both[1].session + 1;
        for turn in 0..12 {
            let runner = &mut both[order[turn % 2]];
            let batch: Vec<_> = (0..=turn as u64 / 2).map(closed).collect();
            let batch_size = batch.len() as u64;
            let appended = runner.store.append(batch, None).await.unwrap();
            let numbers: Vec<_> = appended.stamps.iter().map(|stamp| stamp.seq).collect();
            assert_eq!(numbers, (size..size + batch_size).collect::<Vec<_>>(), "turn {turn}");
            size += batch_size;
            assert_eq!(appended.head.size, size);
        }
        assert_eq!(whole(&database).await.len() as u64, size);
    }
}

async fn a_runner_that_is_alone_needs_one_call_for_a_batch() {
    let database = Database::with_schema().await;
    let run = begun(&database, 1, 1).await;
    let proxy = Proxy::before(database.port).await;
    let address = Database::parse(&database.url(ADMIN, proxy.port));
    let mut first = Runner::at(&address, run, super::runners::LONG).await;
    let mut second = Runner::join(&database, run).await;
    first.append(closed(0)).await;
    first.append(closed(1)).await;
    proxy.count("keybatch.lock_head(");
    for number in 2..6 {
        first.append(closed(number)).await;
    }
    assert_eq!(proxy.counted(), 0);
    second.append(closed(0)).await;
    first.append(closed(6)).await;
    assert_eq!(proxy.counted(), 1);
    first.append(closed(7)).await;
    assert_eq!(proxy.counted(), 2, "it looks once more whether anybody writes");
    first.append(closed(8)).await;
    assert_eq!(proxy.counted(), 2);
    assert_eq!(said(&whole(&database).await, first.session), (0..9).collect::<Vec<_>>());
}

/// A store that waits for its server, by way of a proxy.
async fn patient(database: &Database, port: u16, run: u64) -> Runner {
    let address = Database::parse(&database.url(ADMIN, port)).with_patience(Duration::from_secs(30));
    Runner::at(&address, run, super::runners::LONG).await
}

// SEMANTICS: P139
async fn a_connection_cut_at_any_point_leaves_a_batch_there_once() {
    for is_moved in [false, true] {
        for at in ["keybatch.lock_head(", "keybatch.append("] {
            for fault in [Fault::CutBefore, Fault::CutAfter] {
                let database = Database::with_schema().await;
                let run = begun(&database, 1, 1).await;
                let proxy = Proxy::before(database.port).await;
                let mut runner = patient(&database, proxy.port, run).await;
                let mut other = Runner::join(&database, run).await;
                runner.append(closed(0)).await;
                if is_moved {
                    other.append(closed(0)).await;
                } else {
                    runner.append(closed(1)).await;
                }
                proxy.strike(fault, at, 0);
                let batch = vec![closed(2), closed(3)];
                let appended = runner.store.append(batch, None).await.unwrap();
                let what = format!("{at} {fault:?} moved: {is_moved}");
                // Where nobody else writes, there is no lock to be cut at.
                assert_eq!(proxy.is_armed(), !is_moved && at == "keybatch.lock_head(", "{what}");
                other.append(closed(1)).await;
                runner.append(closed(4)).await;
                let entries = whole(&database).await;
                let expected = if is_moved { vec![0, 2, 3, 4] } else { vec![0, 1, 2, 3, 4] };
                assert_eq!(said(&entries, runner.session), expected, "{what}");
                for stamp in &appended.stamps {
                    let entry = &entries[usize::try_from(stamp.seq).unwrap()];
                    assert_eq!(entry.seal().unwrap().leaf, stamp.leaf, "{what}");
                }
            }
        }
    }
}

// SEMANTICS: P139
async fn a_batch_that_arrives_late_is_not_there_twice() {
    for (is_moved, others_write) in [(false, false), (false, true), (true, false), (true, true)] {
        let database = Database::with_schema().await;
        let run = begun(&database, 1, 1).await;
        let proxy = Proxy::before(database.port).await;
        let mut runner = patient(&database, proxy.port, run).await;
        let mut other = Runner::join(&database, run).await;
        runner.append(closed(0)).await;
        if is_moved {
            other.append(closed(0)).await;
        } else {
            runner.append(closed(0)).await;
        }
        proxy.strike(Fault::Late, "keybatch.append(", 0);
        let append = tokio::spawn(async move {
            runner.append(closed(1)).await;
            runner
        });
        if others_write {
            tokio::time::sleep(Duration::from_millis(50)).await;
            other.append(closed(1)).await;
        }
        let mut runner = append.await.unwrap();
        // Until the late one has certainly arrived.
        tokio::time::sleep(Duration::from_millis(1_700)).await;
        runner.append(closed(2)).await;
        let said = said(&whole(&database).await, runner.session);
        assert_eq!(said[said.len() - 2..], [1, 2], "moved: {is_moved}, others: {others_write}: {said:?}");
        assert_eq!(said.iter().filter(|number| **number == 1).count(), 1, "{said:?}");
    }
}

async fn a_runner_that_stands_still_behind_the_lock_does_not_keep_the_others_out() {
    let database = Database::with_schema().await;
    let run_no = begun(&database, 1, 1).await;
    let mut runner = Runner::join(&database, run_no).await;
    let mut still = database.connect(ADMIN).await;
    run(&mut still, "BEGIN ISOLATION LEVEL READ COMMITTED; SELECT * FROM keybatch.lock_head(0)").await.unwrap();
    let began = Instant::now();
    runner.append(closed(1)).await;
    let took = began.elapsed();
    assert!(took > Duration::from_secs(3) && took < Duration::from_secs(9), "{took:?}");
    run(&mut still, "SELECT 1").await.unwrap_err();
    whole(&database).await;
}

async fn a_runner_that_dies_behind_the_lock_leaves_it_at_once() {
    let database = Database::with_schema().await;
    let run_no = begun(&database, 1, 1).await;
    let mut runner = Runner::join(&database, run_no).await;
    let mut dying = database.connect(ADMIN).await;
    run(&mut dying, "BEGIN ISOLATION LEVEL READ COMMITTED; SELECT * FROM keybatch.lock_head(0)").await.unwrap();
    let append = tokio::spawn(async move { runner.append(closed(1)).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!append.is_finished(), "it waits for the lock");
    let began = Instant::now();
    drop(dying);
    append.await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    whole(&database).await;
}

async fn a_head_that_does_not_continue_what_a_runner_knows_is_damage() {
    let database = Database::with_schema().await;
    let run = begun(&database, 1, 1).await;
    let (mut runner, mut other) = (Runner::join(&database, run).await, Runner::join(&database, run).await);
    runner.append(closed(0)).await;
    other.append(closed(0)).await;
    let change = "UPDATE keybatch.head SET root = sha256('other')";
    database.sql(change).await.unwrap();
    let refused = runner.store.append(vec![closed(1)], None).await;
    assert!(matches!(refused, Err(JournalError::Damaged { .. })), "{refused:?}");
    assert!(matches!(runner.store.append(vec![closed(1)], None).await, Err(JournalError::Closed)));
    // Nothing is left behind that keeps anybody out.
    database.sql("SELECT 1 FROM keybatch.head FOR UPDATE NOWAIT").await.unwrap();
}

async fn entries_that_the_server_lost_are_told() {
    let database = Database::with_schema().await;
    let run = begun(&database, 1, 1).await;
    let mut runner = Runner::join(&database, run).await;
    let mut other = Runner::join(&database, run).await;
    other.append(closed(0)).await;
    let has = runner.append(closed(0)).await;
    // As after the promotion of a standby that lacked the last entries.
    let lose = format!(
        "ALTER TABLE keybatch.entry DISABLE TRIGGER ALL; DELETE FROM keybatch.entry WHERE seq >= {has}; \
         UPDATE keybatch.head SET size = {has}"
    );
    database.sql(&lose).await.unwrap();
    let lost = runner.store.append(vec![closed(1)], None).await;
    let Err(JournalError::Server { trouble: ServerTrouble::LostEntries { has: found, had }, .. }) = lost else {
        panic!("{lost:?}")
    };
    assert_eq!((found, had), (has, has + 1));
}

async fn only_rows_that_are_leased_are_written_about() {
    let database = Database::with_schema().await;
    let run = begun(&database, 4, 1).await;
    let drafts: [fn(u64) -> Draft; 2] = [started, settled];
    for draft in drafts {
        let (mut runner, other) = (Runner::join(&database, run).await, Runner::join(&database, run).await);
        assert_eq!(other.claim(1, 1).await.rows, [1]);
        assert_eq!(runner.claim(1, 1).await.rows, [2]);
        for row in [1, 3] {
            let refused = runner.store.append(vec![draft(row)], None).await;
            assert!(matches!(refused, Err(JournalError::Damaged { .. } | JournalError::Closed)), "{refused:?}");
        }
        runner.hold.release().await;
        other.hold.release().await;
        database.sql("DELETE FROM keybatch.lease; DELETE FROM keybatch.runner").await.unwrap();
    }
    let mut runner = Runner::join(&database, run).await;
    assert_eq!(runner.claim(1, 2).await.rows, [1, 2]);
    runner.append(started(1)).await;
    runner.append(finished(1)).await;
    let both = vec![settled(1), started(2), finished(2), settled(2)];
    runner.store.append(both, None).await.unwrap();
    let leases = database.sql("SELECT 1 FROM keybatch.lease").await.unwrap();
    assert_eq!(leases.len(), 0, "rows with an outcome are nobody's");
    assert_eq!(runner.claim(1, 9).await.rows, [3, 4]);
}

async fn a_run_that_others_go_on_with_keeps_its_state() {
    let database = Database::with_schema().await;
    let run = begun(&database, 1, 1).await;
    let state = async || -> String { database.sql("SELECT state FROM keybatch.run").await.unwrap()[0].get(0) };
    assert_eq!(state().await, "stopped");
    // Both look before either writes.
    let address = database.address();
    let mut both = Vec::new();
    for _ in 0..2 {
        let hold = Hold::join(&address, &holder("work"), super::runners::LONG).await.unwrap();
        let mut store = PostgresStore::open_with(&address, &hold, clock()).await.unwrap();
        store.head().await.unwrap();
        both.push((hold, store));
    }
    for (_, store) in &mut both {
        store.append(vec![opens(run)], None).await.unwrap();
        assert_eq!(state().await, "running");
    }
    let sessions: i64 = database.sql("SELECT sessions FROM keybatch.run").await.unwrap()[0].get(0);
    assert_eq!(sessions, 3);
    whole(&database).await;
}

async fn runners_do_not_wait_for_a_busy_head_in_vain() {
    let database = Database::with_schema().await;
    let run_no = begun(&database, 1, 1).await;
    let mut runner = patient(&database, database.port, run_no).await;
    let mut other = database.connect(ADMIN).await;
    run(&mut other, "BEGIN; SELECT 1 FROM keybatch.head FOR UPDATE").await.unwrap();
    let append = tokio::spawn(async move { runner.append(closed(1)).await });
    // Longer than the server lets anybody wait for a lock.
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert!(!append.is_finished());
    run(&mut other, "COMMIT").await.unwrap();
    append.await.unwrap();
    assert_eq!(count(&whole(&database).await, "session_closed"), 1);
}
