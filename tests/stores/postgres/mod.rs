//! PostgreSQL as a store, with a real server.

pub(crate) mod claiming;
pub(crate) mod connecting;
pub(crate) mod cutting;
pub(crate) mod failing_over;
pub(crate) mod fencing;
pub(crate) mod guarding;
pub(crate) mod holding;
pub(crate) mod objects;
pub(crate) mod pooling;
pub(crate) mod pacing;
pub(crate) mod program;
mod proxy;
pub(crate) mod projections;
pub(crate) mod reading;
mod runners;
pub(crate) mod securing;
pub(crate) mod server;
pub(crate) mod sharing;
pub(crate) mod writing;

use std::sync::Arc;

use keybatch::domain::{Clock, SystemClock};
use keybatch::journal::postgres::{Hold, PostgresStore};
use keybatch::journal::{Holder, Reader, Snapshot, open};

use self::server::Database;
/// A place for the questions that are asked of each store. All of its sessions share one hold: those questions are about the head.
#[derive(Debug)]
pub(crate) struct Postgres {
    database: Database,
    hold: Hold,
}

impl Postgres {
    pub(crate) async fn new() -> Self {
        let database = Database::with_schema().await;
        let hold = Hold::take(&database.address(), &holder("run")).await.unwrap();
        Self { database, hold }
    }

    pub(crate) async fn store(&self, clock: Arc<dyn Clock>) -> PostgresStore {
        PostgresStore::open(&self.database.address(), self.hold.epoch(), clock).await.unwrap()
    }

    pub(crate) async fn reader(&self) -> Reader {
        open::reader(self.database.location()).await.unwrap()
    }

    pub(crate) async fn snapshot(&self) -> Box<dyn Snapshot> {
        open::snapshot(self.database.location()).await.unwrap()
    }
}

/// A clock that stands still, at a second of its own for each number.
pub(crate) fn clock_at(second: u64) -> Arc<dyn Clock> {
    #[derive(Debug)]
    struct Still(jiff::Timestamp);
    impl Clock for Still {
        fn now(&self) -> jiff::Timestamp {
            self.0
        }
    }
    Arc::new(Still(jiff::Timestamp::from_second(1_790_000_000 + i64::try_from(second).unwrap()).unwrap()))
}

pub(crate) fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::start())
}

pub(crate) fn holder(command: &str) -> Holder {
    Holder { command: command.into(), pid: 1, host: "h".into(), since: "2026-01-01T00:00:00Z".into() }
}
