//! One session at a time: whoever holds the journal renews that on the server's clock, by a task of its own and with each append.
//!
//! A session that falls silent for longer than its hold lasts can be taken over. That raises the epoch under the lock of the head, and
//! each append compares the epoch under that lock: what the old session still sends is refused. So nothing depends on anybody's clock
//! but how soon a dead session is replaced.

use std::path::PathBuf;
use std::time::Duration;

use sqlx::postgres::PgRow;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::address::Address;
use super::connect::{Purpose, Server, connect};
use super::link::{Link, get, only};
use super::literal;
use crate::journal::{Holder, JournalError};

/// How often a hold is renewed. It lasts four times as long (`keybatch.take_hold`).
const RENEWED_EVERY: Duration = Duration::from_secs(5);

/// How often a session that waits looks whether the journal is free.
const LOOKED_AT_EVERY: Duration = Duration::from_millis(250);

/// How long an answer about a hold is waited for. Shorter than a hold lasts.
const ANSWER: Duration = Duration::from_secs(12);

/// Which session of all that ever held the journal. A store appends with the epoch of its session's hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch(pub(super) i64);

/// A session's hold on a journal. Dropped, it is given back soon; [`Hold::release`] waits until it is. A process that dies leaves it
/// to lapse.
#[derive(Debug)]
pub struct Hold {
    epoch: Epoch,
    server: Server,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Hold {
    /// Takes the journal at `address` for `holder`. Where another session holds it, this watches that one until it renews its hold, for
    /// 5 s at the most, or until the hold has lapsed, 20 s at the most.
    ///
    /// # Errors
    /// [`JournalError::Locked`] if another session holds it and is alive; [`JournalError::Server`] if the server cannot be used.
    pub async fn take(address: &Address, holder: &Holder) -> Result<Self, JournalError> {
        Self::take_telling(address, holder, |_| ()).await
    }

    /// As [`Hold::take`]. Calls `waits` once if this has to watch another session, with who that is as far as it is known.
    ///
    /// # Errors
    /// As [`Hold::take`].
    pub async fn take_telling(
        address: &Address,
        holder: &Holder,
        waits: impl Fn(Option<&Holder>),
    ) -> Result<Self, JournalError> {
        let (mut link, server) = connect(address, Purpose::Write).await?;
        let text = serde_json::to_string(holder).unwrap_or_default();
        let statement = format!("SELECT * FROM keybatch.take_hold({})", literal::text(&text));
        let mut seen = None;
        let epoch = loop {
            let rows = link.ask_within(ANSWER, &statement).await?;
            let row = only(&rows)?;
            let epoch: i64 = get(row, "its_epoch")?;
            if get(row, "taken")? {
                break Epoch(epoch);
            }
            let now = (epoch, get::<i64>(row, "its_renewals")?);
            if seen.is_none() {
                waits(its_holder(row)?.as_deref());
            }
            if *seen.get_or_insert(now) != now {
                let path = PathBuf::from(address.to_string());
                return Err(JournalError::Locked { path, holder: its_holder(row)? });
            }
            tokio::time::sleep(LOOKED_AT_EVERY).await;
        };
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(keep(link, epoch, stopped));
        Ok(Self { epoch, server, stop: Some(stop), task })
    }

    /// Its epoch, for the store.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// What the server said of itself.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Gives the journal back, so that the next session need not wait.
    pub async fn release(mut self) {
        drop(self.stop.take());
        let _gone_either_way = (&mut self.task).await;
    }

    /// Ends the renewals without giving the journal back, as a process does that dies.
    pub fn abandon(self) {
        self.task.abort();
    }
}

/// Whether a session holds the journal at this moment, by the server's clock; `None` if that cannot be determined.
pub async fn is_held(address: &Address) -> Option<bool> {
    let (mut link, _) = connect(address, Purpose::ReadAny).await.ok()?;
    let held = "SELECT until > pg_catalog.clock_timestamp() FROM keybatch.holder WHERE id = 0";
    let rows = link.ask_within(ANSWER, held).await.ok()?;
    get(only(&rows).ok()?, 0).ok()
}

/// Renews the hold until told to stop, and then gives it back.
async fn keep(mut link: Link, epoch: Epoch, mut stopped: oneshot::Receiver<()>) {
    let renew = format!("SELECT renewed FROM keybatch.renew_hold({})", epoch.0);
    loop {
        if tokio::time::timeout(RENEWED_EVERY, &mut stopped).await.is_ok() {
            if give_back(&mut link, epoch).await.is_err() {
                tracing::debug!(
                    "the journal could not be given back; the next session waits until the hold has lapsed"
                );
            }
            return link.close().await;
        }
        if !link.is_alive() {
            let address = link.address().clone();
            match connect(&address, Purpose::Write).await {
                Ok((again, _)) => link = again,
                Err(error) => {
                    tracing::debug!(%error, "the hold on the journal cannot be renewed");
                    continue;
                }
            }
        }
        let renewed = link.ask_within(ANSWER, &renew).await.and_then(|rows| get::<bool>(only(&rows)?, 0));
        match renewed {
            Ok(true) => {}
            // The next append is refused, which is what tells the session.
            Ok(false) => return link.close().await,
            Err(error) => tracing::debug!(%error, "the hold on the journal was not renewed"),
        }
    }
}

/// Gives the journal back, if it is still this session's.
pub(super) async fn give_back(link: &mut Link, epoch: Epoch) -> Result<(), JournalError> {
    link.ask_within(ANSWER, &format!("SELECT keybatch.end_hold({})", epoch.0)).await.map(drop)
}

/// Who holds it, as far as that can be read.
pub(super) fn its_holder(row: &PgRow) -> Result<Option<Box<Holder>>, JournalError> {
    let text: Option<String> = get(row, "its_holder")?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}
