//! The record: one line for each request that arrived and one for each effect, before anybody gets an answer.
//!
//! A request and its effects on the world are in one write(2), so a killed sandbox forgets nothing that it answered; there
//! is no fsync, because a sandbox need not survive a power cut. The record is also the only state on
//! disk: `replay` handles its requests again and insists that the same lines come out.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::answer::{Answer, Manner};
use super::call::{Input, Operation, Problem};
use super::clock::{self, Micros};
use super::derive::{self, ACCOUNT};
use super::fault::Kind;
use super::turn::Turn;
use super::world::World;

/// Where the lines go.
#[derive(Debug)]
pub(super) struct Recorder {
    target: Target,
    pending: Vec<u8>,
}

#[derive(Debug)]
enum Target {
    /// Nowhere: a world in memory keeps only counters.
    Nothing,
    File(File),
    /// Into a queue, to be compared with the lines of a record.
    Replay(VecDeque<String>),
}

impl Recorder {
    pub(super) fn nothing() -> Self {
        Self { target: Target::Nothing, pending: Vec::new() }
    }

    pub(super) fn replaying() -> Self {
        Self { target: Target::Replay(VecDeque::new()), pending: Vec::new() }
    }

    /// `file` must be open for appending.
    pub(super) fn file(file: File) -> Self {
        Self { target: Target::File(file), pending: Vec::new() }
    }

    pub(super) fn keeps(&self) -> bool {
        !matches!(self.target, Target::Nothing)
    }

    /// Adds a line to what the next commit writes.
    pub(super) fn line(&mut self, kind: &'static str, at: Micros, fields: &impl Serialize) {
        if !self.keeps() {
            return;
        }
        let line = Line { kind, at: clock::rfc3339(at), fields };
        // Writing a string into memory cannot fail.
        let _ = serde_json::to_writer(&mut self.pending, &line);
        self.pending.push(b'\n');
    }

    /// Writes the lines in one write(2).
    pub(super) fn commit(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let pending = std::mem::take(&mut self.pending);
        match &mut self.target {
            Target::Nothing => {}
            Target::File(file) => file.write_all(&pending)?,
            Target::Replay(lines) => {
                lines.extend(String::from_utf8_lossy(&pending).lines().map(str::to_owned));
                return Ok(());
            }
        }
        // The buffer is reused.
        self.pending = pending;
        self.pending.clear();
        Ok(())
    }

    /// The next line that a replay has produced.
    pub(super) fn replayed(&mut self) -> Option<String> {
        match &mut self.target {
            Target::Replay(lines) => lines.pop_front(),
            _ => None,
        }
    }
}

#[derive(Serialize)]
struct Line<'a, T> {
    kind: &'static str,
    at: String,
    #[serde(flatten)]
    fields: &'a T,
}

/// A session began.
#[derive(Debug, Serialize)]
pub(super) struct OpenedLine<'a> {
    pub(super) world: &'a str,
    pub(super) version: &'a str,
}

/// A request arrived.
#[derive(Debug, Serialize)]
pub(super) struct RequestLine<'a> {
    seq: u64,
    operation: Operation,
    region: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<&'a Input>,
    request_id: &'a str,
    caller: &'a str,
    /// The caller's account, if it is not that of zeros.
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'a str>,
    /// Who it is, if it is not the rehearsal's role.
    #[serde(skip_serializing_if = "Option::is_none")]
    caller_arn: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    user_agent: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'a Problem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<Kind>,
    /// The status of the answer; `null` if no whole answer was sent.
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

impl<'a> RequestLine<'a> {
    pub(super) fn of(turn: &'a Turn<'_>, answer: &'a Answer, manner: Manner, fault: Option<Kind>) -> Self {
        let input = &turn.call.input;
        // Most requests have only a name, which is not written twice.
        let bare = Input { key_pair_name: input.key_pair_name.clone(), ..Input::default() };
        let answered = manner == Manner::Whole;
        Self {
            seq: turn.seq,
            operation: turn.call.operation,
            region: &turn.call.region,
            name: turn.call.name(),
            input: (*input != bare).then_some(input),
            request_id: &turn.request_id,
            caller: &turn.call.caller,
            account: Some(&*turn.caller.account_id).filter(|id| *id != ACCOUNT),
            caller_arn: Some(&*turn.caller.arn).filter(|arn| *arn != derive::caller_arn(&turn.caller.account_id)),
            token: turn.call.token.as_deref(),
            user_agent: &turn.call.user_agent,
            problem: turn.call.problem.as_ref(),
            fault,
            status: answered.then_some(answer.status),
            error: answer.error.filter(|_| answered),
        }
    }
}

/// The id that distinguishes this instance of a world from every other, even from another instance of the same file.
pub(super) fn instance_digest(world: &World, opened_at: Micros) -> String {
    struct Hashing(Sha256);
    impl Write for Hashing {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.update(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut hashing = io::BufWriter::new(Hashing(Sha256::new()));
    // Writing to a hash cannot fail.
    let _ = serde_json::to_writer(&mut hashing, world);
    let _ = hashing.write_all(&opened_at.to_be_bytes());
    let digest = hashing.into_inner().map(|hashing| hashing.0.finalize().to_vec()).unwrap_or_default();
    derive::hex(digest.get(..6).unwrap_or_default())
}
