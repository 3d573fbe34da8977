//! Runs of the real binary under strace: what they did to their files, and what they were asked to survive.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use keybatch::record::merkle::{Frontier, Hash, leaf_hash};

use super::check::bodies;
use super::disk::{Disk, Lie, Way};
use super::lines;
use super::ops::{Files, Op, Reader, What};
use crate::support::{Act, Bench, Effect};

/// Where the journal is below the traced directory: the program makes the directories.
pub(crate) const HOME: &str = "data/keybatch";
pub(crate) const JOURNAL: &str = "data/keybatch/journal.db";
/// Where checkpoints are appended, in a directory that was there before.
pub(crate) const CHECKPOINTS: &str = "kept/checkpoints.txt";
pub(crate) const KEPT: &str = "kept";

/// Everything that changes files, names or directories, and what tells others something.
const TRACED: &str = "trace=openat,open,creat,write,writev,pwrite64,pwritev,pwritev2,ftruncate,truncate,fallocate,\
                      copy_file_range,sendfile,splice,fsync,fdatasync,sync_file_range,sync,syncfs,unlink,unlinkat,\
                      rename,renameat,renameat2,link,linkat,symlink,symlinkat,mkdir,mkdirat,rmdir,mmap,sendto,sendmsg,\
                      sendmmsg,recvfrom,recvmsg,io_uring_setup";

const LIMIT: Duration = Duration::from_secs(120);

/// How a run is led.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) rows: usize,
    /// Whether it is killed once so many requests have arrived, and resumed.
    pub(crate) killed_at: Option<usize>,
}

/// A recorded run.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) kind: Kind,
    pub(crate) bench: Bench,
    pub(crate) manifest: PathBuf,
    pub(crate) names: Vec<String>,
    pub(crate) files: Files,
    pub(crate) ops: Vec<Op>,
    /// The entries of the final journal.
    pub(crate) bodies: Vec<String>,
    /// The root of the first so many of them.
    pub(crate) roots: Vec<Hash>,
    /// The entries `attempt_started` of each name.
    pub(crate) attempts: BTreeMap<String, Vec<u64>>,
    /// All entries of each name.
    pub(crate) rows: BTreeMap<String, Vec<u64>>,
    /// What each request for a name did, in order; those beyond delete.
    pub(crate) effects: BTreeMap<String, Vec<Effect>>,
}

/// Records a run of `binary`.
pub(crate) fn record(binary: &Path, kind: Kind, random: &mut fastrand::Rng) -> Recorded {
    for _ in 0..8 {
        if let Some(recorded) = try_record(binary, kind, random) {
            return recorded;
        }
    }
    panic!("each time, the kill came in the middle of a write whose effect cannot be told");
}

fn try_record(binary: &Path, kind: Kind, random: &mut fastrand::Rng) -> Option<Recorded> {
    let bench = Bench::new();
    let names = bench.world.keys("key", kind.rows);
    let effects = script(&bench, &names, random);
    let manifest = bench.manifest(&names);
    let root = bench.home().join("disk");
    std::fs::create_dir_all(root.join(KEPT)).expect("a directory to trace");
    let mut reader = Reader::new(&root);
    let journal = root.join(JOURNAL).display().to_string();
    let checkpoints = root.join(CHECKPOINTS).display().to_string();
    let own = ["--journal", &journal, "--checkpoint-to", &checkpoints];
    let mut args = Bench::run_args(&manifest, &["--attempt-timeout", "2s", "--yes"]);
    args.extend(own.map(str::to_owned));
    let text = traced(&bench, binary, &args, kind.killed_at);
    let lines = lines::read(&text);
    if lines.killed {
        if lines.open.iter().any(|call| reader.concerns(call)) {
            return None;
        }
        reader.read(lines.calls);
        let resume = ["resume", "--output", "json"].into_iter().chain(own).map(str::to_owned).collect::<Vec<_>>();
        let lines = lines::read(&traced(&bench, binary, &resume, None));
        assert!(!lines.killed, "the second session ends by itself");
        reader.read(lines.calls);
    } else {
        reader.read(lines.calls);
    }
    let (files, ops) = (reader.files, reader.ops);
    agree(&files, &ops, &root);
    let bodies = bodies(&root.join(JOURNAL)).expect("the final journal can be read");
    let (rows, attempts) = rows(&bodies);
    let roots = roots(&bodies);
    let recorded = Recorded { kind, bench, manifest, names, files, ops, bodies, roots, attempts, rows, effects };
    let sent: usize = recorded.count(|what| matches!(what, What::Sent(_)));
    assert!(sent >= recorded.names.len(), "only {sent} requests were seen to leave");
    assert_eq!(sent, recorded.bench.world.arrived("DeleteKeyPair").len(), "what left has arrived");
    Some(recorded)
}

impl Recorded {
    pub(crate) fn count(&self, which: impl Fn(&What) -> bool) -> usize {
        self.ops.iter().filter(|op| which(&op.what)).count()
    }

    /// How often the write-ahead log was begun anew.
    pub(crate) fn log_restarts(&self) -> usize {
        let begun = |what: &What| match what {
            What::Write { file, offset: 0, .. } => self.files[*file].ends_with("-wal"),
            _ => false,
        };
        self.count(begun)
    }

    /// How many pages were moved from the log into the database.
    pub(crate) fn pages_moved(&self) -> usize {
        let moved = |what: &What| matches!(what, What::Write { file, .. } if self.files[*file] == JOURNAL);
        self.count(moved)
    }
}

/// The model has seen everything: at the end, what it holds is what is there.
fn agree(files: &Files, ops: &[Op], root: &Path) {
    let mut disk = Disk::new(files, HOME, &[KEPT], Lie::None);
    ops.iter().for_each(|op| disk.apply(op));
    let image = disk.image(Way::Everything, &mut fastrand::Rng::with_seed(0));
    for (path, bytes) in &image {
        let real = std::fs::read(root.join(path)).unwrap_or_else(|error| panic!("{path} is not there: {error}"));
        assert!(real == *bytes, "the model and the disk differ in {path}: {} and {}", bytes.len(), real.len());
    }
    assert!(image.contains_key(JOURNAL) && image.contains_key(CHECKPOINTS), "{:?}", image.keys());
}

/// About half of the rows have a fault: refused at first, or answered by silence with or without an effect.
fn script(bench: &Bench, names: &[String], random: &mut fastrand::Rng) -> BTreeMap<String, Vec<Effect>> {
    bench.world.always("DeleteKeyPair", "*", Act::ok().after(Duration::from_millis(5)));
    let mut effects = BTreeMap::new();
    for name in names {
        let effect = *random.choice(&[Effect::Nothing, Effect::Delete, Effect::DeleteAndRecreate]).expect("there are");
        let acts = match random.u32(..12) {
            0 | 1 => vec![Act::throttle()],
            2 => vec![Act::throttle(), Act::cut().with(effect)],
            3 | 4 => vec![Act::cut().with(effect)],
            5 => vec![Act::server_error().with(effect)],
            _ => continue,
        };
        effects.insert(name.clone(), acts.iter().map(|act| act.effect).collect());
        bench.world.script("DeleteKeyPair", name, acts);
    }
    effects
}

/// Runs the program under strace, and returns the trace.
fn traced(bench: &Bench, binary: &Path, args: &[String], killed_at: Option<usize>) -> String {
    let inner = bench.command(args);
    let trace = bench.home().join("trace");
    let mut command = Command::new("strace");
    // -D: the child is the program itself, so that killing it kills the program.
    command.args(["-D", "-f", "-y", "-xx", "-s", "4194304", "-e", "signal=KILL", "-e", TRACED, "-o"]).arg(&trace);
    command.arg(binary).args(args).env_clear().current_dir(bench.home().join("work"));
    command.envs(inner.get_envs().filter_map(|(key, value)| Some((key, value?))));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("strace starts");
    let main = child.id();
    let start = Instant::now();
    if let Some(requests) = killed_at {
        while bench.world.arrived("DeleteKeyPair").len() < requests && child.try_wait().expect("a child").is_none() {
            assert!(start.elapsed() < LIMIT, "too few requests arrive");
            std::thread::sleep(Duration::from_millis(1));
        }
        let _gone = child.kill();
    }
    let output = child.wait_with_output().expect("the program ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // The tracer outlives the program by a moment.
    loop {
        let text = std::fs::read_to_string(&trace).unwrap_or_default();
        let last = |line: &str| {
            line.split_once(' ')
                .is_some_and(|(id, rest)| id == main.to_string() && rest.trim_start().starts_with("+++"))
        };
        if text.lines().rev().take(64).any(last) {
            return text;
        }
        assert!(start.elapsed() < LIMIT, "the trace has no end\n{said}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn roots(bodies: &[String]) -> Vec<Hash> {
    let mut tree = Frontier::default();
    let mut roots = vec![tree.root()];
    for body in bodies {
        tree.push(leaf_hash(body.as_bytes()));
        roots.push(tree.root());
    }
    roots
}

/// The numbers of entries by name.
type ByName = BTreeMap<String, Vec<u64>>;

/// Where in the journal the entries of each name are, and those that begin an attempt.
fn rows(bodies: &[String]) -> (ByName, ByName) {
    let (mut names, mut all, mut attempts) = (BTreeMap::new(), ByName::new(), ByName::new());
    for (seq, body) in (0..).zip(bodies) {
        let entry: serde_json::Value = serde_json::from_str(body).expect("an entry is JSON");
        let Some(row) = entry["row"].as_u64() else { continue };
        if entry["kind"] == "intent_recorded" {
            names.insert(row, entry["line"]["name"].as_str().expect("a name").to_owned());
        }
        let name: &String = &names[&row];
        all.entry(name.clone()).or_default().push(seq);
        if entry["kind"] == "attempt_started" {
            attempts.entry(name.clone()).or_default().push(seq);
        }
    }
    (all, attempts)
}
