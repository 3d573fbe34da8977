//! Each call on the journal's files fails: the k-th time, or from the k-th time on.

use std::fmt;

use super::{fails_in_order, words};
use crate::{
    campaign::{is_whole, size},
    sample::one_in,
    strace::{self, Hit, Place, Point, Scene, Touches},
    support::count,
};

const PLACES: [(Place, &[&str]); 7] = [
    (
        Place::Database,
        &["openat", "pread64", "pwrite64", "ftruncate", "fsync", "fdatasync", "fcntl", "newfstatat", "statx"],
    ),
    (Place::Log, &["openat", "pread64", "pwrite64", "ftruncate", "fsync", "fdatasync", "unlink", "newfstatat"]),
    (Place::SharedMemory, &["openat", "pwrite64", "ftruncate", "fcntl", "mmap", "unlink", "newfstatat"]),
    (Place::RollbackJournal, &["openat", "pread64", "pwrite64", "ftruncate", "fsync", "fdatasync", "unlink", "access"]),
    (Place::Lock, &["openat", "flock"]),
    (Place::Checkpoint, &["openat", "write", "fsync", "fdatasync"]),
    (Place::Directory, &["openat", "fsync", "statfs"]),
];

const ERRORS: [&str; 4] = ["EIO", "ENOSPC", "EROFS", "EDQUOT"];

/// Hits of each call, where nothing else is asked for.
const SPREAD: u32 = 4;
const SPREAD_AT_A_DESK: u32 = 1;

#[derive(Debug)]
struct Fault {
    hit: Hit,
    error: &'static str,
    for_good: bool,
    /// In the session that takes up a run of which two key pairs were asked for.
    resumed: bool,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let session = if self.resumed { "resume" } else { "run" };
        let when = if self.for_good { "from then on" } else { "once" };
        write!(f, "{session}: {} at {}, {when}", self.error, self.hit)
    }
}

impl Fault {
    fn trial(&self) -> &'static str {
        let scene = if self.resumed { begun() } else { Scene::of_five() };
        let args = if self.resumed { Scene::resume_args() } else { scene.run_args() };
        let flags = strace::injection(&scene.bench, self.hit, &format!("error={}", self.error), self.for_good);
        let done = strace::spawn(&scene.bench, &flags, &args).wait();
        let struck = strace::injected(&scene.bench);
        let end = fails_in_order(&scene, &done);
        if struck { end } else { "without a fault" }
    }
}

/// Two key pairs of five were asked for.
fn begun() -> Scene {
    let scene = Scene::of_five();
    let mut args = scene.run_args();
    args.extend(["--max-deletes".to_owned(), "2".to_owned()]);
    scene.bench.keybatch(&words(&args)).exits(5);
    scene
}

/// One whose session was killed: its log is still beside it.
fn killed() -> Scene {
    let scene = Scene::of_five();
    let hit = Hit { point: Point { place: Place::Log, call: "fsync" }, number: 15 };
    let flags = strace::injection(&scene.bench, hit, "signal=KILL", false);
    strace::spawn(&scene.bench, &flags, &scene.run_args()).wait();
    scene
}

/// Which faults are made: everything, or of each point some hits, the errors in turn.
fn faults(touches: &Touches, resumed: bool, asked: Option<&str>) -> Vec<Fault> {
    if asked == Some("all") {
        let both = |hit: Hit, error| [false, true].map(|for_good| Fault { hit, error, for_good, resumed });
        return touches.all().into_iter().flat_map(|hit| ERRORS.into_iter().flat_map(move |e| both(hit, e))).collect();
    }
    let most = asked.and_then(|text| text.parse().ok()).unwrap_or(size(SPREAD_AT_A_DESK, SPREAD));
    let hits = touches.spread(most).into_iter().enumerate();
    let faults = hits.map(|(index, hit)| {
        let turn = index + usize::from(resumed);
        Fault { hit, error: ERRORS[turn % ERRORS.len()], for_good: turn / ERRORS.len() % 2 == 1, resumed }
    });
    if asked.is_some() { faults.collect() } else { one_in(2, faults) }
}

/// A disk that cannot be read says nothing of what is on it: `verify` never takes that for damage or tampering, and
/// proves nothing either.
fn every_call_of_a_verification_fails() {
    strace::needed();
    let asked = strace::asked("KEYBATCH_IO_FAULTS");
    let touches = strace::learn(&PLACES, begun, |_| verify_args());
    let trials = faults(&touches, false, asked.as_deref());
    let tally = strace::in_parallel(&trials, |fault| verification(fault, &begun()));
    tally.report("failing calls of verify");
    assert!(tally.of("cannot verify") > 0, "none struck: {tally:?}");
}

/// SQLite says of a read that the disk answers with EIO what it says of damage. Here the log is beside the database, too.
fn a_disk_that_cannot_be_read_is_no_damage() {
    strace::needed();
    let reads: [(Place, &[&str]); 2] = [(Place::Database, &["pread64"]), (Place::Log, &["pread64"])];
    let touches = strace::learn(&reads, killed, |_| verify_args());
    assert_eq!(touches.points.len(), 2, "both are read");
    let both = |hit| [false, true].map(|for_good| Fault { hit, error: "EIO", for_good, resumed: false });
    let trials = one_in(3, touches.spread(6).into_iter().flat_map(both));
    let tally = strace::in_parallel(&trials, |fault| verification(fault, &killed()));
    tally.report("reads of verify that fail with EIO");
    assert!(tally.of("cannot verify") * 2 > tally.trials(), "too few struck: {tally:?}");
}

fn verify_args() -> Vec<String> {
    ["verify", "--output", "json"].map(str::to_owned).to_vec()
}

fn verification(fault: &Fault, scene: &Scene) -> &'static str {
    let sound = scene.bench.verify().exits(0).json();
    let flags = strace::injection(&scene.bench, fault.hit, &format!("error={}", fault.error), fault.for_good);
    let done = strace::spawn(&scene.bench, &flags, &verify_args()).wait();
    assert!(!done.stderr.contains("panicked"), "a panic\n{done}");
    let end = match done.code {
        Some(0) => {
            assert_eq!(done.json(), sound, "another journal, or a part of it\n{done}");
            "unharmed"
        }
        Some(7) => {
            assert_eq!(done.json()["verdict"], "cannot_verify", "a fault is no damage\n{done}");
            "cannot verify"
        }
        Some(9) => "no journal to be had",
        _ => panic!("another exit code\n{done}"),
    };
    scene.verify();
    end
}

/// A part of a report that the disk does not hand out is named, and nothing is shown in its place, whether or not the journal can
/// be verified.
fn a_report_names_what_the_disk_does_not_hand_out() {
    strace::needed();
    let args = || ["report", "latest", "--format", "json"].map(str::to_owned).to_vec();
    let touches = strace::learn(&[(Place::Database, &["pread64"])], begun, |_| args());
    let both = |hit| [false, true].map(|for_good| Fault { hit, error: "EIO", for_good, resumed: false });
    let trials: Vec<_> = touches.spread(size(16, 64)).into_iter().flat_map(both).collect();
    let tally = strace::in_parallel(&trials, |fault| {
        let scene = begun();
        let whole = scene.bench.keybatch(&words(&args())).exits(0).json();
        let flags = strace::injection(&scene.bench, fault.hit, "error=EIO", fault.for_good);
        let done = strace::spawn(&scene.bench, &flags, &args()).wait();
        assert!(!done.stderr.contains("panicked"), "a panic\n{done}");
        if done.stdout.is_empty() || done.json()["schema"] == "keybatch.error/1" {
            assert_eq!(done.code, Some(9), "neither a report nor an error\n{done}");
            return "no journal to be had";
        }
        let report = done.stdout.lines().next().unwrap_or_default();
        let report: serde_json::Value = serde_json::from_str(report).expect("a report");
        let unread: Vec<_> =
            report["unread"].as_array().expect("a list").iter().filter_map(|field| field.as_str()).collect();
        let gaps = report["gaps"].as_array().expect("a list");
        assert!(gaps.iter().all(|gap| gap.to_string().contains("could not be")), "{done}");
        for field in ["outcomes", "deletes_sent", "overrides", "doubts", "in_use", "sessions"] {
            let same = report[field] == whole[field];
            assert!(same || unread.contains(&field) || unread.contains(&"run"), "{field} is not named\n{done}");
        }
        let sound = report["verification"]["sound"].as_bool();
        match (done.code, gaps.is_empty(), sound) {
            (Some(0), true, Some(true)) => "unharmed",
            (Some(7), _, Some(false)) => {
                assert_eq!(report["verification"]["verdict"], "cannot_verify", "a fault is no damage\n{done}");
                if gaps.is_empty() { "cannot verify" } else { "cannot verify, and a part is missing" }
            }
            (Some(9), false, Some(true) | None) => {
                assert!(done.stderr.contains("the report is not complete: "), "{done}");
                "a part is missing"
            }
            _ => panic!("another exit code\n{done}"),
        }
    });
    tally.report("reads of report that fail with EIO");
    // Each connection's reads are counted apart, so mostly the verification's fail, too.
    let missing = tally.of("cannot verify, and a part is missing") + tally.of("a part is missing");
    assert!(missing > 0, "none struck: {tally:?}");
}

/// I9, and I1 and I2 with it.
// SEMANTICS: P52
fn every_call_on_the_journal_fails() {
    strace::needed();
    let asked = strace::asked("KEYBATCH_IO_FAULTS");
    let run = strace::learn(&PLACES, Scene::of_five, Scene::run_args);
    let resume = strace::learn(&PLACES, begun, |_| Scene::resume_args());
    let mut trials = faults(&run, false, asked.as_deref());
    trials.extend(faults(&resume, true, asked.as_deref()));
    strace::say(&format!(
        "io faults: {} points with {} calls in a run, {} with {} in a resume; {} faults",
        run.points.len(),
        run.reachable(),
        resume.points.len(),
        resume.reachable(),
        trials.len()
    ));
    let tally = strace::in_parallel(&trials, Fault::trial);
    tally.report("failing calls");
    assert!(tally.of("stopped in order") * 2 > tally.trials(), "too few struck: {tally:?}");
}

/// Of so many synchronisations one is slowed at first, and others only where that showed nothing.
const PASSES: usize = 3;

/// A disk on which a start takes seconds: its request does not leave, since a later session that finds the start alone
/// counts on it. The row is asked for again.
// SEMANTICS: P16
fn a_slow_disk_keeps_the_request_back() {
    strace::needed();
    let touches = strace::learn(&[(Place::Log, &["fdatasync", "fsync"])], Scene::of_five, Scene::run_args);
    let slowed = |hit: &strace::Hit| {
        let scene = Scene::of_five();
        let flags = strace::injection(&scene.bench, *hit, "delay_enter=1500000", false);
        strace::spawn(&scene.bench, &flags, &scene.run_args()).wait().exits(0);
        let count = |what: &str| count(&scene.bench, &format!("SELECT count(*) AS n FROM entries WHERE {what}"));
        let late = count("kind = 'attempt_finished' AND json_extract(body, '$.cause') = 'started_late'");
        let left = count("kind = 'attempt_started'") - late;
        // On a busy machine an attempt may be over before the stand-in has read its request.
        let lost = count("kind = 'attempt_finished' AND json_extract(body, '$.class') = 'unanswered'");
        let arrived = scene.bench.world.arrived("DeleteKeyPair").len() as u64;
        assert!(arrived <= left, "what did not leave is recorded so: {arrived} arrived of {left}");
        assert!(
            arrived + lost >= left,
            "only what was kept back is recorded so: {arrived} arrived, {lost} lost of {left}"
        );
        scene.audit();
        if late > 0 { "kept back" } else { "another commit" }
    };
    // Every second one is of a start, unless a busy machine groups the commits in another way.
    let (all, mut kept_back) = (touches.all(), 0);
    for first in 0..PASSES {
        let some: Vec<_> = all.iter().copied().skip(first).step_by(PASSES).collect();
        let tally = strace::in_parallel(&some, slowed);
        tally.report("slow synchronisations");
        kept_back += tally.of("kept back");
        if kept_back > 0 && !is_whole() {
            break;
        }
    }
    assert!(kept_back > 0, "none struck");
}

crate::harness::tests![
    every_call_of_a_verification_fails,
    a_disk_that_cannot_be_read_is_no_damage,
    a_report_names_what_the_disk_does_not_hand_out,
    every_call_on_the_journal_fails,
    a_slow_disk_keeps_the_request_back
];
