//! The writing side: one call for a batch of entries, their projections and the head. The call is a transaction by itself, and the
//! server answers it when that is durable.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgRow;
use tokio::time::Instant;

use super::absence::Pauses;
use super::address::Address;
use super::apply::arguments;
use super::connect::{Purpose, Server, connect};
use super::epoch::{Epoch, its_holder};
use super::hold::{Hold, give_back};
use super::lease::Share;
use super::link::{Link, get, only, unsigned};
use super::literal::{bytes, from_hex, hashes, number, text};
use super::trouble::of;
use crate::domain::{Clock, Target, parse_time, time_text};
use crate::journal::changes::Changes;
use crate::journal::project::{KnownRun, Projector};
use crate::journal::{
    Appended, Batch, Cadence, EntryStore, Head, Import, JournalError, LastCheckpoint, RunState, ServerTrouble, TreeHead,
};
use crate::record::merkle::{Frontier, Hash};
use crate::record::{Draft, Entry, Sealed};

/// The head, the last number of a target, and the last entry, as they are at one moment. Bytes are asked for in hexadecimal: a setting
/// decides how they would be written otherwise.
const HEAD: &str = "SELECT h.size, pg_catalog.encode(h.root, 'hex') AS root, \
     pg_catalog.encode(h.frontier, 'hex') AS frontier, h.checkpoint_size, h.checkpoint_at, \
     (SELECT COALESCE(pg_catalog.max(t.target_no), 0) FROM keybatch.target AS t) AS last_target, \
     (SELECT e.body FROM keybatch.entry AS e ORDER BY e.seq DESC LIMIT 1) AS last_body \
     FROM keybatch.head AS h WHERE h.id = 0";

const FIRST_BODY: &str = "SELECT body FROM keybatch.entry WHERE seq = 0";

/// A journal in PostgreSQL, open for writing.
pub struct PostgresStore {
    pub(super) link: Link,
    pub(super) server: Server,
    pub(super) epoch: Epoch,
    pub(super) projector: Projector,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) left: Left,
    pub(super) on_absence: OnAbsence,
    /// A runner's.
    pub(super) share: Option<Share>,
}

/// Told when the server is lost, with why and how long it is waited for; and with nothing once it is back.
pub type OnAbsence = Box<dyn Fn(Option<(&JournalError, Duration)>) + Send + Sync>;

/// Where this session left the head.
#[derive(Debug)]
pub(super) enum Left {
    /// It has not read the head yet.
    Unknown,
    At(Head),
    /// An append failed, or was dropped half-way: it is unknown whether its entries are there.
    Lost,
}

impl PostgresStore {
    /// Opens the journal at `address`, of which the caller has a [`Hold`](super::Hold) with this epoch. Entries get their time from
    /// `clock`.
    ///
    /// # Errors
    /// [`JournalError::Server`] if the server cannot be used: it is not the primary, or has no schema of this version, and so on.
    pub async fn open(address: &Address, epoch: Epoch, clock: Arc<dyn Clock>) -> Result<Self, JournalError> {
        let (link, server) = connect(address, Purpose::Write).await?;
        let projector = Projector::default();
        let on_absence: OnAbsence = Box::new(|_| ());
        Ok(Self { link, server, epoch, projector, clock, left: Left::Unknown, on_absence, share: None })
    }

    /// As [`PostgresStore::open`], with this hold. A runner's store appends beside those of others.
    ///
    /// # Errors
    /// As [`PostgresStore::open`].
    pub async fn open_with(address: &Address, hold: &Hold, clock: Arc<dyn Clock>) -> Result<Self, JournalError> {
        let store = Self::open(address, hold.epoch(), clock).await?;
        Ok(Self { share: hold.lease().map(|lease| Share::new(Arc::clone(lease))), ..store })
    }

    /// Tells `on_absence` when the server is lost and when it is back.
    #[must_use]
    pub fn telling(self, on_absence: OnAbsence) -> Self {
        Self { on_absence, ..self }
    }

    /// What the server said of itself.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    fn usable(&self) -> Result<(), JournalError> {
        if matches!(self.left, Left::Lost) { Err(JournalError::Closed) } else { Ok(()) }
    }

    /// Loads what the projector needs about a run of an earlier session.
    async fn learn(&mut self, run: u64) -> Result<(), JournalError> {
        let run_no = number(run);
        let query =
            format!("SELECT endpoint, state, started_seq IS NOT NULL FROM keybatch.run WHERE run_no = {run_no}");
        let rows = self.link.ask(&query).await?;
        let Some(row) = rows.first() else { return Ok(()) };
        let query = format!(
            "SELECT target_no, account_id, region FROM keybatch.target WHERE run_no = {run_no} \
             ORDER BY account_id COLLATE \"C\", region COLLATE \"C\""
        );
        let targets = self.link.ask(&query).await?;
        let target = |row: &PgRow| Ok((Target { account: get(row, 1)?, region: get(row, 2)? }, unsigned(row, 0)?));
        let known = KnownRun {
            endpoint: get(row, 0)?,
            state: RunState::from(get::<&str>(row, 1)?),
            is_started: get(row, 2)?,
            targets: targets.iter().map(target).collect::<Result<_, JournalError>>()?,
        };
        self.projector.know(run, known);
        Ok(())
    }

    /// Makes known what the projector must know of earlier entries to project this one. What it learns is as old as the head that is
    /// compared, or the batch is refused.
    pub(super) async fn recall(&mut self, entry: &Entry) -> Result<(), JournalError> {
        if let Some(session) = self.projector.unknown_session(entry) {
            let query = format!("SELECT body FROM keybatch.entry WHERE seq = {}", number(session));
            if let Some(row) = self.link.ask(&query).await?.first() {
                self.projector.know_session(&Entry::parse(get(row, 0)?).map_err(JournalError::entry)?);
            }
        }
        match self.projector.run_of(entry) {
            Some(run) if !self.projector.knows(run) => self.learn(run).await,
            _ => Ok(()),
        }
    }

    /// Writes a batch behind the head that this session left.
    async fn write(&mut self, left: TreeHead, batch: Batch) -> Result<Appended, JournalError> {
        let (entries, sealed): (Vec<Entry>, Vec<Sealed>) = batch.entries.into_iter().unzip();
        let mut changes = Changes::default();
        for entry in &entries {
            self.recall(entry).await?;
            self.projector.project(entry, &mut changes)?;
        }
        if !sealed.is_empty() {
            self.send_surely(left, &batch.head, &sealed, &changes).await?;
        }
        self.left = Left::At(batch.head);
        Ok(batch.appended)
    }

    /// Sends a batch. The answer says that all of it is durable, or that nothing was written.
    async fn send(
        &mut self,
        left: TreeHead,
        to: &Head,
        sealed: &[Sealed],
        changes: &Changes<'_>,
    ) -> Result<(), JournalError> {
        let rows = self.link.ask(&statement(self.epoch, left, to, sealed, changes)).await?;
        let row = only(&rows)?;
        match get::<&str>(row, "said")? {
            "taken" if unsigned(row, "taken")? == sealed.len() as u64 => Ok(()),
            "moved" => Err(JournalError::HeadMoved { size: left.size }),
            "fenced" => Err(JournalError::FencedOff { holder: its_holder(row)? }),
            _ => Err(JournalError::damaged("not every entry was taken")),
        }
    }
}

impl PostgresStore {
    /// Sends a batch until it is known to be there. Where no answer comes, what became of it is found out through a new connection,
    /// for as long as the session is patient; only what is certainly not there is sent again.
    async fn send_surely(
        &mut self,
        left: TreeHead,
        to: &Head,
        sealed: &[Sealed],
        changes: &Changes<'_>,
    ) -> Result<(), JournalError> {
        let mut until = None;
        loop {
            let lost = match self.send(left, to, sealed, changes).await {
                Ok(()) => return Ok(()),
                Err(error) if self.link.is_alive() => return Err(error),
                Err(lost) => lost,
            };
            // From the first loss on: a server that answers, and is lost at each append, is not waited for without end.
            let until = *until.get_or_insert_with(|| Instant::now() + self.link.address().patience());
            let found = self.find_out(lost, until).await?;
            match found {
                found if found == to.mark() => return Ok(()),
                found if found == left => {}
                found if found.size < left.size => {
                    let trouble = ServerTrouble::LostEntries { has: found.size, had: left.size };
                    return Err(of(self.link.address(), trouble));
                }
                _ => return Err(JournalError::HeadMoved { size: left.size }),
            }
        }
    }

    /// The head, behind its lock, after an answer was lost.
    async fn find_out(&mut self, lost: JournalError, until: Instant) -> Result<TreeHead, JournalError> {
        let patience = until.saturating_duration_since(Instant::now());
        if patience.is_zero() {
            return Err(lost);
        }
        (self.on_absence)(Some((&lost, patience)));
        let mut pauses = Pauses::new();
        loop {
            match self.find_out_once().await {
                Ok(found) => {
                    (self.on_absence)(None);
                    return Ok(found);
                }
                Err(error) if !error.may_pass() => return Err(error),
                Err(_) if Instant::now() >= until => return Err(lost),
                Err(error) => tracing::debug!(%error, "the journal's database is still away"),
            }
            pauses.pause().await;
        }
    }

    async fn find_out_once(&mut self) -> Result<TreeHead, JournalError> {
        let address = self.link.address().clone();
        let (mut link, server) = connect(&address, Purpose::Write).await?;
        let rows = link.ask(&format!("SELECT * FROM keybatch.find_out({})", self.epoch.0)).await?;
        let row = only(&rows)?;
        if get::<&str>(row, "said")? != "held" {
            return Err(JournalError::FencedOff { holder: its_holder(row)? });
        }
        let root: Vec<u8> = get(row, "its_root")?;
        let root = Hash::try_from(root).map_err(|_| JournalError::damaged("the head's root is not a hash"))?;
        let found = TreeHead { size: unsigned(row, "its_size")?, root };
        (self.link, self.server) = (link, server);
        Ok(found)
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("server", &self.server).field("left", &self.left).finish_non_exhaustive()
    }
}

/// The call of `keybatch.append` for a batch.
pub(super) fn statement(epoch: Epoch, left: TreeHead, to: &Head, sealed: &[Sealed], changes: &Changes<'_>) -> String {
    let TreeHead { size, root } = to.mark();
    let checkpoint = to.checkpoint();
    let covered = checkpoint.map_or("NULL".into(), |last| number(last.size).to_string());
    let covered_at = checkpoint.map_or("NULL".into(), |last| text(&time_text(last.at)));
    // Canonical JSON has no line breaks, so that one text holds all bodies without quoting a second time.
    let bodies: Vec<_> = sealed.iter().map(|sealed| &*sealed.body).collect();
    let mut all = vec![
        format!("my_epoch => {}", epoch.0),
        format!("old_size => {}", number(left.size)),
        format!("old_root => {}", bytes(&left.root)),
        format!("new_size => {}", number(size)),
        format!("new_root => {}", bytes(&root)),
        format!("new_frontier => {}", bytes(&to.tree().to_bytes())),
        format!("covered => {covered}"),
        format!("covered_at => {covered_at}"),
        format!("bodies => pg_catalog.string_to_array({}, pg_catalog.chr(10))", text(&bodies.join("\n"))),
        format!("leaves => {}", hashes(sealed.iter().map(|sealed| &sealed.leaf))),
    ];
    all.extend(arguments(changes));
    format!("SELECT said, taken, its_holder FROM keybatch.append({})", all.join(", "))
}

impl EntryStore for PostgresStore {
    async fn head(&mut self) -> Result<Head, JournalError> {
        self.usable()?;
        let rows = self.link.ask(HEAD).await?;
        let row = only(&rows)?;
        let (tree, checkpoint) = stored(row)?;
        let last: Option<&str> = get(row, "last_body")?;
        let head = Head::new(tree, last.and_then(time_of), checkpoint, self.clock.now());
        self.projector = Projector::after(unsigned(row, "last_target")?);
        self.left = Left::At(head.clone());
        Ok(head)
    }

    async fn journal_id(&mut self) -> Result<Option<String>, JournalError> {
        self.usable()?;
        let rows = self.link.ask(FIRST_BODY).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        Ok(member(get(row, 0)?, "journal_id"))
    }

    async fn append(&mut self, drafts: Vec<Draft>, cadence: Option<Cadence>) -> Result<Appended, JournalError> {
        if matches!(self.left, Left::Unknown) {
            self.head().await?;
        }
        if self.share.is_some() {
            return self.append_shared(drafts, cadence).await;
        }
        // It stays lost unless all of this succeeds.
        let Left::At(left) = std::mem::replace(&mut self.left, Left::Lost) else { return Err(JournalError::Closed) };
        let batch = left.seal(drafts, cadence, || self.clock.now())?;
        self.write(left.mark(), batch).await
    }

    async fn consolidate(&mut self) -> Result<(), JournalError> {
        self.usable()
    }

    async fn close(mut self) -> Result<(), JournalError> {
        let given_back = if self.link.is_alive() { give_back(&mut self.link, self.epoch).await } else { Ok(()) };
        self.link.close().await;
        // What is recorded is durable since its append; a hold that was not given back only lapses later.
        if let Err(error) = given_back {
            tracing::debug!(%error, "the journal could not be given back");
        }
        Ok(())
    }
}

impl Import for PostgresStore {
    async fn import(&mut self, entries: Vec<(Entry, Sealed)>) -> Result<TreeHead, JournalError> {
        if matches!(self.left, Left::Unknown) {
            self.head().await?;
        }
        let Left::At(left) = std::mem::replace(&mut self.left, Left::Lost) else { return Err(JournalError::Closed) };
        let batch = left.follow(entries)?;
        Ok(self.write(left.mark(), batch).await?.head)
    }
}

/// A text that a body holds. Damage is for `verify` to find.
fn member(body: &str, name: &str) -> Option<String> {
    let body: serde_json::Value = serde_json::from_str(body).ok()?;
    Some(body.get(name)?.as_str()?.to_owned())
}

fn time_of(body: &str) -> Option<jiff::Timestamp> {
    parse_time(&member(body, "at")?)
}

fn unhex(text: &str) -> Result<Vec<u8>, JournalError> {
    from_hex(text).ok_or_else(|| JournalError::damaged("bytes are not in hexadecimal"))
}

/// The tree and the last checkpoint that the row of the head says.
fn stored(row: &PgRow) -> Result<(Frontier, Option<LastCheckpoint>), JournalError> {
    let (root, bytes) = (unhex(get(row, "root")?)?, unhex(get(row, "frontier")?)?);
    let size = unsigned(row, "size")?;
    let frontier = Frontier::from_bytes(size, &bytes).map_err(|error| JournalError::damaged(error.to_string()))?;
    if frontier.root().as_slice() != root {
        return Err(JournalError::damaged("the head's root does not belong to its frontier"));
    }
    Ok((frontier, last_checkpoint(row)?))
}

/// The last checkpoint that is kept with the head.
pub(super) fn last_checkpoint(row: &PgRow) -> Result<Option<LastCheckpoint>, JournalError> {
    let (size, at): (Option<i64>, Option<&str>) = (get(row, "checkpoint_size")?, get(row, "checkpoint_at")?);
    match (size.map(u64::try_from), at.map(parse_time)) {
        (None, None) => Ok(None),
        (Some(Ok(size)), Some(Some(at))) => Ok(Some(LastCheckpoint { size, at })),
        _ => Err(JournalError::damaged("the head's last checkpoint has no size or no time")),
    }
}
