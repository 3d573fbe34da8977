//! What runners share beside the entries: rows by leases, and one rate a target. Each question is a transaction by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::postgres::PgRow;

use super::asking::Asking;
use super::epoch::{Epoch, its_holder};
use super::lease::Lease;
use super::link::{get, only, unsigned};
use super::literal::{number, numbers, texts};
use crate::journal::{Claim, Claiming, JournalError, Roster, Slots, Want};

/// Lower rates are raised to this: the server divides by them.
const LOWEST_PER_S: f64 = 0.000_1;

/// Higher rates are lowered to this: no machine sends faster.
const HIGHEST_PER_S: f64 = 1_000_000.0;

/// What a runner shares with others.
#[derive(Debug)]
pub(super) struct PostgresRoster {
    asking: Arc<Asking>,
    epoch: Epoch,
    lease: Arc<Lease>,
    /// How many claims there were: one that is sent again because its answer was lost gets the same rows.
    claims: AtomicI64,
}

impl PostgresRoster {
    pub(super) fn new(asking: Arc<Asking>, epoch: Epoch, lease: Arc<Lease>) -> Self {
        Self { asking, epoch, lease, claims: AtomicI64::default() }
    }

    async fn ask(&self, statement: &str) -> Result<Vec<PgRow>, JournalError> {
        self.unless_fenced(self.asking.ask(statement).await?)
    }

    fn unless_fenced(&self, rows: Vec<PgRow>) -> Result<Vec<PgRow>, JournalError> {
        match rows.first() {
            Some(row) if get::<&str>(row, "said")? == "fenced" => {
                self.lease.end();
                Err(JournalError::FencedOff { holder: its_holder(row)? })
            }
            _ => Ok(rows),
        }
    }

    async fn claim_rows(&self, of: Claiming) -> Result<Claim, JournalError> {
        let Claiming { run_no, target_no, session, most } = of;
        let claim = self.claims.fetch_add(1, Ordering::Relaxed) + 1;
        let (epoch, session) = (self.epoch.0, number(session));
        let query = format!("SELECT * FROM keybatch.claim({epoch}, {session}, {run_no}, {target_no}, {most}, {claim})");
        let asked = self.lease.asked();
        let rows = self.ask(&query).await?;
        self.lease.renewed(asked);
        let row = only(&rows)?;
        let (rows, lapsed) = (listed(get(row, "its_rows")?)?, listed(get(row, "lapsed")?)?);
        Ok(Claim { rows, lapsed, others: unsigned(row, "others")? })
    }

    async fn reserve_slots(&self, wanted: Vec<Want>) -> Result<Vec<Slots>, JournalError> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let all = || wanted.iter();
        let rates: Vec<_> = all().map(|want| format!("{:?}", rate(want.per_s))).collect();
        let query = format!(
            "SELECT * FROM keybatch.reserve({}, {}, {}, {}, {}, '{{{}}}', {})",
            self.epoch.0,
            texts(all().map(|want| &*want.endpoint)),
            texts(all().map(|want| &*want.target.account)),
            texts(all().map(|want| &*want.target.region)),
            numbers(all().map(|want| want.count.into())),
            rates.join(","),
            numbers(all().map(|want| want.version)),
        );
        let rows = self.ask(&query).await?;
        if rows.len() != wanted.len() {
            return Err(JournalError::damaged("not every target got an answer about its rate"));
        }
        rows.iter().map(slots).collect()
    }

    async fn ask_to_finish(&self, run_no: i64) -> Result<bool, JournalError> {
        let asked = self.lease.asked();
        let rows = self.ask(&format!("SELECT * FROM keybatch.may_finish({}, {run_no})", self.epoch.0)).await?;
        self.lease.renewed(asked);
        Ok(get::<&str>(only(&rows)?, "said")? == "yes")
    }
}

impl Roster for PostgresRoster {
    fn claim(&self, of: Claiming) -> BoxFuture<'_, Result<Claim, JournalError>> {
        Box::pin(self.claim_rows(of))
    }

    fn reserve(&self, wanted: Vec<Want>) -> BoxFuture<'_, Result<Vec<Slots>, JournalError>> {
        Box::pin(self.reserve_slots(wanted))
    }

    fn may_finish(&self, run_no: i64) -> BoxFuture<'_, Result<bool, JournalError>> {
        Box::pin(self.ask_to_finish(run_no))
    }

    fn left(&self) -> Duration {
        self.lease.left()
    }

    fn lasts(&self) -> Duration {
        self.lease.lasts()
    }

    fn skew_ms(&self) -> Option<i64> {
        self.lease.skew_ms()
    }
}

/// As the server takes it.
fn rate(per_s: f64) -> f64 {
    if per_s.is_nan() { LOWEST_PER_S } else { per_s.clamp(LOWEST_PER_S, HIGHEST_PER_S) }
}

fn listed(numbers: &str) -> Result<Vec<u64>, JournalError> {
    let parts = numbers.split(',').filter(|part| !part.is_empty());
    parts.map(str::parse).collect::<Result<_, _>>().map_err(|_| JournalError::damaged("a list holds no numbers"))
}

fn slots(row: &PgRow) -> Result<Slots, JournalError> {
    let micros = |column: &str| unsigned(row, column).map(Duration::from_micros);
    Ok(Slots {
        count: u32::try_from(unsigned(row, "granted")?).unwrap_or(u32::MAX),
        after: micros("after_us")?,
        every: micros("every_us")?,
        per_s: get(row, "its_rate")?,
        version: unsigned(row, "its_version")?,
    })
}
