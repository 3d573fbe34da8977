//! Who holds the journal: one session at a time, and one that was taken over can write nothing more.

use std::time::{Duration, Instant};

use keybatch::journal::postgres::{Hold, PostgresStore};
use keybatch::journal::{EntryStore as _, JournalError};
use sqlx::Row as _;

use super::server::{Database, run};
use super::{clock, holder};
use crate::conformance::histories::{closed, created};
use crate::harness::tests;

tests![;
    async a_second_session_learns_who_holds_the_journal,
    a_journal_that_was_given_back_is_free_at_once,
    a_dead_sessions_hold_lapses_and_what_it_still_sends_is_refused,
    a_hold_is_renewed_by_the_session_and_by_each_append,
    whoever_takes_a_journal_over_waits_for_a_batch_that_is_being_written
];

/// Lets a hold lapse now instead of in 20 s.
async fn lapse(database: &Database) {
    database.sql("UPDATE keybatch.holder SET until = clock_timestamp()").await.unwrap();
}

async fn renewals(database: &Database) -> i64 {
    database.sql("SELECT renewals FROM keybatch.holder").await.unwrap()[0].get(0)
}

async fn a_second_session_learns_who_holds_the_journal() {
    let database = Database::with_schema().await;
    let first = Hold::take(&database.address(), &holder("run")).await.unwrap();
    let began = Instant::now();
    let second = Hold::take(&database.address(), &holder("resume")).await;
    let Err(JournalError::Locked { path, holder: Some(by) }) = second else { panic!("{second:?}") };
    assert_eq!(*by, holder("run"));
    assert!(path.display().to_string().contains(&database.name), "{path:?}");
    assert!(began.elapsed() < Duration::from_secs(10), "it is renewed every 5 s: {:?}", began.elapsed());
    first.release().await;
}

async fn a_journal_that_was_given_back_is_free_at_once() {
    let database = Database::with_schema().await;
    let address = database.address();
    let began = Instant::now();
    let first = Hold::take(&address, &holder("run")).await.unwrap();
    let store = PostgresStore::open(&address, first.epoch(), clock()).await.unwrap();
    // A store that is closed gives it back already.
    store.close().await.unwrap();
    let second = Hold::take(&address, &holder("run")).await.unwrap();
    assert_ne!(first.epoch(), second.epoch());
    second.release().await;
    drop(Hold::take(&address, &holder("run")).await.unwrap());
    Hold::take(&address, &holder("run")).await.unwrap().release().await;
    // The first one's end takes nothing away from anybody.
    let last = Hold::take(&address, &holder("run")).await.unwrap();
    first.release().await;
    let mut store = PostgresStore::open(&address, last.epoch(), clock()).await.unwrap();
    store.append(vec![created()], None).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

async fn a_dead_sessions_hold_lapses_and_what_it_still_sends_is_refused() {
    let database = Database::with_schema().await;
    let address = database.address();
    let first = Hold::take(&address, &holder("run")).await.unwrap();
    let mut old = PostgresStore::open(&address, first.epoch(), clock()).await.unwrap();
    old.append(vec![created()], None).await.unwrap();
    first.abandon();
    lapse(&database).await;
    // Nobody took it over yet: it goes on, and holds the journal again.
    old.append(vec![closed(1)], None).await.unwrap();
    assert!(renewals(&database).await > 0);
    lapse(&database).await;
    let second = Hold::take(&address, &holder("resume")).await.unwrap();
    let refused = old.append(vec![closed(2)], None).await;
    let Err(JournalError::FencedOff { holder: Some(by) }) = refused else { panic!("{refused:?}") };
    assert_eq!(*by, holder("resume"));
    assert!(matches!(old.append(vec![closed(3)], None).await, Err(JournalError::Closed)));
    // Its end gives nothing back that is not its own.
    old.close().await.unwrap();
    assert!(matches!(Hold::take(&address, &holder("run")).await, Err(JournalError::Locked { .. })));
    let mut store = PostgresStore::open(&address, second.epoch(), clock()).await.unwrap();
    assert_eq!(store.append(vec![closed(4)], None).await.unwrap().head.size, 3, "nothing of the old one's");
}

async fn a_hold_is_renewed_by_the_session_and_by_each_append() {
    let database = Database::with_schema().await;
    let hold = Hold::take(&database.address(), &holder("run")).await.unwrap();
    let mut store = PostgresStore::open(&database.address(), hold.epoch(), clock()).await.unwrap();
    store.append(vec![created()], None).await.unwrap();
    assert_eq!(renewals(&database).await, 1);
    let until = Instant::now() + Duration::from_secs(15);
    while renewals(&database).await == 1 {
        assert!(Instant::now() < until, "it is never renewed");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // Also over a connection that was cut meanwhile.
    let before = renewals(&database).await;
    let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'keybatch'";
    assert_eq!(database.sql(others).await.unwrap().len(), 2);
    let until = Instant::now() + Duration::from_secs(25);
    while renewals(&database).await == before {
        assert!(Instant::now() < until, "it is not renewed any more");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    hold.release().await;
}

async fn whoever_takes_a_journal_over_waits_for_a_batch_that_is_being_written() {
    let database = Database::with_schema().await;
    let first = Hold::take(&database.address(), &holder("run")).await.unwrap();
    first.abandon();
    lapse(&database).await;
    // A batch whose commit waits, as for a standby: its transaction has the head's lock, and has renewed the hold.
    let mut slow = database.connect(super::server::ADMIN).await;
    let writes = "BEGIN; SELECT 1 FROM keybatch.head FOR UPDATE; \
                  UPDATE keybatch.holder SET renewals = renewals + 1, until = clock_timestamp() + interval '20 seconds'";
    run(&mut slow, writes).await.unwrap();
    let address = database.address();
    let second = tokio::spawn(async move { Hold::take(&address, &holder("resume")).await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!second.is_finished(), "it waits for the lock");
    run(&mut slow, "COMMIT").await.unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(!second.is_finished(), "the hold that was renewed meanwhile counts");
    run(&mut slow, "UPDATE keybatch.holder SET renewals = renewals + 1").await.unwrap();
    assert!(matches!(second.await.unwrap(), Err(JournalError::Locked { .. })));
}
