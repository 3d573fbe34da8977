//! Questions to the server beside a session's appends, on a connection of their own: they do not wait behind those.

use std::time::Duration;

use sqlx::postgres::PgRow;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::absence::Pauses;
use super::address::Address;
use super::connect::{Purpose, connect};
use super::link::Link;
use crate::journal::JournalError;

/// How long an answer is waited for: longer than the server waits for a lock.
const ANSWER: Duration = Duration::from_secs(15);

/// A connection that is made when it is needed, and made again where it was lost.
#[derive(Debug)]
pub(super) struct Asking {
    address: Address,
    link: Mutex<Option<Link>>,
}

impl Asking {
    pub(super) fn new(address: Address) -> Self {
        Self { address, link: Mutex::default() }
    }

    /// Asks, and once more through another connection where there was no answer, for as long as the session is patient. Everything that is
    /// asked here may be asked again.
    pub(super) async fn ask(&self, statement: &str) -> Result<Vec<PgRow>, JournalError> {
        let mut held = self.link.lock().await;
        let (until, mut pauses) = (Instant::now() + self.address.patience(), Pauses::new());
        loop {
            let error = match self.ask_once(&mut held, statement).await {
                Ok(rows) => return Ok(rows),
                Err((error, may_pass)) if may_pass && Instant::now() < until => error,
                Err((error, _)) => return Err(error),
            };
            tracing::debug!(%error, "the journal's database is away");
            pauses.pause().await;
        }
    }

    /// Beside the error: whether it may pass.
    async fn ask_once(&self, held: &mut Option<Link>, statement: &str) -> Result<Vec<PgRow>, (JournalError, bool)> {
        let mut link = match held.take() {
            Some(link) => link,
            None => match connect(&self.address, Purpose::Write).await {
                Ok((link, _)) => link,
                Err(error) => {
                    let may_pass = error.may_pass();
                    return Err((error, may_pass));
                }
            },
        };
        let answer = link.ask_within(ANSWER, statement).await;
        let is_alive = link.is_alive();
        *held = is_alive.then_some(link);
        answer.map_err(|error| {
            let may_pass = !is_alive || error.may_pass();
            (error, may_pass)
        })
    }
}
