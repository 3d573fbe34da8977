//! Resumes from an image with the real binary, in the world as it was when the power failed.

use std::collections::BTreeMap;

use super::campaign::Point;
use super::check::put;
use super::ops::What;
use super::record::{CHECKPOINTS, Recorded};
use crate::support::{Bench, intents};
use crate::support::{Effect, safety};

/// Goes on from images of one run, one after the other: a run is bound to its endpoint, so there is one stand-in.
pub(crate) struct Resumer<'a> {
    recorded: &'a Recorded,
    /// What the stand-in held when the run was over.
    past: Past,
}

/// The stand-in's memory of the recorded run.
struct Past {
    arrivals: BTreeMap<String, Vec<crate::support::Arrival>>,
    operations: BTreeMap<String, Vec<crate::support::Operation>>,
    gone: BTreeMap<String, Vec<crate::support::Gone>>,
}

impl<'a> Resumer<'a> {
    pub(crate) fn new(recorded: &'a Recorded) -> Self {
        let mut past = Past { arrivals: BTreeMap::new(), operations: BTreeMap::new(), gone: BTreeMap::new() };
        let state = recorded.bench.world.state();
        for arrival in state.log.iter().filter(|arrival| arrival.operation == "DeleteKeyPair") {
            past.arrivals.entry(arrival.name.clone()).or_default().push(arrival.clone());
        }
        for operation in &state.operations {
            past.operations.entry(operation.place.1.clone()).or_default().push(operation.clone());
        }
        for gone in &state.gone {
            past.gone.entry(gone.place.1.clone()).or_default().push(gone.clone());
        }
        drop(state);
        Self { recorded, past }
    }

    /// Everything that must hold after a session has gone on from the image.
    pub(crate) fn check(&self, point: &Point, entries: u64, random: &mut fastrand::Rng) {
        let bench = &self.recorded.bench;
        self.set_world(point.cut, entries, random);
        put(&point.image, bench.home());
        let checkpoints = bench.home().join("checkpoints.txt");
        std::fs::write(&checkpoints, point.image.get(CHECKPOINTS).map_or(&[][..], Vec::as_slice)).expect("a file");
        // What the machine remembers of the journal's head is that of the whole run, which this image is older than.
        // The file of checkpoints that the run names is read, too: it is that of the image.
        let _absent_at_first = std::fs::remove_dir_all(bench.home().join("state").join("keybatch"));
        let named = bench.home().join("disk").join(CHECKPOINTS);
        std::fs::write(&named, point.image.get(CHECKPOINTS).map_or(&[][..], Vec::as_slice)).expect("a file");
        let name = checkpoints.display().to_string();
        let begun = usize::try_from(entries).expect("a size");
        let begun = self.recorded.bodies[..begun].iter().any(|body| body.contains(r#""kind":"run_started""#));
        let done = if begun {
            bench.keybatch(&["resume", "--output", "json", "--checkpoint-to", &name])
        } else {
            bench.run(&self.recorded.manifest, &["--checkpoint-to", &name])
        };
        assert_eq!(done.code, Some(0), "the next session, from an image of {entries} entries\n{done}");
        self.audit(bench, begun);
        let held = String::from_utf8_lossy(&std::fs::read(&checkpoints).expect("a file")).into_owned();
        if held.contains("keybatch/") {
            let done = bench.keybatch(&["verify", "--checkpoint", &name, "--output", "json"]);
            assert_eq!(done.code, Some(0), "verify with the file of checkpoints, which is {held:?}\n{done}");
        }
    }

    fn audit(&self, bench: &Bench, begun: bool) {
        safety(bench);
        let rows = intents(bench);
        assert_eq!(rows.len(), self.recorded.names.len(), "each row has one line");
        for row in &rows {
            let outcome = row.outcome();
            assert!(["deleted", "gone"].contains(&outcome.as_str()), "settled: {row:#?}");
            assert!(bench.world.deleted_by_us(&row.place()) <= 1, "an effect twice: {row:#?}");
            assert!(begun || row.attempts() == 1, "nothing was sent before: {row:#?}");
        }
    }

    /// What was answered, or looked into afterwards, has had its effect; what was under way may have.
    fn set_world(&self, cut: usize, entries: u64, random: &mut fastrand::Rng) {
        let mut sent: Vec<(&str, usize, bool)> = Vec::new();
        for op in &self.recorded.ops[..cut] {
            match &op.what {
                What::Sent(name) => {
                    let number = sent.iter().filter(|(other, ..)| other == name).count();
                    sent.push((name, number, false));
                }
                What::Answered(name) => {
                    let last = sent.iter_mut().rev().find(|(other, ..)| other == name);
                    last.expect("a request before its answer").2 = true;
                }
                _ => {}
            }
        }
        let mut state = self.recorded.bench.world.state();
        *state = crate::support::State::new();
        for name in &self.recorded.names {
            state.create(crate::support::HOME, name);
        }
        // Numbers of the recorded run are not given a second time.
        for _ in 0..10_000 {
            let _skipped = state.next();
        }
        for (name, number, answered) in sent {
            let attempt = self.recorded.attempts[name][number];
            let looked_into = self.recorded.rows[name].iter().any(|seq| *seq > attempt && *seq < entries);
            if !answered && !looked_into && random.bool() {
                continue;
            }
            let mut arrival = self.past.arrivals[name][number].clone();
            arrival.ended_us = Some(arrival.ended_us.unwrap_or(arrival.at_us));
            state.log.push(arrival);
            let scripted = self.recorded.effects.get(name).and_then(|effects| effects.get(number));
            let effect = scripted.copied().unwrap_or(Effect::Delete);
            let place = (crate::support::HOME.to_owned(), name.to_owned());
            if matches!(effect, Effect::Delete | Effect::DeleteAndRecreate) && state.keys.remove(&place).is_some() {
                // A name is deleted once, so its first operation and its first end are those.
                state.operations.extend(self.past.operations[name].first().cloned());
                state.gone.extend(self.past.gone[name].first().cloned());
                if effect == Effect::DeleteAndRecreate {
                    state.create(crate::support::HOME, name);
                }
            }
        }
    }
}
