//! A standby, which is never written to, and becomes the primary of another timeline.

use std::time::Duration;

use keybatch::journal::postgres::{Hold, PostgresStore, migrate};
use keybatch::journal::{EntryStore as _, JournalError, ServerTrouble};
use sqlx::Row as _;

use super::server::{ADMIN, Database, Server};
use super::{clock, holder};
use crate::conformance::histories::{closed, created};
use crate::harness::tests;

tests![; async a_session_goes_on_with_the_primary_and_sees_what_a_promoted_standby_lacks];

pub(crate) async fn until(database: &Database, question: &str) {
    for _ in 0..300 {
        if database.sql(question).await.is_ok_and(|rows| rows.first().is_some_and(|row| row.get(0))) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it never comes true: {question}");
}

async fn a_session_goes_on_with_the_primary_and_sees_what_a_promoted_standby_lacks() {
    let primary = Server::new(&[]);
    let (first, standby) = (primary.database("postgres"), primary.standby());
    let second = standby.database("postgres");
    migrate(&first.address()).await.unwrap();
    until(&second, "SELECT to_regclass('keybatch.schema') IS NOT NULL").await;

    // The standby stands first, and is passed over.
    let both = format!("postgres://{ADMIN}@127.0.0.1:{},127.0.0.1:{}/postgres", standby.port, primary.port);
    let both = Database::parse(&both);
    let hold = Hold::take(&both, &holder("run")).await.unwrap();
    assert_eq!(hold.server().host, format!("127.0.0.1:{}", primary.port));
    assert_eq!(hold.server().timeline.as_deref(), Some("00000001"));
    let alone = Hold::take(&second.address(), &holder("run")).await;
    assert!(matches!(alone, Err(JournalError::Server { trouble: ServerTrouble::NotPrimary, .. })), "{alone:?}");

    let mut store = PostgresStore::open(&both, hold.epoch(), clock()).await.unwrap();
    let kept = store.append(vec![created(), closed(1)], None).await.unwrap().head;
    until(&second, "SELECT size = 2 FROM keybatch.head").await;
    // From here on the standby hears nothing more, and the primary dies.
    second.sql("ALTER SYSTEM SET primary_conninfo = ''").await.unwrap();
    second.sql("SELECT pg_reload_conf()").await.unwrap();
    until(&second, "SELECT count(*) = 0 FROM pg_stat_wal_receiver").await;
    let lost = store.append(vec![closed(2)], None).await.unwrap().head;
    hold.abandon();
    drop(primary);
    second.sql("SELECT pg_promote()").await.unwrap();
    until(&second, "SELECT NOT pg_is_in_recovery()").await;

    let failed = store.append(vec![closed(3)], None).await;
    assert!(failed.as_ref().is_err_and(JournalError::is_of_the_machine), "{failed:?}");
    second.sql("UPDATE keybatch.holder SET until = clock_timestamp()").await.unwrap();
    let hold = Hold::take(&both, &holder("resume")).await.unwrap();
    assert_eq!(hold.server().host, format!("127.0.0.1:{}", standby.port));
    assert_eq!(hold.server().timeline.as_deref(), Some("00000002"));
    let mut store = PostgresStore::open(&both, hold.epoch(), clock()).await.unwrap();
    let head = store.head().await.unwrap().mark();
    assert_eq!(head, kept);
    assert_ne!(head, lost, "which is for the session to refuse, with the head that it remembers");
}
