//! Power loss at any moment. Runs of the real binary are traced, and every write is replayed into a model of a disk. After every
//! operation, the disk is left as a power loss may leave it: of what was not synchronised, nothing is there, or all of it, or any part.
//! Each image is opened and verified, and must hold everything that was acknowledged; a sample of them is resumed.
//! `KEYBATCH_POWER_LOSS=1000000` makes that many images, `KEYBATCH_POWER_LOSS_SEED` draws others.

mod campaign;
mod check;
pub(crate) mod disk;
pub(crate) mod lines;
mod ops;
mod other_build;
mod record;
mod resume;

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use crate::campaign::{is_whole, size};
use crate::harness::ignore;
use crate::{strace, support};
use campaign::{Plan, Point, Tally, again, campaign, keep};
use check::Fault;
use disk::Lie;
use ops::What;
use record::{Kind, Recorded, record};
use resume::Resumer;

/// One that ends by itself, one that is killed and resumed, and one whose log grows until SQLite moves it by itself.
const KINDS: [Kind; 3] = [
    Kind { name: "whole", rows: 32, killed_at: None },
    Kind { name: "killed", rows: 32, killed_at: Some(17) },
    Kind { name: "long", rows: 90, killed_at: None },
];

const CONVICTED: Kind = Kind { name: "convicted", rows: 8, killed_at: None };

const IMAGES: usize = 20_000;
const IMAGES_AT_A_DESK: usize = 1_000;

/// At a desk the power goes away after one operation in so many, and after each by which more must be kept.
const STEP_AT_A_DESK: usize = 20;

/// Of so many images, one is gone on from.
const IMAGES_PER_RESUME: usize = 150;

/// Of one run, no more than so many: each takes about a second.
const MOST_RESUMES: usize = 200;

/// I1, I2 and I7 when the power goes away.
// SEMANTICS: P14
fn power_loss_at_any_moment() {
    strace::needed();
    let start = Instant::now();
    let asked = number("KEYBATCH_POWER_LOSS").map(|images| usize::try_from(images).unwrap());
    let images = asked.unwrap_or(size(IMAGES_AT_A_DESK, IMAGES));
    let step = asked.map_or(size(STEP_AT_A_DESK, 1), |_| 1);
    let seed = number("KEYBATCH_POWER_LOSS_SEED").unwrap_or(0x706f_7765);
    say(&format!("power loss: seed {seed}"));
    let led = std::thread::scope(|scope| {
        let threads = KINDS.map(|kind| scope.spawn(move || lead(kind, images, step, seed, start)));
        threads.map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    let sum = |of: fn(&Led) -> usize| led.iter().map(of).sum::<usize>();
    assert!(sum(|led| led.recorded.log_restarts()) > KINDS.len() + 1, "the log was begun anew");
    assert!(led[2].recorded.pages_moved() > 50, "the log was moved into the database");
    assert!(sum(|led| led.tally.images) >= images, "as many images as were asked for");
    say(&format!(
        "power loss: {} operations ({} synchronisations, {} requests, {} begins of the log), {} images, {} distinct, {} \
         different databases, {} resumed, seed {seed}, {:?}",
        sum(|led| led.recorded.ops.len()),
        sum(|led| led.recorded.count(|what| matches!(what, What::SyncFile { .. } | What::SyncDir { .. }))),
        sum(|led| led.recorded.count(|what| matches!(what, What::Sent(_)))),
        sum(|led| led.recorded.log_restarts()),
        sum(|led| led.tally.images),
        sum(|led| led.tally.distinct),
        sum(|led| led.tally.contents),
        sum(|led| led.resumes),
        start.elapsed()
    ));
}

/// A run and what came of its campaign.
struct Led {
    recorded: Recorded,
    tally: Tally,
    resumes: usize,
}

/// Records a run, takes the power away from it everywhere, and goes on from a sample of what is left.
fn lead(kind: Kind, images: usize, step: usize, seed: u64, start: Instant) -> Led {
    let mut random = fastrand::Rng::with_seed(seed);
    let recorded = record(Path::new(support::binary()), kind, &mut random);
    let images = images.div_ceil(KINDS.len());
    let sample = (images / IMAGES_PER_RESUME).min(MOST_RESUMES);
    let plan = Plan { images, sample, step, seed, lie: Lie::None, worst_only: false };
    let mut tally = campaign(&recorded, plan);
    report(&recorded, &tally, &start);
    if let Some((point, fault)) = tally.faults.first() {
        let last = point.cut.checked_sub(1).map(|last| summary_of(&recorded.ops[last].what));
        let count = tally.faulty;
        panic!("{fault:?}\n{} {last:?}\n{count} such images at least", place(kind, seed, point));
    }
    let resumer = Resumer::new(&recorded);
    let mut resumes = 0;
    for (mut point, entries) in spread(std::mem::take(&mut tally.sample), sample) {
        resumes += 1;
        again(&recorded, plan, &mut point);
        let _told = Told { kind, seed, point: &point };
        resumer.check(&point, entries, &mut random);
    }
    say(&format!("power loss: run {}: {resumes} resumed, {:?} so far", kind.name, start.elapsed()));
    Led { recorded, tally, resumes }
}

/// A disk that does not do what it says is noticed.
fn a_disk_that_lies_is_convicted() {
    strace::needed();
    let mut random = fastrand::Rng::with_seed(3);
    let honest = record(Path::new(support::binary()), CONVICTED, &mut random);
    let faults = campaign(&honest, worst(Lie::None)).faults;
    assert!(faults.is_empty(), "an honest disk: {:?}", faults.first().map(|(_, fault)| fault));
    for lie in [Lie::Log, Lie::Directory, Lie::Ancestors] {
        let lost = lost(&honest, lie);
        assert!(lost.is_some(), "a disk that lies ({lie:?}) is not noticed");
        say(&format!("power loss: convicted a disk that lies ({lie:?}): {}", lost.unwrap_or_default()));
    }
}

/// A build that does not ask the disk to be durable is noticed.
fn a_build_that_is_not_durable_is_convicted() {
    strace::needed();
    if !is_whole() {
        ignore("compiles the program once more, which only KEYBATCH_CAMPAIGNS=whole waits for");
    }
    let mut random = fastrand::Rng::with_seed(4);
    let normal = record(&other_build::not_durable(), CONVICTED, &mut random);
    let lost = lost(&normal, Lie::None);
    assert!(lost.is_some(), "a build with synchronous=NORMAL is not noticed");
    say(&format!("power loss: convicted synchronous=NORMAL: {}", lost.unwrap_or_default()));
}

/// The first acknowledged thing that is lost when nothing survives but what was synchronised.
fn lost(recorded: &Recorded, lie: Lie) -> Option<String> {
    let tally = campaign(recorded, worst(lie));
    tally.faults.into_iter().find_map(|(point, fault)| match fault {
        Fault::Lost(what) => Some(format!("after operation {}: {what}", point.cut)),
        Fault::Unproved(_) | Fault::Broken(_) => None,
    })
}

fn worst(lie: Lie) -> Plan {
    Plan { images: 0, sample: 0, step: 1, seed: 1, lie, worst_only: true }
}

/// As many of the sampled images as are to be gone on from, spread over the run.
fn spread(sample: Vec<(Point, u64)>, count: usize) -> impl Iterator<Item = (Point, u64)> {
    let step = (sample.len() / count.max(1)).max(1);
    sample.into_iter().step_by(step).take(count)
}

/// Where an image comes from, for whoever looks into a failure, and where it is kept.
fn place(kind: Kind, seed: u64, point: &Point) -> String {
    let kept = keep(point, kind.name);
    let Point { cut, way, draw, .. } = point;
    let name = kind.name;
    format!("run {name}, seed {seed}, after operation {cut}, {way:?}, draw {draw}, image in {}", kept.display())
}

fn report(recorded: &Recorded, tally: &Tally, start: &Instant) {
    say(&format!(
        "power loss: run {}: {} operations, {} requests, {} entries, {} images, {} distinct, {} databases, {:?} so far",
        recorded.kind.name,
        recorded.ops.len(),
        recorded.count(|what| matches!(what, What::Sent(_))),
        recorded.bodies.len(),
        tally.images,
        tally.distinct,
        tally.contents,
        start.elapsed()
    ));
}

fn summary_of(what: &What) -> String {
    let text = format!("{what:?}");
    text.chars().take(120).collect()
}

/// Says what was going on when a panic comes through.
struct Told<'a> {
    kind: Kind,
    seed: u64,
    point: &'a Point,
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            say(&format!("power loss: going on failed: {}", place(self.kind, self.seed, self.point)));
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a test takes its size from the environment")]
fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

/// Writes to the real stderr, past the test harness.
fn say(text: &str) {
    let _written = writeln!(std::io::stderr(), "{text}");
}

crate::harness::tests![
    power_loss_at_any_moment,
    a_disk_that_lies_is_convicted,
    a_build_that_is_not_durable_is_convicted
];
