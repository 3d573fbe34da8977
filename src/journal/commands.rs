//! What the writer is asked for, and what of it goes into one transaction.

use tokio::sync::{mpsc, oneshot};

use super::JournalError;
use super::head::Stamp;
use crate::record::Draft;
use crate::record::checkpoint::Checkpoint;

/// How many entries one transaction takes at most: one full chunk of the largest statement. More would only make
/// the first of them wait longer.
const MAX_BATCH: usize = 256;

/// Where the last transaction answered so many requests, or more, several rows are at work at once.
const CROWD: usize = 8;

pub(super) type Ack<T> = oneshot::Sender<Result<T, JournalError>>;

#[derive(Debug)]
pub(super) enum Command {
    Append { drafts: Vec<Draft>, ack: Ack<Vec<Stamp>> },
    Checkpoint { ack: Ack<Checkpoint> },
    Close { ack: Ack<Checkpoint> },
}

/// What goes into one transaction.
pub(super) struct Group {
    pub(super) drafts: Vec<Draft>,
    /// For how many of the drafts each waits.
    pub(super) acks: Vec<(usize, Ack<Vec<Stamp>>)>,
    /// What came behind them, and is for afterwards.
    pub(super) other: Option<Command>,
}

impl Group {
    /// Takes what is queued.
    pub(super) fn take(&mut self, commands: &mut mpsc::Receiver<Command>) {
        while self.drafts.len() < MAX_BATCH && self.other.is_none() {
            match commands.try_recv() {
                Ok(Command::Append { drafts, ack }) => {
                    self.acks.push((drafts.len(), ack));
                    self.drafts.extend(drafts);
                }
                Ok(command) => self.other = Some(command),
                Err(_) => break,
            }
        }
    }

    pub(super) fn is_small(&self, crowd: usize) -> bool {
        self.other.is_none() && crowd >= CROWD && self.acks.len() < crowd / 2
    }
}

/// Answers it with an error.
pub(super) fn refuse(command: Command, error: &JournalError) {
    match command {
        Command::Append { ack, .. } => drop(ack.send(Err(error.clone()))),
        Command::Checkpoint { ack } | Command::Close { ack } => drop(ack.send(Err(error.clone()))),
    }
}
