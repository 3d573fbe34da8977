//! Writing: what is durable, what is refused, and who holds the journal.

use keybatch::journal::EntryStore as _;
use keybatch::journal::postgres::{Hold, PostgresStore, migrate};
use sqlx::Row as _;

use super::server::Database;
use super::{clock, holder};
use crate::conformance::histories::{closed, created};
use crate::harness::tests;

tests![; async an_address_a_schema_a_hold_and_a_batch_make_a_journal];

async fn an_address_a_schema_a_hold_and_a_batch_make_a_journal() {
    let database = Database::with_schema().await;
    let address = database.address();
    assert_eq!(migrate(&address).await.unwrap(), 3, "a second migration finds nothing to do");
    let hold = Hold::take(&address, &holder("run")).await.unwrap();
    let mut store = PostgresStore::open(&address, hold.epoch(), clock()).await.unwrap();
    assert_eq!(store.journal_id().await.unwrap(), None);
    let first = store.append(vec![created(), closed(1)], None).await.unwrap();
    let second = store.append(vec![closed(2)], None).await.unwrap();
    assert_eq!((first.head.size, second.head.size), (2, 3));
    assert_eq!(store.journal_id().await.unwrap().as_deref(), Some("j"));
    store.close().await.unwrap();
    let rows = database.sql("SELECT seq, body, leaf FROM keybatch.entry ORDER BY seq").await.unwrap();
    let leaves: Vec<Vec<u8>> = rows.iter().map(|row| row.get("leaf")).collect();
    assert!(
        leaves.iter().map(|leaf| &leaf[..]).eq(first.stamps.iter().chain(&second.stamps).map(|stamp| &stamp.leaf[..]))
    );
    hold.release().await;
    let by_socket = Hold::take(&Database::parse(&database.socket_url()), &holder("run")).await.unwrap();
    by_socket.release().await;
}
