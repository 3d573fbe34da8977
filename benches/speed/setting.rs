//! A directory with a manifest and a world to match.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::process::{Cost, KEYBATCH, Server, command, measure, pinned};

/// Key pairs in one region or in several, and the manifest that names them all.
pub(crate) struct Setting {
    home: tempfile::TempDir,
    pub(crate) rows: usize,
    world: Value,
}

impl Setting {
    pub(crate) fn new(regions: &[(&str, usize)], world: Value) -> Self {
        Self::named("key-", regions, world)
    }

    /// The same, with names that begin with `prefix`.
    pub(crate) fn named(prefix: &str, regions: &[(&str, usize)], world: Value) -> Self {
        let home = tempfile::Builder::new().prefix("keybatch-bench-").tempdir().expect("a temporary directory");
        let mut manifest = std::io::BufWriter::new(std::fs::File::create(home.path().join("rows.csv")).unwrap());
        writeln!(manifest, "key_pair_name,region").unwrap();
        for (region, count) in regions {
            // As wide as the sandbox makes them.
            let width = count.to_string().len().max(6);
            for number in 1..=*count {
                writeln!(manifest, "{prefix}{number:0width$},{region}").unwrap();
            }
        }
        manifest.into_inner().unwrap().sync_all().unwrap();
        let generate: Vec<_> =
            regions.iter().map(|(region, count)| json!({"region": region, "prefix": prefix, "count": count})).collect();
        let mut all = json!({"name": "bench", "generate": generate});
        all.as_object_mut().unwrap().extend(world.as_object().cloned().unwrap_or_default());
        Self { home, rows: regions.iter().map(|(_, count)| count).sum(), world: all }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn manifest(&self) -> PathBuf {
        self.path("rows.csv")
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.path("journal.db")
    }

    /// A fresh world.
    pub(crate) fn serve(&self) -> Server {
        Server::start(command(KEYBATCH, self.home()), &self.world, self.home())
    }

    /// The same on one processor alone.
    pub(crate) fn serve_on(&self, core: &str) -> Server {
        Server::start(pinned(core, KEYBATCH, self.home()), &self.world, self.home())
    }

    pub(crate) fn forget_journal(&self) {
        for suffix in ["", "-wal", "-shm", ".lock"] {
            let _ = std::fs::remove_file(self.path(&format!("journal.db{suffix}")));
        }
    }

    /// keybatch with its journal here.
    pub(crate) fn keybatch(&self, args: &[&str]) -> Command {
        let mut command = command(KEYBATCH, self.home());
        command.args(args).arg("--quiet").arg("--journal").arg(self.journal());
        command
    }

    /// `keybatch run` of the whole manifest against `server`, with a new journal.
    pub(crate) fn run(&self, server: &Server, args: &[&str]) -> Cost {
        self.forget_journal();
        let manifest = self.manifest().display().to_string();
        let all = [&["run", &manifest, "--yes", "--output", "json"], args].concat();
        measure(self.keybatch(&all).env("AWS_ENDPOINT_URL", &server.url), &self.path("run"))
    }

    /// The bare loop over the same key pairs.
    pub(crate) fn bare(&self, server: &Server, concurrency: usize) -> Cost {
        let own = std::env::current_exe().expect("the path of this program");
        let mut command = command(own, self.home());
        command.arg("--bare-loop").arg(&server.url).arg(self.manifest()).arg(concurrency.to_string());
        measure(&mut command, &self.path("bare"))
    }

    /// The summary of the last run.
    pub(crate) fn summary(&self) -> Value {
        let text = std::fs::read_to_string(self.path("run.out")).expect("its output");
        serde_json::from_str(&text).expect("a summary")
    }

    /// The first value of a query.
    pub(crate) fn query(&self, sql: &str) -> f64 {
        let output = self.keybatch(&["query", "--output", "json", sql]).output().expect("keybatch starts");
        let rows: Value = serde_json::from_slice(&output.stdout).expect("rows");
        let row = rows[0].as_object().and_then(|row| row.values().next().cloned());
        row.and_then(|value| value.as_f64()).unwrap_or_else(|| panic!("{sql}: {rows}"))
    }

    /// Seconds between two kinds of entries.
    pub(crate) fn seconds(&self, from: &str, to: &str) -> f64 {
        self.query(&format!(
            "SELECT ((SELECT max(julianday(at)) FROM entries WHERE kind = '{to}') \
             - (SELECT min(julianday(at)) FROM entries WHERE kind = '{from}')) * 86400.0 AS seconds"
        ))
    }
}

/// The middle one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
