//! A session, while a journal is verified: what it sent, what it was told, and how it ends.

use std::collections::HashSet;

use super::canary::CanaryOf;
use super::controlled::ControlledBy;
use super::trouble::Trouble;
use crate::domain::{AttemptTime, Class};
use crate::record::event::SessionClosed;

/// How far a runner is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Runner {
    /// It takes rows, and decides them.
    AtWork,
    /// It has given its rows back.
    Left,
    /// Its session ended in order.
    Closed,
    /// Its leases ended before it said so.
    Lapsed,
}

/// One process at work, or only keeping house.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// The number of its run.
    pub(super) run: Option<u64>,
    /// Which session of its run it is: entries of a row are judged by that.
    pub(super) number: u16,
    /// How far it is, where it is a runner.
    pub(super) runner: Option<Runner>,
    /// A runner's attempts without an answer: the place of the row, and the attempt.
    pub(super) in_flight: HashSet<(usize, u32)>,
    /// Its requests that began, and those of them that were answered and may have left.
    pub(super) asked: u64,
    pub(super) answered: u64,
    /// Those that ended, the ones that never left too.
    pub(super) over: u64,
    /// Whether it has stopped.
    pub(super) stopped: bool,
    /// The time that its attempts have.
    pub(super) attempt_time: Option<AttemptTime>,
    /// Its canary, where its settings name one.
    pub(super) canary: Option<CanaryOf>,
    /// The fingerprint of the key that signs its checkpoints, where its settings name one.
    pub(super) sign_key: Option<String>,
    /// Whether it has signed the plan.
    pub(super) is_signed: bool,
    /// What it was told while it worked.
    pub(super) controlled: ControlledBy,
    /// The run that it reconciled, and how many rows are still to be resolved by that.
    pub(super) reconciled: Option<(u64, u64)>,
}

impl Session {
    /// It asks for a deletion: of this row, by this attempt. `are_apart`: under four eyes, it signs the plan before.
    pub(super) fn ask(&mut self, are_apart: bool, attempt: (usize, u32)) -> Result<(), Trouble> {
        if are_apart && !self.is_signed {
            return Err("its run is under four eyes, and its session has not signed the plan".into());
        }
        self.asked += 1;
        if self.runner.is_some() {
            self.in_flight.insert(attempt);
        }
        Ok(())
    }

    /// The answer to that.
    pub(super) fn answer(&mut self, class: Class, attempt: (usize, u32)) {
        self.over += 1;
        self.answered += u64::from(class != Class::NotSent);
        self.in_flight.remove(&attempt);
    }

    /// A request of which nothing is known was not counted, and one whose connection was never made only by some versions.
    /// `has_ended`: whether its run has.
    pub(super) fn close(&mut self, closed: &SessionClosed, has_ended: bool) -> Result<(), Trouble> {
        if !(self.answered..=self.asked).contains(&closed.requests.delete) {
            return Err(Trouble::Illegal(format!(
                "it says {} deletes, and the entries of its session show {}",
                closed.requests.delete, self.answered
            )));
        }
        if self.asked != self.over {
            return Err("it closes a session whose attempts are still in flight".into());
        }
        if !self.stopped && !has_ended {
            return Err("it closes a session that has neither stopped nor finished its run".into());
        }
        self.runner = self.runner.map(|_| Runner::Closed);
        Ok(())
    }
}
