//! The program with its journal in PostgreSQL.

pub(crate) mod addresses;
pub(crate) mod chaos;
pub(crate) mod controlling;
pub(crate) mod ending;
pub(crate) mod promoting;
pub(crate) mod reading;
pub(crate) mod sharing;
pub(crate) mod working;

use super::server::{ADMIN, Database};
use crate::support::Bench;

/// A bench whose journal is a database of its own.
async fn bench() -> (Bench, Database) {
    let database = Database::with_schema().await;
    let mut bench = Bench::new();
    bench.move_journal(database.url(ADMIN, database.port).into());
    (bench, database)
}

/// What must hold of a journal whose sessions have all ended: each finished attempt is one request, and `verify` accepts it.
#[track_caller]
fn is_sound(bench: &Bench) {
    let sql = "SELECT (SELECT count(*) FROM entries WHERE kind = 'attempt_finished') AS answered, \
               (SELECT count(*) FROM entries WHERE kind = 'attempt_started') AS started";
    let counted = bench.query(sql).remove(0);
    assert_eq!(counted["answered"], counted["started"]);
    let sent = bench.world.arrived("DeleteKeyPair").len();
    assert!(counted["started"].as_u64().unwrap() >= sent as u64, "{counted}: {sent} requests arrived");
    assert_eq!(bench.world.overlaps(), Vec::<String>::new());
    bench.verify().exits(0);
}
