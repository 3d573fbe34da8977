//! What the targets that verify journals share: a sound journal, and a place to put others.

#![allow(clippy::unwrap_used, reason = "a target that cannot be set up fails")]

#[expect(dead_code, reason = "the tests of the library begin the story in more than one way")]
#[path = "../../tests/library/story.rs"]
mod story;

use std::path::PathBuf;

use keybatch::record::checkpoint::Checkpoint;
use keybatch::verify::{Options, Report, verify};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};
use tokio::runtime::{Builder, Runtime};

/// A sound journal.
pub struct Base {
    /// Its file.
    pub file: Vec<u8>,
    /// Its bodies.
    pub bodies: Vec<String>,
    /// Its head.
    pub checkpoint: Checkpoint,
    /// Where others are put.
    pub directory: tempfile::TempDir,
    /// One for everything.
    pub runtime: Runtime,
}

impl Base {
    /// Writes it.
    pub fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let place = story::Place::new();
        let (checkpoint, bodies) = runtime.block_on(async {
            let journal = place.journal().await;
            for draft in story::story() {
                journal.append(vec![draft]).await.unwrap();
            }
            journal.checkpoint().await.unwrap();
            let checkpoint = journal.close().await.unwrap();
            let mut connection = open(&place.path()).await;
            let rows = sqlx::query("SELECT body FROM entry ORDER BY seq").fetch_all(&mut connection).await.unwrap();
            connection.close().await.unwrap();
            (checkpoint, rows.iter().map(|row| row.get(0)).collect())
        });
        let file = std::fs::read(place.path()).unwrap();
        // In memory, where there is such a place: it is written thousands of times.
        let memory = PathBuf::from("/dev/shm");
        let parent = if memory.is_dir() { memory } else { std::env::temp_dir() };
        let directory = tempfile::Builder::new().prefix("keybatch-fuzz-").tempdir_in(parent).unwrap();
        Self { file, bodies, checkpoint, directory, runtime }
    }

    /// The journal under test.
    pub fn path(&self) -> PathBuf {
        self.directory.path().join("journal.db")
    }

    /// Verifies what is there; hangs and panics are libFuzzer's to see.
    pub fn verify(&self, outside: bool, projections: bool) -> Option<Report> {
        let scratch = projections.then(|| (self.directory.path().to_owned(), "scratch".to_owned()));
        let checkpoint = outside.then(|| self.checkpoint.clone());
        let options = Options { checkpoint, require_checkpoint: false, scratch, ..Options::default() };
        let report = self.runtime.block_on(verify(&self.path(), options)).ok()?;
        assert_eq!(report.accepted, report.verdict.is_sound(), "{report:?}");
        assert_eq!(report.verdict.is_sound(), report.findings.is_empty(), "{report:?}");
        assert!(outside || report.proved_up_to.is_none(), "{report:?}");
        Some(report)
    }
}

impl Default for Base {
    fn default() -> Self {
        Self::new()
    }
}

/// A plain connection.
pub async fn open(path: &std::path::Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path).foreign_keys(false).pragma("synchronous", "OFF");
    options.connect().await.unwrap()
}
