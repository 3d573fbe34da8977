//! Commits whose answer is lost or delayed, and transactions that give way.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use keybatch::journal::postgres::{Hold, PostgresStore, migrate};
use keybatch::journal::{EntryStore as _, JournalError, ServerTrouble};
use sqlx::Row as _;

use super::proxy::{Fault, Proxy};
use super::server::{ADMIN, Database, Server, run};
use super::{clock, holder};
use crate::conformance::histories::{closed, created};
use crate::harness::tests;

tests![a_server_that_falls_silent_is_not_waited_for_without_end; async
    a_connection_cut_at_the_commit_leaves_the_batch_there_or_not_and_the_session_ends,
    a_patient_session_finds_out_what_became_of_a_batch_and_goes_on,
    a_patient_session_outlives_crashes_of_the_server,
    patience_ends_where_each_append_is_lost,
    a_transaction_that_gave_way_is_repeated_whole,
    a_head_that_stays_locked_is_said_to_be
];

async fn size(database: &Database) -> i64 {
    database.sql("SELECT count(*) FROM keybatch.entry").await.unwrap()[0].get(0)
}

async fn opened(database: &Database, port: u16) -> (Hold, PostgresStore) {
    let hold = Hold::take(&database.address(), &holder("run")).await.unwrap();
    let address = Database::parse(&database.url(ADMIN, port));
    let mut store = PostgresStore::open(&address, hold.epoch(), clock()).await.unwrap();
    store.append(vec![created()], None).await.unwrap();
    (hold, store)
}

async fn a_connection_cut_at_the_commit_leaves_the_batch_there_or_not_and_the_session_ends() {
    for (fault, there) in [(Fault::CutBefore, 1), (Fault::CutAfter, 3)] {
        let database = Database::with_schema().await;
        let proxy = Proxy::before(database.port).await;
        let (hold, mut store) = opened(&database, proxy.port).await;
        proxy.set(fault);
        let lost = store.append(vec![closed(1), closed(2)], None).await;
        assert!(lost.as_ref().is_err_and(JournalError::is_of_the_machine), "{fault:?}: {lost:?}");
        assert_eq!(size(&database).await, there, "{fault:?}");
        proxy.set(Fault::None);
        for _ in 0..2 {
            assert!(matches!(store.append(vec![closed(3)], None).await, Err(JournalError::Closed)));
            assert!(matches!(store.head().await, Err(JournalError::Closed)));
        }
        store.close().await.unwrap();
        assert_eq!(size(&database).await, there, "{fault:?}");
        hold.release().await;
        // Whoever comes next goes on from what is there.
        let hold = Hold::take(&database.address(), &holder("resume")).await.unwrap();
        let mut next = PostgresStore::open(&database.address(), hold.epoch(), clock()).await.unwrap();
        let there = u64::try_from(there).unwrap();
        assert_eq!(next.head().await.unwrap().mark().size, there);
        assert_eq!(next.append(vec![closed(4)], None).await.unwrap().stamps[0].seq, there);
    }
}

/// A store that waits for its server, and what it says meanwhile: `true` where the server was lost, `false` where it was back.
async fn patient(database: &Database, port: u16, hold: &Hold) -> (PostgresStore, Arc<Mutex<Vec<bool>>>) {
    let address = Database::parse(&database.url(ADMIN, port)).with_patience(Duration::from_secs(30));
    let told = Arc::<Mutex<Vec<bool>>>::default();
    let tell = Arc::clone(&told);
    let store = PostgresStore::open(&address, hold.epoch(), clock()).await.unwrap();
    (store.telling(Box::new(move |lost| tell.lock().unwrap().push(lost.is_some()))), told)
}

// SEMANTICS: P139
async fn a_patient_session_finds_out_what_became_of_a_batch_and_goes_on() {
    for fault in [Fault::CutBefore, Fault::CutAfter] {
        let database = Database::with_schema().await;
        let proxy = Proxy::before(database.port).await;
        let hold = Hold::take(&database.address(), &holder("run")).await.unwrap();
        let (mut store, told) = patient(&database, proxy.port, &hold).await;
        store.append(vec![created()], None).await.unwrap();
        proxy.set(fault);
        let append = tokio::spawn(async move {
            let appended = store.append(vec![closed(1), closed(2)], None).await;
            (store, appended)
        });
        tokio::time::sleep(Duration::from_millis(700)).await;
        proxy.set(Fault::None);
        let (mut store, appended) = append.await.unwrap();
        let appended = appended.unwrap();
        assert_eq!(appended.stamps.iter().map(|stamp| stamp.seq).collect::<Vec<_>>(), [1, 2], "{fault:?}");
        assert_eq!(size(&database).await, 3, "{fault:?}: once, and not twice");
        let told = told.lock().unwrap().clone();
        assert!(told.starts_with(&[true]) && told.ends_with(&[false]), "{fault:?}: {told:?}");
        assert_eq!(store.append(vec![closed(3)], None).await.unwrap().stamps[0].seq, 3);
    }
}

// SEMANTICS: P139
async fn patience_ends_where_each_append_is_lost() {
    let database = Database::with_schema().await;
    let proxy = Proxy::before(database.port).await;
    let hold = Hold::take(&database.address(), &holder("run")).await.unwrap();
    let address = Database::parse(&database.url(ADMIN, proxy.port)).with_patience(Duration::from_secs(2));
    let mut store = PostgresStore::open(&address, hold.epoch(), clock()).await.unwrap();
    store.append(vec![created()], None).await.unwrap();
    proxy.set(Fault::CutBefore);
    let began = std::time::Instant::now();
    let lost = store.append(vec![closed(1)], None).await;
    assert!(lost.as_ref().is_err_and(JournalError::is_of_the_machine), "{lost:?}");
    assert!((2..15).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    assert_eq!(size(&database).await, 1);
}

// SEMANTICS: P139
async fn a_patient_session_outlives_crashes_of_the_server() {
    let server = Server::new(&[]);
    let database = server.database("postgres");
    migrate(&database.address()).await.unwrap();
    let hold = Hold::take(&database.address(), &holder("run")).await.unwrap();
    let (mut store, told) = patient(&database, database.port, &hold).await;
    store.append(vec![created()], None).await.unwrap();
    let appends = tokio::spawn(async move {
        for number in 1..=400 {
            let appended = store.append(vec![closed(number)], None).await.unwrap();
            assert_eq!(appended.stamps[0].seq, number);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let of_session = "SELECT pid FROM pg_stat_activity WHERE application_name = 'keybatch' AND pid <> pg_backend_pid() \
                      ORDER BY random() LIMIT 1";
    let mut crashes = 0;
    while !appends.is_finished() && crashes < 4 {
        tokio::time::sleep(Duration::from_millis(400)).await;
        let Ok(rows) = database.sql(of_session).await else { continue };
        let Some(row) = rows.first() else { continue };
        // One process of the server that dies so makes it end all others, and recover from its log.
        let pid = rustix::process::Pid::from_raw(row.get::<i32, _>(0)).unwrap();
        crashes += usize::from(rustix::process::kill_process(pid, rustix::process::Signal::KILL).is_ok());
    }
    appends.await.unwrap();
    assert!(crashes > 0 && told.lock().unwrap().contains(&true), "{crashes} crashes");
    assert_eq!(size(&database).await, 401);
}

fn a_server_that_falls_silent_is_not_waited_for_without_end() {
    // On one thread, so that time can be made to pass.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let database = Database::with_schema().await;
        let proxy = Proxy::before(database.port).await;
        let (_hold, mut store) = opened(&database, proxy.port).await;
        proxy.set(Fault::Silent);
        tokio::time::pause();
        let lost = store.append(vec![closed(1)], None).await;
        tokio::time::resume();
        let Err(JournalError::Server { trouble: ServerTrouble::Silent { seconds: 60 }, .. }) = lost else {
            panic!("{lost:?}")
        };
        assert!(matches!(store.append(vec![closed(3)], None).await, Err(JournalError::Closed)));
    });
}

async fn a_transaction_that_gave_way_is_repeated_whole() {
    for code in ["40001", "40P01"] {
        let database = Database::with_schema().await;
        let (_hold, mut store) = opened(&database, database.port).await;
        // A sequence is not rolled back: it counts the tries.
        let gives_way = format!(
            "CREATE SEQUENCE tries; \
             CREATE FUNCTION give_way() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN \
             IF nextval('public.tries') < 4 THEN RAISE EXCEPTION 'again' USING ERRCODE = '{code}'; END IF; \
             RETURN NULL; END $$; \
             CREATE CONSTRAINT TRIGGER gives_way AFTER INSERT ON keybatch.entry DEFERRABLE INITIALLY DEFERRED \
             FOR EACH ROW EXECUTE FUNCTION give_way()"
        );
        database.sql(&gives_way).await.unwrap();
        // At the commit itself, which is where a serialization failure shows last.
        assert_eq!(store.append(vec![closed(1)], None).await.unwrap().head.size, 2);
        assert_eq!(size(&database).await, 2);
        let tries: i64 = database.sql("SELECT last_value FROM tries").await.unwrap()[0].get(0);
        assert_eq!(tries, 4, "{code}");
    }
    // And without any help: at another isolation level, behind somebody who has just written.
    let database = Database::with_schema().await;
    let isolation = format!("ALTER DATABASE {} SET default_transaction_isolation = 'serializable'", database.name);
    database.sql(&isolation).await.unwrap();
    let (_hold, mut store) = opened(&database, database.port).await;
    let mut other = database.connect(ADMIN).await;
    run(&mut other, "BEGIN; UPDATE keybatch.holder SET renewals = renewals + 1").await.unwrap();
    let append = tokio::spawn(async move { store.append(vec![closed(1)], None).await });
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    run(&mut other, "COMMIT").await.unwrap();
    assert_eq!(append.await.unwrap().unwrap().head.size, 2);
}

async fn a_head_that_stays_locked_is_said_to_be() {
    let database = Database::with_schema().await;
    let (_hold, mut store) = opened(&database, database.port).await;
    let mut other = database.connect(ADMIN).await;
    run(&mut other, "BEGIN; SELECT 1 FROM keybatch.head FOR UPDATE").await.unwrap();
    let refused = store.append(vec![closed(1)], None).await;
    assert!(matches!(refused, Err(JournalError::Server { trouble: ServerTrouble::Busy, .. })), "{refused:?}");
    run(&mut other, "COMMIT").await.unwrap();
    assert_eq!(size(&database).await, 1);
}
