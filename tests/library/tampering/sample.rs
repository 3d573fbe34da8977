//! A closed journal as the bytes of its one file, and copies of it that are tampered with.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use keybatch::record::checkpoint::{Checkpoint, base64};
use keybatch::record::merkle::{Frontier, Hash, leaf_hash};
use keybatch::verify::{Options, Report, verify};
use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};

use crate::story::{Place, story};

/// Whether nothing is to be left out.
pub(crate) fn whole() -> bool {
    std::env::var("KEYBATCH_TAMPER").is_ok_and(|size| size == "all")
}

/// Does something with the only runtime of a test.
pub(crate) fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// The journal before anything happens to it.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) file: Vec<u8>,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) bodies: Vec<String>,
}

/// The same in all tests: it is made once in each process.
pub(crate) fn sample() -> &'static Sample {
    static SAMPLE: OnceLock<Sample> = OnceLock::new();
    SAMPLE.get_or_init(|| {
        std::thread::spawn(|| {
            run(async {
                let place = Place::new();
                let journal = place.journal().await;
                for draft in story() {
                    journal.append(vec![draft]).await.unwrap();
                }
                // Two checkpoints among the entries, at the end.
                journal.checkpoint().await.unwrap();
                journal.checkpoint().await.unwrap();
                let checkpoint = journal.close().await.unwrap();
                let bodies = bodies(&place.path()).await;
                assert!(bodies.len() > 60, "a journal with something in it");
                let made = bodies.iter().filter(|body| body.contains("checkpoint_made")).count();
                assert!(made > 0, "with checkpoints among its entries");
                Sample { file: std::fs::read(place.path()).unwrap(), checkpoint, bodies }
            })
        })
        .join()
        .unwrap()
    })
}

/// A copy of a journal, to be tampered with.
#[derive(Debug)]
pub(crate) struct Copy {
    directory: tempfile::TempDir,
}

impl Copy {
    /// Of the sample.
    pub(crate) fn new() -> Self {
        Self::of(&sample().file)
    }

    /// Of these bytes.
    pub(crate) fn of(file: &[u8]) -> Self {
        let copy = Self { directory: tempfile::tempdir().unwrap() };
        copy.put(file);
        copy
    }

    /// Puts another file in its place.
    pub(crate) fn put(&self, file: &[u8]) {
        for suffix in ["-wal", "-shm"] {
            let _absent = std::fs::remove_file(format!("{}{suffix}", self.path().display()));
        }
        std::fs::write(self.path(), file).unwrap();
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("journal.db")
    }

    /// Everything that `verify` does, without a checkpoint.
    pub(crate) async fn verify(&self) -> Report {
        self.verified(None, true).await
    }

    /// The same with the checkpoint of the untouched sample.
    pub(crate) async fn verify_outside(&self) -> Report {
        self.verified(Some(sample().checkpoint.clone()), true).await
    }

    pub(crate) async fn verified(&self, checkpoint: Option<Checkpoint>, projections: bool) -> Report {
        let scratch = projections.then(|| (self.directory.path().to_owned(), "verify".to_owned()));
        let report =
            verify(&self.path(), Options { checkpoint, require_checkpoint: false, scratch, ..Options::default() })
                .await
                .unwrap();
        assert_eq!(report.accepted, report.verdict.is_sound(), "{report:?}");
        report
    }

    /// Changes the database behind keybatch's back: triggers out of the way, then back in their place.
    pub(crate) async fn tamper(&self, statements: &str) {
        let mut connection = raw(&self.path()).await;
        let triggers = sqlx::query("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'");
        let triggers: Vec<(String, String)> =
            triggers.fetch_all(&mut connection).await.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect();
        for (name, _) in &triggers {
            execute(&mut connection, &format!("DROP TRIGGER {name}")).await;
        }
        execute(&mut connection, &format!("PRAGMA ignore_check_constraints = ON; {statements}")).await;
        for (_, sql) in &triggers {
            execute(&mut connection, sql).await;
        }
        connection.close().await.unwrap();
    }

    /// Changes the schema or a setting, and restores nothing.
    pub(crate) async fn raw(&self, statements: &str) {
        let mut connection = raw(&self.path()).await;
        execute(&mut connection, statements).await;
        connection.close().await.unwrap();
    }

    /// Writes these bodies instead, leaves and head to match: what somebody does who knows the format. The projections
    /// stay as they were.
    pub(crate) async fn rewrite(&self, bodies: &[String]) {
        let mut tree = Frontier::default();
        let mut statements = "DELETE FROM entry;".to_owned();
        for (seq, body) in bodies.iter().enumerate() {
            let leaf = leaf_hash(body.as_bytes());
            tree.push(leaf);
            let body = body.replace('\'', "''");
            statements += &format!("INSERT INTO entry VALUES ({seq}, '{body}', x'{}');", hex(&leaf));
        }
        statements += &head(&tree);
        self.tamper(&statements).await;
    }
}

/// The statement that makes the head that of `tree`.
pub(crate) fn head(tree: &Frontier) -> String {
    let (size, root, frontier) = (tree.size(), hex(&tree.root()), hex(&tree.to_bytes()));
    format!("UPDATE head SET size = {size}, root = x'{root}', frontier = x'{frontier}';")
}

/// The tree over bodies.
pub(crate) fn tree<'a>(bodies: impl IntoIterator<Item = &'a [u8]>) -> (Frontier, Vec<Hash>) {
    let leaves: Vec<Hash> = bodies.into_iter().map(leaf_hash).collect();
    let mut tree = Frontier::default();
    leaves.iter().for_each(|leaf| tree.push(*leaf));
    (tree, leaves)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) async fn raw(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).foreign_keys(false).pragma("synchronous", "OFF").connect().await.unwrap()
}

pub(crate) async fn execute(connection: &mut SqliteConnection, sql: &str) {
    let done = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(connection).await;
    done.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// One column of a query, as text.
pub(crate) async fn column(path: &Path, sql: &str) -> Vec<String> {
    let mut connection = raw(path).await;
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

pub(crate) async fn bodies(path: &Path) -> Vec<String> {
    column(path, "SELECT body FROM entry ORDER BY seq").await
}

/// The same entries with the numbers of their places.
pub(crate) fn renumbered(bodies: &[String]) -> Vec<String> {
    let number = |(seq, body): (usize, &String)| {
        let mut value: Value = serde_json::from_str(body).unwrap();
        value["seq"] = seq.into();
        serde_json_canonicalizer::to_string(&value).unwrap()
    };
    bodies.iter().enumerate().map(number).collect()
}

/// Entries with the numbers of their places, whatever refers to them, and every root but those of plans made anew. None is older than the
/// one before it.
pub(crate) fn resealed(bodies: &[Value]) -> Vec<String> {
    let old: Vec<Option<u64>> = bodies.iter().map(|body| body["seq"].as_u64()).collect();
    let new = |number: u64| old.iter().position(|old| *old == Some(number)).map(|place| place as u64);
    let mut tree = Frontier::default();
    let mut sealed = Vec::new();
    let (mut made, mut last_at) = (HashMap::new(), String::new());
    for (seq, body) in bodies.iter().enumerate() {
        let mut body = body.clone();
        match body["at"].as_str() {
            Some(at) if at >= &*last_at => at.clone_into(&mut last_at),
            _ => body["at"] = last_at.clone().into(),
        }
        for field in ["session", "run", "page", "of"] {
            if let Some(number) = body[field].as_u64() {
                body[field] = new(number).into();
            }
        }
        if let Some(rests_on) = body["rests_on"].as_array() {
            body["rests_on"] = rests_on.iter().filter_map(|number| new(number.as_u64()?)).collect();
        }
        body["seq"] = seq.into();
        let root = base64(&tree.root());
        if body["kind"] == "checkpoint_made" {
            made.insert(body["root"].take(), (seq, root.clone()));
            (body["size"], body["root"]) = (seq.into(), root.into());
        } else if let Some((size, root)) = made.get(&body["root"]).filter(|_| body["kind"] == "checkpoint_anchored") {
            (body["size"], body["root"]) = ((*size).into(), root.clone().into());
        } else if body.get("continues_from").is_some() {
            body["continues_from"] = root.into();
        }
        body.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let text = serde_json_canonicalizer::to_string(&body).unwrap();
        tree.push(leaf_hash(text.as_bytes()));
        sealed.push(text);
    }
    sealed
}

/// The fields of the nth entry of this kind and row in the sample.
pub(crate) fn borrowed(kind: &str, row: u64, nth: usize) -> Value {
    let is_meant = |body: &Value| body["kind"] == kind && body["row"] == row;
    let mut found = sample().bodies.iter().map(|body| serde_json::from_str(body).unwrap()).filter(is_meant);
    found.nth(nth).unwrap_or_else(|| panic!("{kind} of row {row}"))
}
