//! The records that CloudTrail would have of what a sandbox has seen: derived from its own record, in each form in which records
//! are handed on.
//!
//! Deterministic: the same state gives the same files. What AWS has not published (the shape of `responseElements`) takes turns.

mod event;
mod form;
mod names;
mod script;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use self::event::{Effect, Event, Line};
use super::trail_script::TrailScript;
use super::world::{World, WorldError};

pub use self::form::TrailForm;

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Files.
    pub files: u64,
    /// Records in them, repeated ones too.
    pub records: u64,
    /// Records that the script delays, and that are therefore not among them.
    pub delayed: u64,
}

/// Why the records cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum TrailError {
    /// The state has no usable world.
    #[error("{} holds no usable sandbox world", dir.display())]
    World {
        /// The directory.
        dir: PathBuf,
        /// Why.
        source: WorldError,
    },
    /// The sandbox's own record is damaged.
    #[error("line {line} of {} is damaged", record.display())]
    Damaged {
        /// The record.
        record: PathBuf,
        /// The line, from 1.
        line: u64,
        /// Why.
        source: serde_json::Error,
    },
    /// Something cannot be read or written.
    #[error("{} cannot be read or written", path.display())]
    Io {
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Writes what CloudTrail would have of the state in `state` into the directory `out`. With `late`, what the script delays is there,
/// too.
///
/// # Errors
/// If the state cannot be read, or `out` not written.
pub fn write_trail(state: &Path, out: &Path, form: TrailForm, late: bool) -> Result<Written, TrailError> {
    let path = state.join("world.json");
    let world = World::load(&path).map_err(|source| TrailError::World { dir: state.to_owned(), source })?;
    let script = world.cloudtrail.clone().unwrap_or_default();
    let mut events = read(&state.join("record.jsonl"), world.seed, &script)?;
    let delayed = script::apply(&script, world.seed, &mut events, late);
    let records = events.len() as u64;
    let files = form.write(out, &events).map_err(|(path, source)| TrailError::Io { path, source })?;
    Ok(Written { files, records, delayed })
}

/// All events of a record, in the order of their times.
fn read(record: &Path, seed: u64, script: &TrailScript) -> Result<Vec<Event>, TrailError> {
    let io = |source| TrailError::Io { path: record.to_owned(), source };
    let (mut requests, mut effects) = (Vec::new(), HashMap::<u64, Vec<Effect>>::new());
    let mut lines = BufReader::new(File::open(record).map_err(io)?);
    let (mut text, mut number) = (String::new(), 0);
    loop {
        text.clear();
        // A line without an end was torn when the sandbox was killed, or is being written.
        if lines.read_line(&mut text).map_err(io)? == 0 || !text.ends_with('\n') {
            break;
        }
        number += 1;
        let line: Line = serde_json::from_str(&text).map_err(|source| TrailError::Damaged {
            record: record.to_owned(),
            line: number,
            source,
        })?;
        match &*line.kind {
            "request" => requests.push(line),
            "effect" => effects.entry(line.by).or_default().push(Effect::of(line)),
            _ => {}
        }
    }
    let mut events = Vec::new();
    let mut deletes = 0;
    for request in &requests {
        let all = effects.remove(&request.seq).unwrap_or_default();
        let (own, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|effect| effect.who == "caller");
        events.extend(Event::of(seed, request, own.first()));
        events.extend(
            others.iter().enumerate().map(|(place, effect)| Event::by_others(seed, request.seq, place, effect)),
        );
        if request.operation == "DeleteKeyPair" {
            deletes += 1;
            events.extend(script::foreign(script, seed, deletes, request));
        }
    }
    events.sort_by(|one, other| (&one.time, &one.id).cmp(&(&other.time, &other.id)));
    Ok(events)
}
