//! One session at a time: whoever holds the journal renews that on the server's clock, by a task of its own and with each append.
//!
//! A session that falls silent for longer than its hold lasts can be taken over. That raises the epoch under the lock of the head, and
//! each append compares the epoch under that lock: what the old session still sends is refused. So nothing depends on anybody's clock
//! but how soon a dead session is replaced.
//!
//! Runners hold it together: each has an epoch of its own, and leases on rows ([`Lease`]).

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::address::Address;
use super::asking::Asking;
use super::connect::{Purpose, Server, connect};
use super::epoch::{Epoch, its_holder};
use super::inbox::PostgresInbox;
use super::lease::Lease;
use super::link::{Link, get, only};
use super::literal;
use super::roster::PostgresRoster;
use crate::journal::{Holder, Inbox, JournalError, Roster};

/// How often a hold is renewed. It lasts four times as long (`keybatch.take_hold`).
const RENEWED_EVERY: Duration = Duration::from_secs(5);

/// How often a session that waits looks whether the journal is free.
const LOOKED_AT_EVERY: Duration = Duration::from_millis(250);

/// How long an answer about a hold is waited for. Shorter than a hold lasts.
const ANSWER: Duration = Duration::from_secs(12);

/// How long it is waited for at least.
const SHORTEST_ANSWER: Duration = Duration::from_secs(1);

/// The version of the schema since which there are runners.
const WITH_RUNNERS: i64 = 4;

/// A session's hold on a journal. Dropped, it is given back soon; [`Hold::release`] waits until it is. A process that dies leaves it
/// to lapse.
#[derive(Debug)]
pub struct Hold {
    epoch: Epoch,
    server: Server,
    asking: Arc<Asking>,
    /// A runner's.
    lease: Option<Arc<Lease>>,
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
        let epoch = watch(&mut link, &statement, None, waits).await?;
        Ok(Self::keeping(link, server, epoch, None))
    }

    /// Joins the runners of the journal at `address`, with leases that last so long. Where a session has the journal for itself, this watches
    /// that one as [`Hold::take`] does.
    ///
    /// # Errors
    /// As [`Hold::take`].
    pub async fn join(address: &Address, holder: &Holder, lasts: Duration) -> Result<Self, JournalError> {
        Self::join_telling(address, holder, lasts, |_| ()).await
    }

    /// As [`Hold::join`]. Calls `waits` as [`Hold::take_telling`] does.
    ///
    /// # Errors
    /// As [`Hold::take`].
    pub async fn join_telling(
        address: &Address,
        holder: &Holder,
        lasts: Duration,
        waits: impl Fn(Option<&Holder>),
    ) -> Result<Self, JournalError> {
        let (mut link, server) = connect(address, Purpose::Write).await?;
        let lease = Arc::new(Lease::new(lasts, server.skew));
        let text = literal::text(&serde_json::to_string(holder).unwrap_or_default());
        let lasts = lasts.as_secs_f64();
        let statement = format!("SELECT * FROM keybatch.join({text}, pg_catalog.make_interval(secs => {lasts}))");
        let epoch = watch(&mut link, &statement, Some(&lease), waits).await?;
        Ok(Self::keeping(link, server, epoch, Some(lease)))
    }

    fn keeping(link: Link, server: Server, epoch: Epoch, lease: Option<Arc<Lease>>) -> Self {
        let asking = Arc::new(Asking::new(link.address().clone()));
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(keep(link, epoch, lease.clone(), stopped));
        Self { epoch, server, asking, lease, stop: Some(stop), task }
    }

    /// What runners share, for one that joined them.
    #[must_use]
    pub fn roster(&self) -> Option<Arc<dyn Roster>> {
        let lease = Arc::clone(self.lease.as_ref()?);
        Some(Arc::new(PostgresRoster::new(Arc::clone(&self.asking), self.epoch, lease)))
    }

    /// What the session is asked while it works.
    #[must_use]
    pub fn inbox(&self) -> Arc<dyn Inbox> {
        Arc::new(PostgresInbox::new(Arc::clone(&self.asking), self.epoch))
    }

    /// What a runner knows of its leases.
    pub(super) fn lease(&self) -> Option<&Arc<Lease>> {
        self.lease.as_ref()
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

/// Asks for a hold until it is given, or the session that holds the journal shows that it is alive.
async fn watch(
    link: &mut Link,
    statement: &str,
    lease: Option<&Arc<Lease>>,
    waits: impl Fn(Option<&Holder>),
) -> Result<Epoch, JournalError> {
    let mut seen = None;
    loop {
        let asked = lease.map(|lease| lease.asked());
        let rows = link.ask_within(ANSWER, statement).await?;
        let row = only(&rows)?;
        let epoch: i64 = get(row, "its_epoch")?;
        if get(row, "taken")? {
            lease.iter().zip(asked).for_each(|(lease, asked)| lease.renewed(asked));
            return Ok(Epoch(epoch));
        }
        let now = (epoch, get::<i64>(row, "its_renewals")?);
        if seen.is_none() {
            waits(its_holder(row)?.as_deref());
        }
        if *seen.get_or_insert(now) != now {
            let path = PathBuf::from(link.address().to_string());
            return Err(JournalError::Locked { path, holder: its_holder(row)? });
        }
        tokio::time::sleep(LOOKED_AT_EVERY).await;
    }
}

/// Whether a session holds the journal at this moment, alone or with others, by the server's clock; `None` if that cannot be determined.
pub async fn is_held(address: &Address) -> Option<bool> {
    let (mut link, server) = connect(address, Purpose::ReadAny).await.ok()?;
    let alone = "SELECT until > pg_catalog.clock_timestamp() FROM keybatch.holder WHERE id = 0";
    let rows = link.ask_within(ANSWER, alone).await.ok()?;
    if get(only(&rows).ok()?, 0).ok()? {
        return Some(true);
    }
    if server.schema < Some(WITH_RUNNERS) {
        return Some(false);
    }
    let together = "SELECT EXISTS (SELECT 1 FROM keybatch.runner AS r \
         WHERE NOT r.fenced AND r.until > pg_catalog.clock_timestamp())";
    let rows = link.ask_within(ANSWER, together).await.ok()?;
    get(only(&rows).ok()?, 0).ok()
}

/// Renews the hold until told to stop, and then gives it back.
async fn keep(mut link: Link, epoch: Epoch, lease: Option<Arc<Lease>>, mut stopped: oneshot::Receiver<()>) {
    let renew = format!("SELECT renewed FROM keybatch.renew_hold({})", epoch.0);
    let every = lease.as_ref().map_or(RENEWED_EVERY, |lease| lease.lasts() / 4);
    let limit = lease.as_ref().map_or(ANSWER, |_| every.clamp(SHORTEST_ANSWER, ANSWER));
    loop {
        if tokio::time::timeout(every, &mut stopped).await.is_ok() {
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
        let asked = lease.as_ref().map(|lease| lease.asked());
        let renewed = link.ask_within(limit, &renew).await.and_then(|rows| get::<bool>(only(&rows)?, 0));
        match renewed {
            Ok(true) => lease.iter().zip(asked).for_each(|(lease, asked)| lease.renewed(asked)),
            // The next append is refused, which is what tells the session.
            Ok(false) => {
                lease.iter().for_each(|lease| lease.end());
                return link.close().await;
            }
            Err(error) => tracing::debug!(%error, "the hold on the journal was not renewed"),
        }
    }
}

/// Gives the journal back, if it is still this session's.
pub(super) async fn give_back(link: &mut Link, epoch: Epoch) -> Result<(), JournalError> {
    link.ask_within(ANSWER, &format!("SELECT keybatch.end_hold({})", epoch.0)).await.map(drop)
}
