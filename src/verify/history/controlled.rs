//! What people did to a session at work: only where it works, and it did what it was told.

use crate::record::control_used::{ControlUsed, Controlled};
use crate::record::event::SessionOpened;
use crate::record::lease::WORK;

/// What a session was told while it worked.
#[derive(Debug, Default)]
pub(super) struct ControlledBy {
    /// Whether it deletes at all.
    deletes: bool,
    is_paused: bool,
    is_stopped: bool,
}

impl ControlledBy {
    /// Nothing yet.
    pub(super) fn before(opened: &SessionOpened) -> Self {
        Self { deletes: ["run", "resume", WORK].contains(&opened.command.as_str()), ..Self::default() }
    }

    /// It is told something, in a run that has `started` or not.
    pub(super) fn tell(&mut self, used: &ControlUsed, started: bool) -> Result<(), &'static str> {
        if !started || !self.deletes {
            return Err("a session is controlled while it executes a run that was started");
        }
        if self.is_stopped && used.what != Controlled::Stop {
            return Err("its session was told to stop before");
        }
        match used.what {
            Controlled::Pause => self.is_paused = true,
            Controlled::Continue => self.is_paused = false,
            Controlled::Stop => self.is_stopped = true,
            Controlled::Rate => {}
        }
        Ok(())
    }

    /// It begins an attempt.
    pub(super) fn ask(&self) -> Result<(), &'static str> {
        match (self.is_stopped, self.is_paused) {
            (true, _) => Err("its session was told to stop before"),
            (false, true) => Err("its session was told to pause before, and not to continue"),
            (false, false) => Ok(()),
        }
    }
}
