//! The real binary under `strace`: where it touches durable state or the wire, and what happens when one of those
//! calls fails or is the last thing that it does.
//!
//! strace counts calls per system call *and per thread*, and only those that its other filters let through. So the
//! runtime gets one worker thread, every file is a filter of its own (SQLite has a thread for each connection), and
//! what is learned is learned with the very filter that is used later. A call that is its thread's k-th is reached
//! unless another thread makes its own k-th before; those that are not are counted and said.

mod pool;
mod scene;

use std::{
    collections::HashMap,
    fmt,
    path::{Path, PathBuf},
};

use crate::harness::ignore;
use crate::support::{Bench, Live, binary};

pub(crate) use self::{
    pool::in_parallel,
    scene::{Scene, asked, number},
};

/// The files that a session touches, and the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Database,
    Log,
    SharedMemory,
    RollbackJournal,
    Lock,
    Checkpoint,
    Directory,
    Wire,
    /// Calls that no file is a filter for.
    Elsewhere,
}

/// A system call on one of the places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Point {
    pub(crate) place: Place,
    pub(crate) call: &'static str,
}

/// The k-th time of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Hit {
    pub(crate) point: Point,
    pub(crate) number: u32,
}

/// What a session was seen to do.
#[derive(Debug, Default)]
pub(crate) struct Touches {
    /// Points with the number of hits that can be reached.
    pub(crate) points: Vec<(Point, u32)>,
    /// Calls that were made.
    pub(crate) calls: u32,
    /// Calls that no trial can be aimed at, since another thread is the first to make its k-th.
    pub(crate) hidden: u32,
}

impl Touches {
    pub(crate) fn reachable(&self) -> u32 {
        self.points.iter().map(|(_, hits)| hits).sum()
    }

    /// Of each point `most` hits at most, evenly spread, the first and the last among them.
    pub(crate) fn spread(&self, most: u32) -> Vec<Hit> {
        let of_point = |(point, hits): &(Point, u32)| {
            let count = most.min(*hits);
            let (point, hits) = (*point, *hits);
            (0..count).map(move |index| {
                let number = if count < 2 { 1 } else { 1 + index * (hits - 1) / (count - 1) };
                Hit { point, number }
            })
        };
        self.points.iter().flat_map(of_point).collect()
    }

    /// Every hit that can be reached.
    pub(crate) fn all(&self) -> Vec<Hit> {
        self.spread(u32::MAX)
    }
}

impl Place {
    /// The path that the filter is for; nothing where the call alone tells.
    fn path(self, bench: &Bench) -> Option<PathBuf> {
        let beside = |suffix: &str| PathBuf::from(format!("{}{suffix}", bench.journal().display()));
        match self {
            Self::Database => Some(bench.journal()),
            Self::Log => Some(beside("-wal")),
            Self::SharedMemory => Some(beside("-shm")),
            Self::RollbackJournal => Some(beside("-journal")),
            Self::Lock => Some(beside(".lock")),
            Self::Checkpoint => Some(checkpoint_file(bench)),
            Self::Directory => bench.journal().parent().map(Path::to_owned),
            Self::Wire | Self::Elsewhere => None,
        }
    }
}

/// Where `--checkpoint-to` of these campaigns goes.
pub(crate) fn checkpoint_file(bench: &Bench) -> PathBuf {
    bench.home().join("work").join("checkpoints.txt")
}

/// Ends the test as ignored where strace is missing or may not trace.
pub(crate) fn needed() {
    let tried = std::process::Command::new("strace").args(["-D", "-f", "-qq", "-o", "/dev/null", "true"]).output();
    match tried {
        Ok(output) if output.status.success() => {}
        Ok(output) => ignore(format!("strace may not trace: {}", String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) => ignore(format!("strace: {error}")),
    }
}

/// Writes to the real stderr, past the test harness.
pub(crate) fn say(text: &str) {
    use std::io::Write as _;
    let _written = writeln!(std::io::stderr(), "{text}");
}

/// Runs `args` (with the journal added) under strace with these flags, which say what is injected.
pub(crate) fn spawn(bench: &Bench, flags: &[String], args: &[String]) -> Live {
    let mut all: Vec<String> = vec!["-f".into(), "-qq".into()];
    all.extend(flags.iter().cloned());
    all.push("--".into());
    all.push(binary().into());
    all.extend(args.iter().cloned());
    all.extend(["--journal".into(), bench.journal().display().to_string()]);
    Live::of(bench.command_of("strace", &all).spawn().expect("strace starts"))
}

/// The flags that limit strace to one place and these calls.
fn filter(bench: &Bench, place: Place, calls: &str, output: &Path) -> Vec<String> {
    let mut flags = vec!["-o".to_owned(), output.display().to_string(), "-e".to_owned(), format!("trace={calls}")];
    if let Some(path) = place.path(bench) {
        flags.extend(["-P".to_owned(), path.display().to_string()]);
    }
    flags
}

/// The flags that do `what` (an injection of strace's, `signal=KILL` for example) at a hit; with `for_good` at all
/// later ones as well.
pub(crate) fn injection(bench: &Bench, hit: Hit, what: &str, for_good: bool) -> Vec<String> {
    let Hit { point: Point { place, call }, number } = hit;
    let mut flags = filter(bench, place, call, &bench.home().join("tmp").join("trace"));
    let more = if for_good { "+" } else { "" };
    flags.extend(["-e".to_owned(), format!("inject={call}:{what}:when={number}{more}")]);
    flags
}

/// Whether the injection was made in the last traced session of that bench.
pub(crate) fn injected(bench: &Bench) -> bool {
    let text = std::fs::read_to_string(bench.home().join("tmp").join("trace")).unwrap_or_default();
    text.contains("(INJECTED)")
}

/// Runs a session for each of the places, each on a bench of its own, and counts what it does there.
pub(crate) fn learn(
    places: &[(Place, &'static [&'static str])],
    prepare: impl Fn() -> Scene,
    args: impl Fn(&Scene) -> Vec<String>,
) -> Touches {
    let mut touches = Touches::default();
    for (place, calls) in places {
        let scene = prepare();
        let bench = &scene.bench;
        let output = bench.home().join("tmp").join("trace");
        spawn(bench, &filter(bench, *place, &calls.join(","), &output), &args(&scene)).wait();
        let text = std::fs::read_to_string(&output).expect("strace wrote");
        for call in *calls {
            let (reached, made) = count(&text, call);
            touches.calls += made;
            touches.hidden += made - reached;
            if reached > 0 {
                touches.points.push((Point { place: *place, call }, reached));
            }
        }
    }
    touches
}

/// How many hits of a call can be reached, and how many calls there were. The k-th of any thread that comes first is
/// the one that is reached, so there are as many as the busiest thread makes.
fn count(text: &str, call: &str) -> (u32, u32) {
    let mut threads: HashMap<&str, u32> = HashMap::new();
    let begin = format!("{call}(");
    for line in text.lines() {
        if let Some((thread, rest)) = line.split_once(' ')
            && rest.trim_start().starts_with(&begin)
        {
            *threads.entry(thread).or_default() += 1;
        }
    }
    (threads.values().copied().max().unwrap_or(0), threads.values().sum())
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {:?}", self.call, self.place)
    }
}

impl fmt::Display for Hit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, hit {}", self.point, self.number)
    }
}
