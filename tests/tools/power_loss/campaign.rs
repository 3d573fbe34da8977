//! Takes the power away at every moment of a recorded run, in every way, and checks what is left.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::mem::discriminant;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, mpsc};

use sha2::{Digest as _, Sha256};

use super::check::{Checker, Demand, Fault, put, whole_checkpoints};
use super::disk::{Disk, Image, Lie, WAYS, Way};
use super::ops::What;
use super::record::{CHECKPOINTS, HOME, KEPT, Recorded};

/// One image and where it comes from.
#[derive(Debug, Clone)]
pub(crate) struct Point {
    /// After so many operations.
    pub(crate) cut: usize,
    pub(crate) way: Way,
    pub(crate) draw: usize,
    pub(crate) demand: Demand,
    pub(crate) image: Image,
}

/// What came of a campaign.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) images: usize,
    pub(crate) distinct: usize,
    /// Different databases that the images recover to.
    pub(crate) contents: usize,
    /// The first of each kind.
    pub(crate) faults: Vec<(Point, Fault)>,
    /// How many images have one.
    pub(crate) faulty: usize,
    /// Images to go on from, with the number of their entries; to be made again, since so many do not fit into memory.
    pub(crate) sample: Vec<(Point, u64)>,
}

/// How a campaign is led.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) images: usize,
    pub(crate) sample: usize,
    /// The power goes away after one operation in so many, and in the worst way after each by which more must be kept.
    pub(crate) step: usize,
    pub(crate) seed: u64,
    pub(crate) lie: Lie,
    /// Only with nothing surviving, which is all that a conviction needs.
    pub(crate) worst_only: bool,
}

/// So many images with a fault are enough to see what is wrong.
const ENOUGH_FAULTS: usize = 8;

/// For each recorded run; several are worked on at once.
const WORKERS: usize = 1;

/// What must be there after each of the operations.
fn demands(recorded: &Recorded) -> Vec<Demand> {
    let mut demand = Demand::default();
    let mut sent: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut written, mut synced) = (0, 0);
    let mut demands = vec![demand];
    for op in &recorded.ops {
        match &op.what {
            What::Sent(name) => {
                let number = sent.entry(name).or_default();
                // A request without an entry of its own can never be satisfied.
                let entry = recorded.attempts.get(name).and_then(|seqs| seqs.get(*number));
                demand.entries = demand.entries.max(entry.map_or(u64::MAX, |seq| seq + 1));
                demand.checkpoint_bytes = synced;
                *number += 1;
            }
            What::Said(text) => {
                let said = whole_checkpoints(text.as_bytes()).into_iter().map(|(size, _)| size).max().unwrap_or(0);
                demand.entries = demand.entries.max(said).max(head_of_summary(text));
                demand.checkpoint_bytes = synced;
            }
            What::Write { file, offset, bytes } if recorded.files[*file] == CHECKPOINTS => {
                written = written.max(offset + bytes.len());
            }
            What::SyncFile { file, .. } if recorded.files[*file] == CHECKPOINTS => synced = written,
            _ => {}
        }
        demands.push(demand);
    }
    demands
}

/// The size that the summary names.
fn head_of_summary(text: &str) -> u64 {
    let summary: Option<serde_json::Value> = serde_json::from_str(text).ok();
    summary.and_then(|summary| summary["head"]["size"].as_u64()).unwrap_or(0)
}

/// Leads a campaign against a recorded run.
pub(crate) fn campaign(recorded: &Recorded, plan: Plan) -> Tally {
    let known = Mutex::new(HashMap::new());
    let (jobs_in, jobs) = mpsc::sync_channel::<(Point, bool)>(8);
    let jobs = Mutex::new(jobs);
    let tally = Mutex::new(Tally::default());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                let checker = Checker::new(recorded, &known);
                loop {
                    let Ok((mut point, sampled)) = jobs.lock().expect("no panic").recv() else { return };
                    let checked = checker.check(&point.image, point.demand);
                    let mut tally = tally.lock().expect("no panic");
                    match checked {
                        Ok(entries) if sampled => {
                            point.image.clear();
                            tally.sample.push((point, entries));
                        }
                        Ok(_) => {}
                        Err(fault) => {
                            tally.faulty += 1;
                            let known = |(_, other): &(Point, Fault)| discriminant(other) == discriminant(&fault);
                            if !tally.faults.iter().any(known) {
                                tally.faults.push((point, fault));
                            }
                        }
                    }
                }
            });
        }
        let enough = || !plan.worst_only && tally.lock().expect("no panic").faulty >= ENOUGH_FAULTS;
        let (images, distinct) = generate(recorded, plan, &jobs_in, enough);
        drop(jobs_in);
        let mut tally = tally.lock().expect("no panic");
        (tally.images, tally.distinct) = (images, distinct);
    });
    let mut tally = tally.into_inner().expect("no panic");
    tally.contents = known.into_inner().expect("no panic").len();
    tally.sample.sort_by_key(|(point, _)| (point.cut, point.way, point.draw));
    tally
}

/// Makes the image of a sampled point again.
pub(crate) fn again(recorded: &Recorded, plan: Plan, point: &mut Point) {
    let mut disk = Disk::new(&recorded.files, HOME, &[KEPT], plan.lie);
    recorded.ops[..point.cut].iter().for_each(|op| disk.apply(op));
    let mut random = fastrand::Rng::with_seed(seed_of(plan.seed, point.cut, point.way, point.draw));
    point.image = disk.image(point.way, &mut random);
}

/// Builds the images, and hands on those that were not there before under the same or a stricter demand.
fn generate(
    recorded: &Recorded,
    plan: Plan,
    jobs: &mpsc::SyncSender<(Point, bool)>,
    enough: impl Fn() -> bool,
) -> (usize, usize) {
    let demands = demands(recorded);
    let draws = draws(recorded, plan);
    let mut seen: HashMap<[u8; 32], Demand> = HashMap::new();
    let mut distinct = HashSet::new();
    let mut disk = Disk::new(&recorded.files, HOME, &[KEPT], plan.lie);
    let mut images = 0;
    for (cut, demand) in demands.iter().enumerate() {
        if let Some(op) = cut.checked_sub(1).and_then(|last| recorded.ops.get(last)) {
            disk.apply(op);
        }
        let more = cut.checked_sub(1).is_some_and(|last| demands[last] != *demand);
        let ways = match (cut % plan.step, more) {
            (0, _) => &WAYS[..],
            (_, true) => &[Way::Nothing],
            (_, false) => &[],
        };
        for &way in ways {
            let settled = way != Way::Nothing && (disk.is_settled() || plan.worst_only);
            let count = if settled {
                0
            } else if matches!(way, Way::Nothing | Way::Everything) {
                1
            } else {
                draws
            };
            for draw in 0..count {
                let mut random = fastrand::Rng::with_seed(seed_of(plan.seed, cut, way, draw));
                let image = disk.image(way, &mut random);
                images += 1;
                let key = key(&image);
                let new = distinct.insert(key);
                let covered =
                    |old: &Demand| old.entries >= demand.entries && old.checkpoint_bytes >= demand.checkpoint_bytes;
                if seen.get(&key).is_some_and(covered) {
                    continue;
                }
                seen.insert(key, *demand);
                let sampled = new && random.usize(..plan.images.max(1)) < 2 * plan.sample;
                let point = Point { cut, way, draw, demand: *demand, image };
                if jobs.send((point, sampled)).is_err() || enough() {
                    return (images, distinct.len());
                }
            }
        }
    }
    (images, distinct.len())
}

/// How often each random way must be drawn at each moment to make as many images as are wanted.
fn draws(recorded: &Recorded, plan: Plan) -> usize {
    let mut disk = Disk::new(&recorded.files, HOME, &[KEPT], plan.lie);
    let unsettled = recorded.ops.iter().filter(|op| {
        disk.apply(op);
        !disk.is_settled()
    });
    let unsettled = unsettled.count();
    let fixed = recorded.ops.len() + 1 + unsettled;
    plan.images.saturating_sub(fixed).div_ceil(2 * unsettled.max(1)).max(1)
}

fn seed_of(seed: u64, cut: usize, way: Way, draw: usize) -> u64 {
    let mut random = fastrand::Rng::with_seed(seed);
    for number in [cut, way as usize, draw] {
        random = fastrand::Rng::with_seed(random.u64(..) ^ number as u64);
    }
    random.u64(..)
}

fn key(image: &Image) -> [u8; 32] {
    let mut hash = Sha256::new();
    for (path, bytes) in image {
        hash.update((path.len() as u64).to_le_bytes());
        hash.update(path.as_bytes());
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    }
    hash.finalize().into()
}

/// Keeps an image for whoever looks into a failure; returns where.
pub(crate) fn keep(point: &Point, name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("power-loss-{name}-{}", point.cut));
    put(&point.image, &directory);
    if let Some(checkpoints) = point.image.get(CHECKPOINTS) {
        std::fs::write(directory.join("checkpoints.txt"), checkpoints).expect("a file");
    }
    directory
}
