//! How a runner appends, beside others that do. While nobody else writes, a batch is one call behind the head that this runner left. Where
//! somebody did, the runner locks the head, learns what was added, compares it with what it knows itself (I12), and numbers and seals
//! its drafts behind that.
//!
//! Where no answer comes, what became of the batch is found out behind that lock as well: its leaves are there under its numbers, or it is
//! not there; and then it cannot come late, because the head is another one as soon as the drafts are written again.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::postgres::PgRow;
use tokio::time::Instant;

use super::absence::Pauses;
use super::connect::{Purpose, connect};
use super::epoch::its_holder;
use super::lease::Share;
use super::link::{get, only, unsigned};
use super::literal::{from_hex, number};
use super::store::{Left, PostgresStore, last_checkpoint, statement};
use super::trouble::{gave_way, of};
use crate::domain::parse_time;
use crate::journal::changes::Changes;
use crate::journal::project::Projector;
use crate::journal::{Appended, Batch, Cadence, Head, JournalError, LastCheckpoint, ServerTrouble};
use crate::record::merkle::Hash;
use crate::record::{Draft, Entry, Event, Sealed};

/// How often a batch is sent again that was rolled back for the sake of another transaction.
const TRIES: u32 = 10;

/// A batch on its way.
struct Work {
    /// Where this session left the head.
    left: Head,
    drafts: Vec<Draft>,
    cadence: Option<Cadence>,
    /// What was sent of it and not answered.
    unanswered: Vec<Sent>,
    /// How long the server is waited for.
    until: Option<Instant>,
    /// For how long before each question.
    pauses: Pauses,
}

/// The drafts as they were sealed once, behind a head that may no longer be there.
struct Sent {
    first: u64,
    leaves: Vec<Hash>,
    head: Head,
    appended: Appended,
}

/// The head behind its lock.
struct Found {
    size: u64,
    root: Vec<u8>,
    /// Of what was added since this session left the head.
    leaves: Vec<Hash>,
    last_at: Option<Timestamp>,
    checkpoint: Option<LastCheckpoint>,
}

/// The head after a batch that was taken; none where somebody else wrote, and nothing of it is there.
type Outcome = Option<(Head, Appended)>;

impl Sent {
    /// Whether it is among the entries that begin with this number.
    fn is_among(&self, from: u64, leaves: &[Hash]) -> bool {
        let begin = self.first.checked_sub(from).and_then(|begin| usize::try_from(begin).ok());
        begin.and_then(|begin| leaves.get(begin..)).is_some_and(|rest| rest.starts_with(&self.leaves))
    }
}

impl PostgresStore {
    /// Appends beside others.
    pub(super) async fn append_shared(
        &mut self,
        drafts: Vec<Draft>,
        cadence: Option<Cadence>,
    ) -> Result<Appended, JournalError> {
        let is_late = drafts.iter().all(|draft| matches!(draft.event, Event::AnswerLate(_)));
        if self.share()?.is_fenced && !is_late {
            return Err(JournalError::Closed);
        }
        // It stays lost unless this succeeds, or it is certain that nothing was written.
        let Left::At(left) = std::mem::replace(&mut self.left, Left::Lost) else { return Err(JournalError::Closed) };
        let mut work = Work { left, drafts, cadence, unanswered: Vec::new(), until: None, pauses: Pauses::new() };
        match self.append_surely(&mut work).await {
            Ok((head, appended)) => {
                self.left = Left::At(head);
                Ok(appended)
            }
            Err(error) => {
                if matches!(error, JournalError::FencedOff { .. }) {
                    self.left = Left::At(work.left);
                    let share = self.share()?;
                    share.is_fenced = true;
                    share.lease.end();
                }
                Err(error)
            }
        }
    }

    fn share(&mut self) -> Result<&mut Share, JournalError> {
        self.share.as_mut().ok_or(JournalError::Closed)
    }

    /// Sends a batch until it is known to be there.
    async fn append_surely(&mut self, work: &mut Work) -> Result<(Head, Appended), JournalError> {
        let mut tried = 0;
        loop {
            let known = self.projector.clone();
            let share = self.share()?;
            let (asked, is_alone) = (share.lease.asked(), share.is_alone);
            let sent = if is_alone { self.at_once(work).await } else { self.behind_the_lock(work).await };
            let error = match sent {
                Ok(Some((head, appended))) => {
                    self.share()?.lease.renewed(asked);
                    return Ok((head, appended));
                }
                Ok(None) if is_alone => None,
                Ok(None) => return Err(JournalError::damaged("the head moved behind its lock")),
                Err(error) => Some(error),
            };
            self.projector = known;
            self.share()?.is_alone = false;
            let Some(error) = error else { continue };
            let is_lost = !self.link.is_alive();
            if !is_lost && self.link.ask_once("ROLLBACK").await.is_err() {
                tracing::debug!("a transaction that failed could not be taken back");
            }
            if matches!(error, JournalError::Server { trouble: ServerTrouble::LostEntries { .. }, .. }) {
                return Err(error);
            }
            if gave_way(&error) && tried < TRIES {
                tried += 1;
                tokio::time::sleep(Duration::from_millis(fastrand::u64(1..=20 * u64::from(tried)))).await;
            } else if is_lost || error.may_pass() {
                self.wait(error, work).await?;
            } else {
                return Err(error);
            }
        }
    }

    /// A single call, which is a transaction by itself.
    async fn at_once(&mut self, work: &mut Work) -> Result<Outcome, JournalError> {
        self.send_behind(work, work.left.clone(), "").await
    }

    /// A transaction that holds the head's lock: two round trips.
    async fn behind_the_lock(&mut self, work: &mut Work) -> Result<Outcome, JournalError> {
        let left = work.left.mark();
        let lock =
            format!("BEGIN ISOLATION LEVEL READ COMMITTED; SELECT * FROM keybatch.lock_head({})", number(left.size));
        let rows = self.link.ask_once(&lock).await?;
        let found = Found::read(only(&rows)?)?;
        if found.size < left.size {
            let trouble = ServerTrouble::LostEntries { has: found.size, had: left.size };
            return Err(of(self.link.address(), trouble));
        }
        if let Some(sent) = work.unanswered.iter().find(|sent| sent.is_among(left.size, &found.leaves)) {
            let later = sent.head.mark().size - left.size;
            let later = found.leaves.get(usize::try_from(later).unwrap_or(usize::MAX)..).unwrap_or_default();
            let head = found.after(&sent.head, later)?;
            let taken = Some((head, sent.appended.clone()));
            self.link.ask_once("ROLLBACK").await?;
            return Ok(taken);
        }
        let head = found.after(&work.left, &found.leaves)?;
        if matches!(work.drafts.first(), Some(Draft { event: Event::SessionOpened(_), .. })) {
            // Others change the state of the run that it opens.
            self.projector = Projector::default();
        }
        let is_alone = head.mark() == left;
        let outcome = self.send_behind(work, head, "; COMMIT").await?;
        self.share()?.is_alone = is_alone;
        Ok(outcome)
    }

    /// Seals the drafts behind a head and sends them.
    async fn send_behind(&mut self, work: &mut Work, head: Head, behind: &str) -> Result<Outcome, JournalError> {
        let clock = Arc::clone(&self.clock);
        let Batch { entries, head: to, appended } = head.seal(work.drafts.clone(), work.cadence, || clock.now())?;
        if entries.is_empty() {
            self.link.ask_once("ROLLBACK").await?;
            return Ok(Some((head, appended)));
        }
        let (entries, sealed): (Vec<Entry>, Vec<Sealed>) = entries.into_iter().unzip();
        let mut changes = Changes::default();
        for entry in &entries {
            self.recall(entry).await?;
            self.projector.project(entry, &mut changes)?;
        }
        let text = statement(self.epoch, head.mark(), &to, &sealed, &changes) + behind;
        let leaves = sealed.iter().map(|sealed| sealed.leaf).collect();
        work.unanswered.push(Sent { first: head.mark().size, leaves, head: to.clone(), appended: appended.clone() });
        let rows = self.link.ask_once(&text).await;
        if self.link.is_alive() {
            // It was answered: it is there, or never will be.
            work.unanswered.pop();
        }
        let rows = rows?;
        let row = only(&rows)?;
        match get::<&str>(row, "said")? {
            "taken" if unsigned(row, "taken")? == sealed.len() as u64 => Ok(Some((to, appended))),
            "moved" => Ok(None),
            "fenced" => Err(JournalError::FencedOff { holder: its_holder(row)? }),
            "busy" => {
                let path = PathBuf::from(self.link.address().to_string());
                Err(JournalError::Locked { path, holder: its_holder(row)? })
            }
            "ended" => Err(JournalError::HeadMoved { size: work.left.mark().size }),
            _ => Err(JournalError::damaged("not every entry was taken")),
        }
    }

    /// Waits until the server can be asked again, for as long as the session is patient, from the first loss on.
    async fn wait(&mut self, lost: JournalError, work: &mut Work) -> Result<(), JournalError> {
        let until = *work.until.get_or_insert_with(|| Instant::now() + self.link.address().patience());
        let patience = until.saturating_duration_since(Instant::now());
        if patience.is_zero() {
            return Err(lost);
        }
        if self.link.is_alive() {
            work.pauses.pause().await;
            return Ok(());
        }
        (self.on_absence)(Some((&lost, patience)));
        let address = self.link.address().clone();
        loop {
            match connect(&address, Purpose::Write).await {
                Ok((link, server)) => {
                    // It may lack entries of others, which only they would miss.
                    if server.timeline != self.server.timeline {
                        return Err(of(&address, ServerTrouble::Promoted));
                    }
                    (self.link, self.server) = (link, server);
                    (self.on_absence)(None);
                    return Ok(());
                }
                Err(error) if !error.may_pass() => return Err(error),
                Err(_) if Instant::now() >= until => return Err(lost),
                Err(error) => tracing::debug!(%error, "the journal's database is still away"),
            }
            work.pauses.pause().await;
        }
    }
}

impl Found {
    fn read(row: &PgRow) -> Result<Self, JournalError> {
        let hex = |column: &str| {
            let text: Option<&str> = get(row, column)?;
            from_hex(text.unwrap_or_default()).ok_or_else(|| JournalError::damaged("bytes are not in hexadecimal"))
        };
        let leaves = hex("leaves")?.chunks(32).map(Hash::try_from).collect::<Result<_, _>>();
        let last_at: Option<&str> = get(row, "last_at")?;
        Ok(Self {
            size: unsigned(row, "its_size")?,
            root: hex("root")?,
            leaves: leaves.map_err(|_| JournalError::damaged("a leaf is not a hash"))?,
            last_at: last_at.and_then(parse_time),
            checkpoint: last_checkpoint(row)?,
        })
    }

    /// The head that is found where these were added to one that is known. What this session wrote or read before must be in it (I12).
    fn after(&self, known: &Head, added: &[Hash]) -> Result<Head, JournalError> {
        let head = known.followed_by(added, self.last_at, self.checkpoint);
        let mark = head.mark();
        if mark.size == self.size && mark.root.as_slice() == self.root {
            return Ok(head);
        }
        Err(JournalError::damaged("the head does not continue what this session has read and written"))
    }
}
