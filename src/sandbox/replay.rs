//! Continues a record: a new engine handles its requests once more, at their original times.
//!
//! The same lines must come out, byte for byte; a record that does not follow from its world is refused.
//! Effects that a torn last line lost are written again if they follow from a recorded request.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};

use jiff::Timestamp;
use serde::Deserialize;

use super::call::{Call, Input, Operation, Problem};
use super::clock::{self, Micros};
use super::engine::Engine;
use super::record::Recorder;
use super::world::World;

/// Any line of a record, reduced to what a replay needs.
#[derive(Debug, Deserialize)]
struct AnyLine {
    kind: String,
    at: Timestamp,
    operation: Option<String>,
    #[serde(default)]
    region: String,
    name: Option<String>,
    input: Option<Input>,
    #[serde(default)]
    caller: String,
    token: Option<String>,
    #[serde(default)]
    user_agent: String,
    problem: Option<Problem>,
}

/// Why a record cannot be continued.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Reading, truncating or writing failed.
    #[error("the record cannot be read or written")]
    Io(#[source] io::Error),
    /// A line that is not the last is invalid.
    #[error("line {line} of the record is damaged")]
    Damaged {
        /// The line, from 1.
        line: u64,
        /// Why.
        source: serde_json::Error,
    },
    /// The world beside it would have produced another record.
    #[error("line {line} of the record does not follow from the world beside it (another version, or a changed file)")]
    Foreign {
        /// The line, from 1.
        line: u64,
    },
}

/// Handles a record again and returns the resulting engine, ready to continue in the same file. A torn last line is cut
/// off; effects that were lost with it are written again.
pub(super) fn replay(world: World, mut file: File, now: Micros) -> Result<Engine, RecordError> {
    cut_torn_line(&mut file).map_err(RecordError::Io)?;
    let mut world = Some(world);
    let mut engine: Option<Engine> = None;
    let mut reader = BufReader::new(&file);
    let (mut text, mut number) = (String::new(), 0);
    while reader.read_line(&mut text).map_err(RecordError::Io)? > 0 {
        number += 1;
        let found = text.trim_end();
        let line: AnyLine =
            serde_json::from_str(found).map_err(|source| RecordError::Damaged { line: number, source })?;
        let at = clock::from_timestamp(line.at);
        let engine = match (&mut engine, world.take()) {
            (Some(engine), _) => engine,
            (none, Some(world)) => none.insert(Engine::new(world, Recorder::replaying(), at)),
            (None, None) => return Err(RecordError::Foreign { line: number }),
        };
        let expected = engine.recorder.replayed().or_else(|| {
            again(engine, line, at);
            engine.recorder.replayed()
        });
        if expected.as_deref() != Some(found) {
            return Err(RecordError::Foreign { line: number });
        }
        text.clear();
    }
    let mut engine = match (engine, world) {
        (Some(engine), _) => engine,
        (None, Some(world)) => Engine::new(world, Recorder::replaying(), now),
        (None, None) => return Err(RecordError::Foreign { line: 0 }),
    };
    let mut torn_off = Vec::new();
    while let Some(line) = engine.recorder.replayed() {
        torn_off.extend_from_slice(line.as_bytes());
        torn_off.push(b'\n');
    }
    file.write_all(&torn_off).map_err(RecordError::Io)?;
    engine.recorder = Recorder::file(file);
    Ok(engine)
}

/// Repeats what a line describes.
fn again(engine: &mut Engine, line: AnyLine, at: Micros) {
    match line.kind.as_str() {
        "opened" => engine.open(at),
        // Effects follow from requests; one without a request was due at this time.
        "effect" => engine.tick(at),
        "request" => {
            let operation = line.operation.as_deref().and_then(Operation::named).unwrap_or(Operation::Unknown);
            let input = line.input.unwrap_or(Input { key_pair_name: line.name, ..Input::default() });
            let call = Call {
                operation,
                json: true,
                region: line.region,
                caller: line.caller,
                token: line.token,
                user_agent: line.user_agent,
                input,
                problem: line.problem,
            };
            engine.handle(&call, at);
        }
        _ => {}
    }
}

fn cut_torn_line(file: &mut File) -> io::Result<()> {
    let length = file.seek(SeekFrom::End(0))?;
    let mut end = length;
    let mut block = [0; 4096];
    'search: while end > 0 {
        let start = end.saturating_sub(block.len() as u64);
        let size = usize::try_from(end - start).unwrap_or(block.len());
        file.seek(SeekFrom::Start(start))?;
        io::Read::read_exact(file, &mut block[..size])?;
        for index in (0..size).rev() {
            if block[index] == b'\n' {
                end = start + index as u64 + 1;
                break 'search;
            }
        }
        end = start;
    }
    if end < length {
        file.set_len(end)?;
    }
    file.seek(SeekFrom::Start(0))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use super::super::answer::Manner;
    use super::*;

    /// Every kind of fault strikes sometimes, on every operation that it can be done to.
    const WORLD: &str = r#"{
        "name": "random", "seed": 5, "page_size": 3, "error_header": "alternate", "operations": {"delay_ms": 2},
        "throttle": {"rate_per_s": 400, "burst": 5}, "latency_ms": {"min": 1, "max": 9},
        "credentials_expire_after_deletes": 9, "deny": {"tags": {"keep": "yes"}},
        "key_pairs": {"r": [{"name": "aa", "tags": {"keep": "yes"}}, {"name": "LightsailDefaultKeyPair"}]},
        "generate": [{"region": "r", "prefix": "k-", "count": 12}],
        "faults": [
            {"nth": [2, 9], "do": "late_effect", "delay_ms": 7}, {"nth": 12, "do": "late_delivery", "delay_ms": 7},
            {"nth": [3, 11], "do": "slow_operation", "polls": 2, "effect": "at_end"},
            {"nth": [4], "do": "slow_operation", "ms": 5, "effect": "at_end"}, {"nth": 5, "do": "recreate_after"},
            {"nth": 6, "do": "failed_operation"}, {"nth": 7, "do": "operation_failed_later"},
            {"nth": 8, "do": "vanish_before", "history": "kept"}, {"nth": 10, "do": "cut_after"},
            {"on": "GetKeyPair", "nth": [2, 5], "do": "recreate_before", "fingerprint": "same"},
            {"on": "GetKeyPairs", "nth": 3, "do": "expired_credentials", "requests": 3},
            {"on": "GetOperation", "nth": [3], "do": "hang"}
        ]
    }"#;

    fn random_call(random: &mut fastrand::Rng, operations: &[String]) -> Call {
        let names = ["aa", "k-000001", "k-000002", "k-000003", "k-000004", "k-000012", "fresh", "-", "nobody"];
        let name = Some(names[random.usize(..names.len())].to_owned());
        let (operation, input) = match random.u8(..10) {
            0..=3 => (Operation::DeleteKeyPair, Input { key_pair_name: name, ..Input::default() }),
            4 => (Operation::GetKeyPair, Input { key_pair_name: name, ..Input::default() }),
            5 => (Operation::CreateKeyPair, Input { key_pair_name: name, ..Input::default() }),
            6 => (Operation::GetKeyPairs, Input { include_default_key_pair: Some(true), ..Input::default() }),
            7 => (Operation::GetOperationsForResource, Input { resource_name: name, ..Input::default() }),
            8 => (
                Operation::GetOperation,
                Input { operation_id: random.choice(operations).cloned(), ..Input::default() },
            ),
            _ => (Operation::Unknown, Input::default()),
        };
        let problem = (operation == Operation::Unknown).then(|| Problem::UnknownOperation("x \"y\"".to_owned()));
        let caller = if random.u8(..4) == 0 { "two" } else { "one" }.to_owned();
        Call {
            operation,
            json: true,
            region: "r".to_owned(),
            caller,
            token: None,
            user_agent: "ü/1".to_owned(),
            input,
            problem,
        }
    }

    fn state(engine: &Engine) -> String {
        let pairs: Vec<_> = engine.regions.iter().map(|region| region.pairs.page(None, 1_000, true)).collect();
        format!("{:?} {pairs:?} {:?} {:?}", engine.stats(1_000), engine.due, engine.last_operation)
    }

    #[test]
    fn a_replayed_record_gives_the_same_state_and_the_same_answers() {
        for seed in 0..60 {
            let dir = tempfile::tempdir().unwrap();
            let open =
                || OpenOptions::new().read(true).append(true).create(true).open(dir.path().join("record")).unwrap();
            let world = || World::parse(WORLD).unwrap();
            let mut random = fastrand::Rng::with_seed(seed);
            let mut now = 1_700_000_000_000_000;
            let mut engine = replay(world(), open(), now).unwrap();
            engine.open(now);
            let mut operations = vec!["nonsense".to_owned()];
            for step in 0..80 {
                now += random.u64(..6_000);
                match random.u8(..20) {
                    // Reading the statistics lets late effects happen between requests.
                    0 => engine.tick(now),
                    1 => {
                        let before = state(&engine);
                        drop(engine);
                        engine = replay(world(), open(), now).unwrap();
                        assert_eq!(state(&engine), before, "seed {seed}, step {step}");
                        engine.open(now);
                    }
                    _ => {
                        let reply = engine.handle(&random_call(&mut random, &operations), now);
                        let body: serde_json::Value = serde_json::from_str(&reply.answer.body).unwrap_or_default();
                        operations.extend(body["operation"]["id"].as_str().map(str::to_owned));
                    }
                }
            }
        }
    }

    #[test]
    fn a_record_that_cannot_be_written_silences_the_sandbox() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("record"), "").unwrap();
        let read_only = File::open(dir.path().join("record")).unwrap();
        let mut engine = Engine::new(World::parse(WORLD).unwrap(), Recorder::file(read_only), 1);
        let mut random = fastrand::Rng::with_seed(1);
        for now in 1..3 {
            let reply = engine.handle(&random_call(&mut random, &["nonsense".to_owned()]), now);
            assert_eq!(reply.manner, Manner::Cut, "nothing is answered that is not on record");
        }
        assert!(engine.stats(0).broken.is_some());
    }
}
