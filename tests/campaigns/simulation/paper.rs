//! Plans on paper: what the model knows of a plan's file, and by which naive rule it may be executed on another day.

use std::io::Cursor;

use fastrand::Rng;
use jiff::Timestamp;
use keybatch::domain::Identity;
use keybatch::record::approval;
use keybatch::record::plan::file::PlanReader;
use keybatch::record::plan::{PlanHeader, PlanObservation, Verdict};

use super::ledger::Sim;
use super::plan::{Manifest, is_recreated, is_unknowable};
use super::signers::Signed;

/// A plan's file, and what was true when it was made.
#[derive(Debug)]
pub(crate) struct Paper {
    pub(crate) bytes: Vec<u8>,
    pub(crate) header: PlanHeader,
    pub(crate) root: String,
    rows: Vec<Line>,
    pub(crate) manifest: Manifest,
    pub(crate) signed: Signed,
    pub(crate) expires_at: Timestamp,
}

/// A row of it.
#[derive(Debug)]
struct Line {
    verdict: Verdict,
    identity: Option<Identity>,
    /// Skipped, since the key pair was re-created when it was made.
    is_recreated: bool,
}

/// What becomes of a row on the day on which the plan is executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Day {
    Same,
    Vanished,
    Appeared,
    Drifted,
    Recreated,
}

impl Day {
    fn of(self, planned: Verdict) -> Verdict {
        match self {
            Self::Same => planned,
            Self::Vanished => Verdict::Absent,
            Self::Appeared | Self::Drifted | Self::Recreated => Verdict::Skip,
        }
    }
}

impl Paper {
    /// Reads the file back, and holds it against what was listed for it. `knows` tells whether its planner saw the journal.
    pub(crate) fn read(sim: &mut Sim, bytes: Vec<u8>, knows: bool, rng: &mut Rng) -> Self {
        let mut reader = PlanReader::open(Cursor::new(&bytes)).unwrap();
        let header = reader.header().clone();
        let (mut rows, mut broken) = (Vec::new(), Vec::new());
        while let Some(row) = reader.next().unwrap() {
            let index = rows.len();
            let resource = &sim.world.resources[index];
            let identity = row.observation.as_ref().map(PlanObservation::identity);
            if identity != resource.planned {
                broken.push(format!("I8: the plan's row {} has another key pair than was listed", row.row));
            }
            let rule = |now: &Identity| knows && is_recreated(&resource.dealt, sim.manifest, now);
            let skips = row.verdict == Verdict::Skip;
            let unknowable = knows && is_unknowable(sim, index);
            let is_recreated =
                if unknowable { skips && !resource.protected } else { identity.as_ref().is_some_and(rule) };
            let expected = match &identity {
                None => Verdict::Absent,
                Some(_) if is_recreated || resource.protected => Verdict::Skip,
                Some(_) => Verdict::Delete,
            };
            if row.verdict != expected {
                broken.push(format!("I4: the plan's row {} is {:?}, not {expected:?}", row.row, row.verdict));
            }
            rows.push(Line { verdict: row.verdict, identity, is_recreated });
        }
        let seal = reader.seal().unwrap().clone();
        let signed = Signed::draw(rng, &approval::text(&header, &seal));
        let expires_at = header.expires_at.as_ref().unwrap().parse().unwrap();
        broken.into_iter().for_each(|what| sim.world.breaks(what));
        Self { header, root: seal.root, rows, manifest: sim.manifest, signed, expires_at, bytes }
    }

    /// What becomes of a row, now that this key pair is listed; nothing, where the model cannot know.
    fn day(&self, sim: &Sim, index: usize, listed: Option<&Identity>) -> Option<Day> {
        let line = &self.rows[index];
        Some(match (line.verdict, listed) {
            (Verdict::Skip, _) | (Verdict::Absent, None) => Day::Same,
            (Verdict::Absent, Some(_)) => Day::Appeared,
            (Verdict::Delete, None) => Day::Vanished,
            (Verdict::Delete, Some(now)) if line.identity.as_ref() != Some(now) => Day::Drifted,
            (Verdict::Delete, Some(_)) if is_unknowable(sim, index) => return None,
            (Verdict::Delete, Some(now)) => {
                let is_it = is_recreated(&sim.world.resources[index].dealt, self.manifest, now);
                if is_it { Day::Recreated } else { Day::Same }
            }
        })
    }

    /// How many rows have lost, by what is listed now; nothing, where the model cannot know.
    pub(crate) fn changes(&self, sim: &Sim) -> Option<u64> {
        let has_lost = |(index, line): (usize, &Line)| {
            let day = self.day(sim, index, sim.world.resources[index].planned.as_ref())?;
            Some(u64::from(day.of(line.verdict) != line.verdict))
        };
        self.rows.iter().enumerate().map(has_lost).sum()
    }

    /// An intent of it became durable, with this verdict. Returns what became of the row.
    pub(crate) fn intended(&self, sim: &mut Sim, index: usize, verdict: Verdict) -> Day {
        let line = &self.rows[index];
        let listed = sim.world.resources[index].planned.clone();
        let guess = if verdict == Verdict::Skip { Day::Recreated } else { Day::Same };
        let day = self.day(sim, index, listed.as_ref()).unwrap_or(guess);
        let expected = day.of(line.verdict);
        if verdict != expected {
            let (row, planned) = (index + 1, line.verdict);
            let what =
                format!("I4: row {row} of a plan that says {planned:?} has {verdict:?}: {day:?}, so {expected:?}");
            sim.world.breaks(what);
        }
        let resource = &mut sim.world.resources[index];
        // Whatever is there: it is about the key pair that was reviewed.
        resource.planned.clone_from(&line.identity);
        resource.is_recreated = line.is_recreated || day == Day::Recreated;
        day
    }

    pub(crate) fn deletes(&self, index: usize) -> bool {
        self.rows[index].verdict == Verdict::Delete
    }

    /// What its lines say, for what is recorded of them.
    pub(crate) fn identity(&self, index: usize) -> Option<&Identity> {
        self.rows[index].identity.as_ref()
    }

    /// A file that somebody changed.
    pub(crate) fn edited(&self, rng: &mut Rng) -> Vec<u8> {
        let mut lines: Vec<_> = self.bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        let line = rng.usize(..lines.len());
        match rng.u32(0..4) {
            0 => drop(lines.remove(line)),
            1 => {
                let again = lines[line].clone();
                lines.insert(line, again);
            }
            2 => {
                let other = (line + 1) % lines.len();
                lines.swap(line, other);
            }
            _ => {
                let at = rng.usize(..lines[line].len());
                lines[line][at] ^= 1 << rng.u32(0..7);
            }
        }
        lines.concat()
    }
}
