//! Copies of a journal, and other programs that have it open.

pub(crate) mod exports;
pub(crate) mod questions;
pub(crate) mod twins;
pub(crate) mod views;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::ignore;
use crate::shell;
use crate::support::Bench;

/// A reader that stays open through the end keeps the log in use: the end says which files belong together, and together
/// they are the whole journal.
fn a_reader_that_stays_open_is_no_secret() {
    shell::needs("sqlite3");
    let mut bench = Bench::new();
    let names = bench.world.keys("key", 3);
    bench.run(&bench.manifest(&names[..1]), &[]).exits(0);
    let mut shell = Command::new("sqlite3");
    shell.args(["-batch", "-readonly"]).arg(bench.journal());
    let mut reader = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut pipe = reader.stdin.take().unwrap();
    pipe.write_all(b"BEGIN; SELECT count(*) FROM entry;\n").unwrap();
    std::io::Read::read_exact(reader.stdout.as_mut().unwrap(), &mut [0]).unwrap();
    let done = bench.run(&bench.manifest(&names), &[]).exits(0);
    assert!(done.stderr.contains("journal.db-wal") && done.stderr.contains("copy"), "{done}");
    let copy = bench.home().join("copy.db");
    for more in ["", "-wal"] {
        let name = |name: &str| bench.home().join(format!("{name}.db{more}"));
        std::fs::copy(name("journal"), name("copy")).unwrap();
    }
    bench.move_journal(copy);
    let runs = bench.keybatch(&["runs", "--output", "json"]).exits(0);
    assert_eq!(runs.json().as_array().unwrap().len(), 2, "{runs}");
    drop(pipe);
    reader.wait().unwrap();
}

/// A directory that cannot be written, also by root: a file system that is mounted to be read.
struct Medium(std::path::PathBuf);

impl Medium {
    /// Ends the test as ignored where nothing may be mounted.
    fn with(directory: &Path, files: &[(&Path, &str)]) -> Self {
        std::fs::create_dir(directory).unwrap();
        let mount = |flags: &[&str]| {
            let done = Command::new("mount").args(flags).arg(directory).stderr(Stdio::null()).status();
            done.is_ok_and(|status| status.success())
        };
        if !mount(&["-t", "tmpfs", "keybatch"]) {
            ignore("nothing may be mounted");
        }
        let medium = Self(directory.to_owned());
        for (from, to) in files {
            std::fs::copy(from, directory.join(to)).unwrap();
        }
        assert!(mount(&["-o", "remount,ro"]), "what was mounted becomes read-only");
        medium
    }
}

impl Drop for Medium {
    fn drop(&mut self) {
        let _status = Command::new("umount").arg(&self.0).status();
    }
}

/// A copy on read-only media reads and verifies, also with an empty log beside it; one whose log holds entries is refused
/// by the name of that log.
fn a_copy_on_read_only_media_is_read() {
    let mut bench = Bench::new();
    let names = bench.world.keys("key", 2);
    bench.run(&bench.manifest(&names), &[]).exits(0);
    let (journal, empty, full) = (bench.journal(), bench.file("empty", ""), bench.file("full", "not empty"));
    let files: [(&Path, &str); 5] = [
        (&journal, "alone.db"),
        (&journal, "journal.db"),
        (&empty, "journal.db-wal"),
        (&journal, "torn.db"),
        (&full, "torn.db-wal"),
    ];
    let medium = Medium::with(&bench.home().join("medium"), &files);
    for name in ["alone.db", "journal.db"] {
        bench.move_journal(medium.0.join(name));
        let runs = bench.keybatch(&["runs", "--output", "json"]).exits(0);
        assert_eq!(runs.json().as_array().unwrap().len(), 1, "{runs}");
        bench.verify().exits(0);
    }
    bench.move_journal(medium.0.join("torn.db"));
    let torn = bench.keybatch(&["runs"]).exits(9);
    assert!(torn.stderr.contains("torn.db-wal") && torn.stderr.contains("copy both"), "{torn}");
}

/// Litestream (0.5) keeps two tables in each database that it replicates: tolerated and reported, and runs go on.
fn what_litestream_keeps_is_tolerated() {
    shell::needs("sqlite3");
    let bench = Bench::new();
    let names = bench.world.keys("key", 2);
    bench.run(&bench.manifest(&names[..1]), &[]).exits(0);
    let tables = "CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER); \
                  CREATE TABLE _litestream_lock (id INTEGER); INSERT INTO _litestream_seq VALUES (1, 9);";
    assert!(shell::write(&bench.journal(), tables).0);
    let done = bench.verify().exits(0);
    assert!(done.stdout.contains("Litestream"), "{done}");
    bench.run(&bench.manifest(&names), &[]).exits(0);
    assert!(shell::write(&bench.journal(), "CREATE TABLE mine (a)").0);
    bench.verify().exits(7);
}

/// A `.dump` copy has neither application_id nor user_version (sqlite3 3.40): not what was written, and the reason is named.
fn a_dumped_copy_is_named() {
    shell::needs("sqlite3");
    let mut bench = Bench::new();
    let names = bench.world.keys("key", 1);
    bench.run(&bench.manifest(&names), &[]).exits(0);
    let copy = bench.home().join("copy.db");
    assert!(shell::write(&copy, &shell::read(&bench.journal(), ".dump")).0);
    bench.move_journal(copy);
    let done = bench.verify().exits(7);
    assert!(done.stdout.contains(".dump") && done.stdout.contains("VACUUM INTO"), "{done}");
    // No session repairs what `verify` convicts (seen: a refused one set both marks, and `verify` found nothing any more).
    let before = std::fs::read(bench.journal()).unwrap();
    for refused in [bench.keybatch(&["resume"]), bench.run(&bench.manifest(&["other"]), &[])] {
        let refused = refused.exits(9);
        assert!(refused.stderr.contains("made with .dump") && refused.stderr.contains("nothing was sent"), "{refused}");
    }
    assert!(std::fs::read(bench.journal()).unwrap() == before, "it was changed");
    bench.verify().exits(7);
}

crate::harness::tests![
    a_reader_that_stays_open_is_no_secret,
    a_copy_on_read_only_media_is_read,
    what_litestream_keeps_is_tolerated,
    a_dumped_copy_is_named
];
