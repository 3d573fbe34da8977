//! `keybatch journal copy`: a journal in another place, entry by entry.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::json;

use super::error::{CliError, Sent};
use super::exit::Exit;
use super::hint::Hint;
use super::machine::tells_who_holds;
use super::new_file::{Unfinished, with_more};
use super::{Code, Context, Format, journals, progress, scratch, shown, signals};
use crate::domain::{Clock as _, SystemClock, counted, time_text};
use crate::journal::copy::{begins_with, copy};
use crate::journal::open::{self, Hold, Leftovers, Store, Told};
use crate::journal::{EntryStore as _, Holder, JournalError, Location, ServerTrouble, Snapshot, TreeHead, is_sealed};
use crate::record::checkpoint::base64;
use crate::record::event::Previous;
use crate::review::json_text;
use crate::verify::{Options, Report, verify};

/// What SQLite may put beside a file.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// How often, and how many times, what an interrupted verification leaves is looked for.
const TIDIED_EVERY: Duration = Duration::from_millis(20);
const TIDIED_AT_LEAST: u32 = 3;
const TIDIED_AT_MOST: u32 = 50;

/// Copy a journal to another place: a file, or a database
///
/// FROM and TO are paths, or addresses such as postgres://USER@HOST/DATABASE; --journal is not used. FROM is verified first and only read.
/// Every entry is copied byte for byte, so that the copy has the same id and the same root; at the end TO is verified, too.
///
/// TO must hold nothing: no file, or a database in which `journal migrate` has just made the schema. A copy into a database that was
/// interrupted is continued by the same command; of one into a file nothing stays. Go on with one of the two only.
#[derive(Debug, clap::Args)]
pub(super) struct CopyArgs {
    /// The journal to copy. No session may be using it
    #[arg(value_name = "FROM")]
    from: PathBuf,
    /// Where the copy is to be
    #[arg(value_name = "TO")]
    to: PathBuf,
}

/// What was copied.
struct Copied {
    head: TreeHead,
    /// How many entries an earlier copy had left in the database.
    continued_from: Option<u64>,
    sealed: bool,
    previous: Option<Previous>,
}

/// One copy, while it is made.
struct Copying<'a> {
    context: &'a Context,
    from: Location,
    to: Location,
    /// How many entries are in TO.
    done: AtomicU64,
    /// The file that becomes TO.
    unfinished: OnceLock<PathBuf>,
}

pub(super) async fn run(args: &CopyArgs, context: &Context) -> Result<Exit, CliError> {
    let copying = Copying::new(args, context)?;
    let asked = signals::first().map_err(|error| CliError::from_error(Exit::Unexpected, &error))?;
    let mut holds = Vec::new();
    let leftovers = copying.from.file().and_then(Leftovers::of);
    let copied = tokio::select! {
        copied = copying.carry_out(&mut holds) => copied,
        () = asked => Err(copying.stopped()),
    };
    copying.tidy(leftovers, matches!(&copied, Err(error) if error.exit == Exit::Stopped)).await;
    for hold in holds {
        if let Hold::Server(hold) = hold {
            hold.release().await;
        }
    }
    copying.say(&copied.map_err(|error| error.sent(Sent::Nothing))?)
}

impl<'a> Copying<'a> {
    fn new(args: &CopyArgs, context: &'a Context) -> Result<Self, CliError> {
        let usage = |message: &str| Err(CliError::new(Exit::Usage, message).sent(Sent::Nothing));
        if context.is_journal_named() {
            return usage("`journal copy` names both journals itself, and does not use --journal");
        }
        let at = |path: &PathBuf| journals::location(Some(path), true, &context.environment);
        let (from, to) = (at(&args.from)?, at(&args.to)?);
        if from == to {
            return usage("FROM and TO are the same journal");
        }
        Ok(Self { context, from, to, done: AtomicU64::default(), unfinished: OnceLock::new() })
    }

    async fn carry_out(&self, holds: &mut Vec<Hold>) -> Result<Copied, CliError> {
        if !self.from.may_exist() {
            let message = format!("there is no journal at {}", self.from);
            return Err(CliError::new(Exit::Environment, message).code(Code::JournalMissing));
        }
        self.to.file().map_or(Ok(()), refuse_taken)?;
        holds.push(self.hold(&self.from).await?);
        holds.push(self.hold(&self.to).await.map_err(|error| self.of_target(error))?);
        match (self.to.file(), &holds[..]) {
            (Some(file), _) => self.make_file(file).await,
            (None, [.., of_target]) => self.fill_database(of_target).await,
            (None, []) => Err(CliError::new(Exit::Unexpected, "nothing holds the copy")),
        }
    }

    async fn hold(&self, at: &Location) -> Result<Hold, JournalError> {
        let since = time_text(SystemClock::start().now());
        let (pid, host) = (std::process::id(), self.context.environment.host());
        let holder = Holder { command: "journal copy".into(), pid, host, since };
        open::hold(at, &holder, tells_who_holds(&self.context.ui)).await
    }

    /// Leaves nothing beside FROM, and nothing beside a file that did not become TO. Parts of a verification that was interrupted may
    /// still be opening files.
    async fn tidy(&self, beside_from: Option<Leftovers>, is_interrupted: bool) {
        for round in 1..=TIDIED_AT_MOST {
            drop(self.unfinished.get().map(|path| FilesBeside(path)));
            let left = beside_from.as_ref().filter(|leftovers| leftovers.are_there());
            if let Some(leftovers) = left {
                leftovers.clone().remove().await;
            }
            if !is_interrupted || (left.is_none() && round >= TIDIED_AT_LEAST) {
                return;
            }
            tokio::time::sleep(TIDIED_EVERY).await;
        }
    }

    /// A file appears under its name once it is whole, verified and durable.
    async fn make_file(&self, file: &Path) -> Result<Copied, CliError> {
        // A session may have made it meanwhile.
        refuse_taken(file)?;
        let (report, sealed) = self.source().await?;
        let unwritten = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => taken(file),
            _ => CliError::new(Exit::Environment, format!("{} could not be written: {error}", shown_path(file)))
                .code(Code::Output),
        };
        let growing = Unfinished::beside(file).map_err(unwritten)?;
        let _beside = FilesBeside(self.unfinished.get_or_init(|| growing.path.clone()));
        let store = open::store(&growing.path, Arc::new(SystemClock::start())).await?;
        let mut snapshot = self.snapshot().await?;
        let head = self.pour(&mut *snapshot, store, &report).await;
        snapshot.end().await;
        let head = head?;
        let leftovers = Leftovers::of(&growing.path);
        self.compare(&growing.path.clone().into(), head, &report).await?;
        if let Some(leftovers) = leftovers {
            leftovers.remove().await;
        }
        if sealed {
            open::leave_log(&growing.path).await?;
            growing.seal().map_err(unwritten)?;
        }
        if open::log_in_use(&growing.path).is_some() {
            return Err(CliError::new(Exit::Environment, "another program has the unfinished copy open")
                .code(Code::JournalUnusable));
        }
        growing.keep(file).map_err(unwritten)?;
        Ok(Copied { head, continued_from: None, sealed, previous: report.previous })
    }

    async fn fill_database(&self, hold: &Hold) -> Result<Copied, CliError> {
        let clock = Arc::new(SystemClock::start());
        let told = Told { on_absence: Box::new(|_| ()), on_unrecorded: Arc::new(|_| ()) };
        let opened = open::held_store(&self.to, hold, clock, told).await;
        let mut store = opened.map_err(|error| self.of_target(error))?;
        let left = store.head().await?.mark();
        let refused = || {
            let message = format!("{} holds another journal, and was not changed", self.to);
            CliError::new(Exit::Refused, message)
                .code(Code::JournalNotEmpty)
                .hint("name an empty database, in which `keybatch journal migrate` has made the schema")
        };
        let (report, sealed) = self.source().await?;
        let mut snapshot = self.snapshot().await?;
        let head = match begins_with(&mut *snapshot, left).await {
            Ok(true) => {
                self.done.store(left.size, Ordering::Relaxed);
                self.pour(&mut *snapshot, store, &report).await
            }
            Ok(false) => store.close().await.map_err(CliError::from).and_then(|()| Err(refused())),
            Err(error) => Err(error.into()),
        };
        snapshot.end().await;
        let head = head?;
        self.compare(&self.to, head, &report).await?;
        let continued_from = Some(left.size).filter(|size| *size > 0);
        Ok(Copied { head, continued_from, sealed, previous: report.previous })
    }

    /// What `verify` says of FROM, unless it is not sound; and whether it is sealed.
    async fn source(&self) -> Result<(Report, bool), CliError> {
        self.context.ui.talk(format!("verifying {}", self.from));
        let report = self.verified(&self.from).await?;
        if !report.verdict.is_sound() {
            let verdict = report.verdict.as_str().replace('_', " ");
            let message = format!("{} is not copied: {verdict}: {}", self.from, report.detail);
            let from = self.from.to_string();
            return Err(CliError::new(Exit::NotVerified, message)
                .code(Code::JournalUnverified)
                .hint(Hint::command("see all that is wrong with: ", ["verify", "--journal", &from])));
        }
        let reader = open::reader(&self.from).await?;
        let sealed = is_sealed(&reader).await;
        reader.release().await;
        Ok((report, sealed?))
    }

    async fn verified(&self, at: &Location) -> Result<Report, CliError> {
        let scratch = Some((scratch::directory(self.context)?, format!("keybatch-{}", uuid::Uuid::new_v4())));
        Ok(verify(at, Options { scratch, ..Options::default() }).await?)
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, CliError> {
        let mut snapshot = open::snapshot(&self.from).await?;
        snapshot.begin().await?;
        Ok(snapshot)
    }

    /// Copies, and closes the store.
    async fn pour(&self, from: &mut dyn Snapshot, mut to: Store, report: &Report) -> Result<TreeHead, CliError> {
        let ui = &self.context.ui;
        ui.talk(format!("copying {} to {}", counted(report.entries, "entry", "entries"), self.to));
        let told = |size| self.done.store(size, Ordering::Relaxed);
        let copied = tokio::select! {
            copied = copy(from, &mut to, told) => copied,
            never = progress::entries(ui, &self.done, report.entries) => match never {},
        };
        let closed = to.close().await;
        let head = copied?;
        closed?;
        Ok(head)
    }

    /// Whether the copy is what FROM is.
    async fn compare(&self, at: &Location, head: TreeHead, from: &Report) -> Result<(), CliError> {
        self.context.ui.talk(format!("verifying {}", self.to));
        let to = self.verified(at).await?;
        let same = (from.entries, &from.root, &from.journal_id);
        if to.verdict.is_sound()
            && same == (to.entries, &to.root, &to.journal_id)
            && (head.size, base64(&head.root)) == (to.entries, to.root)
        {
            return Ok(());
        }
        let message = format!("the copy in {} is not what was copied: {}", self.to, to.detail);
        Err(CliError::new(Exit::NotVerified, message)
            .code(Code::JournalUnverified)
            .hint("do not use it; FROM is as it was"))
    }

    /// An error about TO.
    fn of_target(&self, error: JournalError) -> CliError {
        let lacks = matches!(
            error,
            JournalError::Server { trouble: ServerTrouble::NoSchema | ServerTrouble::OlderSchema { .. }, .. }
        );
        let to = self.to.to_string();
        let it = CliError::from(error);
        if lacks { it.hint(Hint::command("here: ", ["journal", "migrate", "--journal", &to])) } else { it }
    }

    fn stopped(&self) -> CliError {
        let (done, to) = (self.done.load(Ordering::Relaxed), &self.to);
        let error =
            CliError::new(Exit::Stopped, "stopped by a signal before the copy was complete").sent(Sent::Nothing);
        match self.to.file() {
            Some(_) => error.hint("no file was left; FROM is as it was"),
            None => error.hint(format!(
                "{} are in {to}; the same command goes on from there",
                counted(done, "entry", "entries")
            )),
        }
    }

    fn say(&self, copied: &Copied) -> Result<Exit, CliError> {
        let Self { context, from, to, .. } = self;
        let Copied { head, continued_from, sealed, previous } = copied;
        if let Some(previous) = previous {
            let archive = open::archive_path(to.beside(), &previous.id);
            context.ui.say(&format!(
                "note: the journal continues an archive, which sessions with the copy look for as {}",
                shown_path(&archive)
            ));
        }
        let root = base64(&head.root);
        if context.ui.format != Format::Table {
            let (from, to) = (from.to_string(), to.to_string());
            let value = json!({
                "schema": "keybatch.copied/1", "from": from, "to": to, "entries": head.size, "root": root,
                "continued_from": continued_from, "sealed": sealed,
            });
            context.ui.data(&format!("{}\n", json_text(&value)))?;
            return Ok(Exit::Success);
        }
        let (from, to) = (shown(&from.to_string()), shown(&to.to_string()));
        let there = continued_from.map(|size| format!(", {size} of them there before")).unwrap_or_default();
        let next = if *sealed {
            "it is sealed, as FROM is: both can only be read".to_owned()
        } else {
            format!(
                "continue with --journal {to}; keep {from} as it is, or put it away: once one of the two has gone on, this machine \
                 refuses the other"
            )
        };
        let entries = counted(head.size, "entry", "entries");
        context
            .ui
            .data(&format!("copied  {entries}{there}\nfrom    {from}\nto      {to}\nroot    {root}\n{next}\n"))?;
        Ok(Exit::Success)
    }
}

/// Removes what is beside an unfinished file. Of a finished one nothing has this name any more.
struct FilesBeside<'a>(&'a Path);

impl Drop for FilesBeside<'_> {
    fn drop(&mut self) {
        for suffix in BESIDE {
            let _mostly_none = std::fs::remove_file(with_more(self.0, suffix));
        }
    }
}

/// Refuses a place that has a file, or what SQLite left of one: it would take that for the copy's own.
fn refuse_taken(file: &Path) -> Result<(), CliError> {
    let all = std::iter::once("").chain(BESIDE).map(|suffix| with_more(file, suffix));
    let found = all.into_iter().find(|path| path.symlink_metadata().is_ok());
    found.map_or(Ok(()), |path| Err(taken(&path)))
}

fn taken(file: &Path) -> CliError {
    CliError::new(Exit::Refused, format!("{} exists, and was not changed", shown_path(file)))
        .code(Code::JournalNotEmpty)
        .hint("name a file that does not exist yet")
}

fn shown_path(path: &Path) -> String {
    shown(&path.to_string_lossy())
}
