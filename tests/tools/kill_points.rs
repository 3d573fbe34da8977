//! `kill -9` at every place where a session touches durable state or the wire: the real binary under strace, killed as
//! it enters the k-th call of a kind, so that this call does not happen. Then it is resumed without strace, and everything that must
//! hold after a crash is checked from outside.
//!
//! By default, some points are tried at some of their hits, evenly spread, and pairs (a kill of the run, then one of its
//! resume) are drawn from a printed seed. `KEYBATCH_KILL_POINTS=all` hits every hit of a run, as `KEYBATCH_CAMPAIGNS=whole` does. `KEYBATCH_KILL_PAIRS=N`
//! draws that many pairs, from `KEYBATCH_KILL_SEED`; `KEYBATCH_KILL_PAIRS=all` combines each hit of a run with each hit of a
//! resume, which makes more than a million.

use std::fmt;

use crate::campaign::{is_whole, size};
use crate::sample::one_in;
use crate::strace::{self, Hit, Place, Scene, Touches};

/// Where a session touches something that outlives it.
const PLACES: [(Place, &[&str]); 9] = [
    (Place::Database, &["openat", "pwrite64", "ftruncate", "fallocate", "fsync", "fdatasync", "fcntl"]),
    (Place::Log, &["openat", "pwrite64", "ftruncate", "fallocate", "fsync", "fdatasync", "unlink"]),
    (Place::SharedMemory, &["openat", "pwrite64", "ftruncate", "fallocate", "fcntl", "unlink"]),
    (Place::RollbackJournal, &["openat", "pwrite64", "ftruncate", "fsync", "fdatasync", "unlink"]),
    (Place::Lock, &["openat", "flock", "fcntl", "fsync"]),
    (Place::Checkpoint, &["openat", "write", "fsync", "fdatasync"]),
    (Place::Directory, &["openat", "fsync", "mkdir"]),
    (Place::Wire, &["connect", "sendto", "sendmsg", "writev", "recvfrom", "recvmsg", "shutdown"]),
    (Place::Elsewhere, &["unlink", "rename", "exit_group"]),
];

/// Hits of a point at most, where not all are asked for, and of these one in so many: of one point the first, of the next
/// one another.
const SPREAD: u32 = 3;
const ONE_IN: usize = 4;
const PAIRS: u64 = 100;
const PAIRS_AT_A_DESK: u64 = 10;
const SEED: u64 = 0x6b69_6c6c;
const KILL: &str = "signal=KILL";

/// Kills, one after the other, of one run.
#[derive(Debug)]
struct Kills(Vec<Hit>);

impl fmt::Display for Kills {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hits: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        write!(f, "killed at {}", hits.join("; then at "))
    }
}

impl Kills {
    /// Kills, resumes and audits; says how many of the kills struck.
    fn trial(&self) -> &'static str {
        let scene = Scene::of_twenty();
        let mut struck = 0;
        for hit in &self.0 {
            let Some(args) = scene.next_args() else { break };
            let done = strace::spawn(&scene.bench, &strace::injection(&scene.bench, *hit, KILL, false), &args).wait();
            if done.code.is_none() {
                struck += 1;
                scene.verify();
            } else {
                assert!(done.code == Some(3), "a session that was not killed\n{done}");
            }
        }
        scene.finish();
        scene.audit();
        match (struck, self.0.len()) {
            (0, _) => "without a kill",
            (1, 1) => "killed",
            (1, _) => "killed once",
            _ => "killed twice",
        }
    }
}

fn of_a_run() -> Touches {
    let scene = Scene::of_twenty;
    strace::learn(&PLACES, scene, Scene::run_args)
}

/// A resume that has everything to do: the run was stopped after its third key pair.
fn of_a_resume() -> Touches {
    let scene = || {
        let scene = Scene::of_twenty();
        let mut args = scene.run_args();
        args.extend(["--max-deletes".to_owned(), "3".to_owned()]);
        scene.bench.keybatch(&args.iter().map(String::as_str).collect::<Vec<_>>()).exits(5);
        scene
    };
    strace::learn(&PLACES, scene, |_| Scene::resume_args())
}

fn everything() -> bool {
    strace::asked("KEYBATCH_KILL_POINTS").map_or(is_whole(), |which| which == "all")
}

/// I1 to I7 after a kill at every point.
// SEMANTICS: P14
// SEMANTICS: P16
// SEMANTICS: P45
// SEMANTICS: P51
fn a_kill_at_every_point() {
    strace::needed();
    let touches = of_a_run();
    let hits = if everything() { touches.all() } else { one_in(ONE_IN, touches.spread(SPREAD)) };
    let (points, calls, hidden) = (touches.points.len(), touches.calls, touches.hidden);
    let reachable = touches.reachable();
    assert!(points >= 25 && reachable >= 500, "too few were seen: {touches:?}");
    strace::say(&format!(
        "kill points: {points} points, {calls} calls, {reachable} of them can be aimed at ({hidden} are another \
         thread's of the same number), {} kills",
        hits.len()
    ));
    let trials: Vec<Kills> = hits.into_iter().map(|hit| Kills(vec![hit])).collect();
    let tally = strace::in_parallel(&trials, Kills::trial);
    tally.report("single kills");
    // Of few, chance may spare some; and on a busy machine, threads make their calls in another order: 88 % were struck at a load of 30.
    let share = size(2, 4);
    assert!(tally.of("killed") * (share + 1) > tally.trials() * share, "too few struck: {tally:?}");
}

/// First a point, then one of its hits: else nearly all would be writes to the log.
fn drawn(first: &Touches, second: &Touches) -> Vec<Kills> {
    let seed = strace::number("KEYBATCH_KILL_SEED").unwrap_or(SEED);
    let pairs = strace::number("KEYBATCH_KILL_PAIRS").unwrap_or(size(PAIRS_AT_A_DESK, PAIRS));
    strace::say(&format!("pairs of kills: seed {seed}, {pairs} of {} times {}", first.reachable(), second.reachable()));
    let mut random = fastrand::Rng::with_seed(seed);
    let mut draw = |touches: &Touches| {
        let (point, hits) = *random.choice(&touches.points).expect("there are points");
        Hit { point, number: random.u32(1..=hits) }
    };
    (0..pairs).map(|_| Kills(vec![draw(first), draw(second)])).collect()
}

/// The same after a kill of the run and another one of the session that takes it up.
fn a_second_kill_in_the_resume() {
    strace::needed();
    let (first, second) = (of_a_run(), of_a_resume());
    let trials = if strace::asked("KEYBATCH_KILL_PAIRS").is_some_and(|which| which == "all") {
        let (first, second) = (first.all(), second.all());
        strace::say(&format!("pairs of kills: all of {} times {}", first.len(), second.len()));
        first.iter().flat_map(|one| second.iter().map(|other| Kills(vec![*one, *other]))).collect()
    } else {
        drawn(&first, &second)
    };
    let tally = strace::in_parallel(&trials, Kills::trial);
    tally.report("pairs of kills");
    assert!(tally.of("killed twice") * size(4, 2) > tally.trials(), "too few struck: {tally:?}");
}

crate::harness::tests![a_kill_at_every_point, a_second_kill_in_the_resume];
