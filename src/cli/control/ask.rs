//! Asks a session at work through its socket.

use std::io;
use std::path::Path;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::place::{may_control, own_uid};
use super::wire::{Answer, MOST_ANSWERED, PATIENCE, PATIENCE_FOR_AN_ANSWER, Question, VERSION, line};

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// Nobody listens there.
    Nobody,
    /// The socket cannot be used.
    Unusable(String),
    /// The question was sent, and no answer came: it may have been obeyed.
    Lost(String),
}

/// Asks whoever listens at `socket`.
///
/// # Errors
/// If there is no answer.
pub(super) async fn ask(socket: &Path, question: &Question) -> Result<Answer, Unanswered> {
    let unusable = |error: &dyn std::fmt::Display| Unanswered::Unusable(format!("{}: {error}", socket.display()));
    let connected = timeout(PATIENCE, UnixStream::connect(socket)).await.map_err(|error| unusable(&error))?;
    let mut stream = connected.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Unanswered::Nobody,
        _ => unusable(&error),
    })?;
    let owner = stream.peer_cred().map_err(|error| unusable(&error))?.uid();
    // Root controls the sessions of others; nobody else is told anything by them.
    if own_uid() != 0 && !may_control(owner, own_uid()) {
        return Err(unusable(&format!("it belongs to another user (uid {owner})")));
    }
    match timeout(PATIENCE, stream.write_all(&line(question))).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Err(unusable(&error)),
        Err(late) => return Err(unusable(&late)),
    }
    let mut bytes = Vec::new();
    let mut reader = BufReader::new(stream.take(MOST_ANSWERED));
    match timeout(PATIENCE_FOR_AN_ANSWER, reader.read_until(b'\n', &mut bytes)).await {
        Ok(Ok(_)) if bytes.ends_with(b"\n") => {}
        Ok(Ok(_)) => return Err(Unanswered::Lost("the session ended before it answered".into())),
        Ok(Err(error)) => return Err(Unanswered::Lost(error.to_string())),
        Err(late) => return Err(Unanswered::Lost(late.to_string())),
    }
    let answer = serde_json::from_slice::<Answer>(&bytes).ok();
    answer.filter(|answer| answer.v == VERSION).ok_or_else(|| {
        Unanswered::Lost("the session is of another version of keybatch, and its answer cannot be read".into())
    })
}
