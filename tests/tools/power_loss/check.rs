//! Whether an image is a journal that lost nothing: opened by SQLite itself, verified by the library.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use keybatch::domain::SystemClock;
use keybatch::journal::EntryStore as _;
use keybatch::journal::open;
use keybatch::record::checkpoint::Checkpoint;
use keybatch::verify::{Options, Verdict, verify};
use sha2::{Digest as _, Sha256};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};

use super::disk::Image;
use super::record::{CHECKPOINTS, JOURNAL, Recorded};

/// What an image must hold at the least.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Demand {
    /// Entries.
    pub(crate) entries: u64,
    /// Bytes of the file of checkpoints.
    pub(crate) checkpoint_bytes: usize,
}

/// What is wrong with an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Something that was acknowledged, by a request that left or in words, is not there.
    Lost(String),
    /// A checkpoint that was handed on is not there, or is not proved by what is there.
    Unproved(String),
    /// It cannot be opened, or does not verify, or has another history than the run had.
    Broken(String),
}

/// What a content of the database was found to be. Images whose recovery yields the same database are the same journal.
type Judged = Result<u64, String>;

/// Opens images in a directory of its own; what it learns of contents is shared.
pub(crate) struct Checker<'a> {
    recorded: &'a Recorded,
    known: &'a Mutex<HashMap<[u8; 32], Judged>>,
    directory: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
}

/// A directory in memory, where there is one.
pub(crate) fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    tempfile::Builder::new().prefix("keybatch-power-").tempdir_in(parent).expect("a temporary directory")
}

impl<'a> Checker<'a> {
    pub(crate) fn new(recorded: &'a Recorded, known: &'a Mutex<HashMap<[u8; 32], Judged>>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { recorded, known, directory: scratch(), runtime }
    }

    /// How many entries the image holds.
    pub(crate) fn check(&self, image: &Image, demand: Demand) -> Result<u64, Fault> {
        let entries = self.entries(image)?;
        if entries < demand.entries {
            return Err(Fault::Lost(format!("{} entries were acknowledged, {entries} are there", demand.entries)));
        }
        let held = image.get(CHECKPOINTS).map_or(&[][..], Vec::as_slice);
        if held.len() < demand.checkpoint_bytes {
            let (here, due) = (held.len(), demand.checkpoint_bytes);
            return Err(Fault::Unproved(format!("{due} bytes of checkpoints were synchronised, {here} are there")));
        }
        for (size, root) in whole_checkpoints(held) {
            if size > entries {
                return Err(Fault::Unproved(format!("a checkpoint of {size} entries is there, and {entries} entries")));
            }
            let expected = usize::try_from(size).ok().and_then(|size| self.recorded.roots.get(size));
            if expected != Some(&root) {
                return Err(Fault::Unproved(format!("the checkpoint of {size} entries names another root")));
            }
        }
        Ok(entries)
    }

    fn entries(&self, image: &Image) -> Result<u64, Fault> {
        if image.get(JOURNAL).is_none_or(Vec::is_empty) {
            return Ok(0);
        }
        let path = self.put(image);
        let recovered = self.runtime.block_on(recover(&path));
        recovered.map_err(|error| Fault::Broken(format!("SQLite cannot open it: {error}")))?;
        let content = std::fs::read(&path).expect("a recovered database");
        let key: [u8; 32] = Sha256::digest(&content).into();
        let known = self.known.lock().expect("no panic").get(&key).cloned();
        // With a rollback journal beside it, readers of the same database have different things to do.
        let known = known.filter(|_| !image.contains_key(&format!("{JOURNAL}-journal")));
        let judged = known.unwrap_or_else(|| {
            let judged = self.runtime.block_on(self.judge(image, &path));
            self.known.lock().expect("no panic").insert(key, judged.clone());
            judged
        });
        judged.map_err(Fault::Broken)
    }

    /// Everything there is to check in a journal that was not seen before; `path` is the recovered copy.
    async fn judge(&self, image: &Image, path: &Path) -> Judged {
        let bodies = bodies_of(path).await.map_err(|error| format!("its entries cannot be read: {error}"))?;
        if bodies.len() > self.recorded.bodies.len() || bodies[..] != self.recorded.bodies[..bodies.len()] {
            return Err(format!("its {} entries are no beginning of what was written", bodies.len()));
        }
        let entries = bodies.len() as u64;
        // The image once more, as the power loss left it.
        let path = self.put(image);
        self.verified(&path, entries).await?;
        let store = open::store(&path, Arc::new(SystemClock::start())).await;
        let mut store = store.map_err(|error| format!("no session can open it: {error}"))?;
        let head = store.head().await.map_err(|error| format!("its head cannot be read: {error}"))?;
        store.close().await.map_err(|error| format!("it cannot be closed: {error}"))?;
        let size = head.mark().size;
        if size != entries {
            return Err(format!("its head is of {size} entries, {entries} are there"));
        }
        Ok(entries)
    }

    /// Verifies it with a checkpoint of all its entries from outside.
    async fn verified(&self, path: &Path, entries: u64) -> Result<(), String> {
        let scratch = Some((self.directory.path().to_owned(), format!("replay-{}", fastrand::u64(..))));
        let id = self.recorded.bodies.first().and_then(|body| {
            let entry: serde_json::Value = serde_json::from_str(body).ok()?;
            entry["journal_id"].as_str().map(str::to_owned)
        });
        let root = usize::try_from(entries).ok().and_then(|size| self.recorded.roots.get(size));
        let checkpoint = id.zip(root).filter(|_| entries > 0);
        let checkpoint = checkpoint.map(|(journal_id, root)| Checkpoint { journal_id, size: entries, root: *root });
        let options = Options { checkpoint, require_checkpoint: entries > 0, scratch, ..Options::default() };
        let report = verify(path, options).await.map_err(|error| format!("verify: {error}"))?;
        let unborn = entries == 0 && matches!(report.verdict, Verdict::CannotVerify | Verdict::SelfConsistent);
        if unborn || report.verdict == Verdict::Verified {
            return Ok(());
        }
        Err(format!("verify says {} of {entries} entries: {}", report.verdict.as_str(), report.detail))
    }

    /// Writes the image, and nothing else, into the directory; returns where the journal is.
    fn put(&self, image: &Image) -> PathBuf {
        put(image, &self.directory.path().join("image"))
    }
}

/// Writes an image into a directory of its own; returns where the journal is.
pub(crate) fn put(image: &Image, directory: &Path) -> PathBuf {
    let journal = directory.join("journal.db");
    std::fs::create_dir_all(directory).expect("a directory");
    for end in ["", "-wal", "-journal", "-shm", ".lock"] {
        let path = directory.join(format!("journal.db{end}"));
        match image.get(&format!("{JOURNAL}{end}")) {
            Some(bytes) => std::fs::write(path, bytes).expect("a file"),
            None => drop(std::fs::remove_file(path)),
        }
    }
    journal
}

/// Opens it as any reader would, and moves the log into the database.
async fn recover(path: &Path) -> Result<(), sqlx::Error> {
    let mut connection = connect(path).await?;
    sqlx::query("SELECT count(*) FROM sqlite_schema").fetch_one(&mut connection).await?;
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut connection).await?;
    connection.close().await
}

async fn connect(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    let options = SqliteConnectOptions::new().filename(path).pragma("synchronous", "OFF");
    options.disable_statement_logging().connect().await
}

async fn bodies_of(path: &Path) -> Result<Vec<String>, sqlx::Error> {
    let mut connection = connect(path).await?;
    let table = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'entry'";
    let made: i64 = sqlx::query(table).fetch_one(&mut connection).await?.try_get(0)?;
    let mut bodies = Vec::new();
    if made == 1 {
        for row in sqlx::query("SELECT body FROM entry ORDER BY seq").fetch_all(&mut connection).await? {
            bodies.push(row.try_get(0)?);
        }
    }
    connection.close().await?;
    Ok(bodies)
}

/// The entries of a journal, in order.
pub(crate) fn bodies(path: &Path) -> Result<Vec<String>, sqlx::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(bodies_of(path))
}

/// The checkpoints in a file that are whole; a power loss may have torn the last one.
pub(crate) fn whole_checkpoints(bytes: &[u8]) -> Vec<(u64, [u8; 32])> {
    let text = String::from_utf8_lossy(bytes);
    let begins = text.match_indices("keybatch/").map(|(at, _)| at);
    let parsed = begins.filter_map(|at| {
        let lines: Vec<&str> = text[at..].split_inclusive('\n').take(3).collect();
        (lines.len() == 3 && lines.iter().all(|line| line.ends_with('\n'))).then_some(())?;
        Checkpoint::parse_last(&lines.concat()).ok()
    });
    parsed.map(|checkpoint| (checkpoint.size, checkpoint.root)).collect()
}
