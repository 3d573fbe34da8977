//! Checkpoints that were handed to a command: each was made, and they follow in order.

use std::collections::HashMap;

use super::Trouble;
use crate::record::Event;
use crate::record::anchored::{AnchorFailure, CheckpointAnchored};

/// The checkpoints that were made, and how far they were handed over. They are few: one for a thousand entries.
#[derive(Debug, Default)]
pub(super) struct Anchored {
    /// Size and root of each, ascending.
    made: Vec<(u64, String)>,
    /// The size of the last one that each session handed over: those that share a run do so side by side.
    up_to: HashMap<u64, u64>,
}

impl Anchored {
    /// Takes an entry about a checkpoint, or says why it cannot be.
    pub(super) fn take(&mut self, session: u64, event: &Event) -> Result<(), Trouble> {
        match event {
            Event::CheckpointMade(made) => self.made.push((made.size, made.root.clone())),
            Event::CheckpointAnchored(anchored) => self.hand_over(session, anchored)?,
            _ => {}
        }
        Ok(())
    }

    fn hand_over(&mut self, session: u64, anchored: &CheckpointAnchored) -> Result<(), &'static str> {
        let found = self.made.binary_search_by_key(&anchored.size, |(size, _)| *size);
        let made = found.ok().and_then(|place| self.made.get(place));
        if made.is_none_or(|(_, root)| *root != anchored.root) {
            return Err("it is about a checkpoint that was not made");
        }
        let up_to = self.up_to.entry(session).or_default();
        if anchored.size <= *up_to {
            return Err("checkpoints are handed over in order, and each one once");
        }
        *up_to = anchored.size;
        let ended = match anchored.failure {
            None => anchored.exit_code == Some(0),
            Some(AnchorFailure::Exit) => anchored.exit_code.is_some_and(|code| code != 0),
            Some(_) => anchored.exit_code.is_none(),
        };
        if !ended {
            return Err("its exit code and its failure contradict each other");
        }
        if anchored.receipt.holds() { Ok(()) } else { Err("its receipt is not one that keybatch keeps") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::anchored::Receipt;
    use crate::record::event::CheckpointMade;

    fn made(size: u64) -> Event {
        Event::CheckpointMade(CheckpointMade { size, root: format!("R{size}") })
    }

    fn handed_over(size: u64) -> CheckpointAnchored {
        CheckpointAnchored {
            size,
            root: format!("R{size}"),
            program: "git".into(),
            elapsed_ms: 3,
            exit_code: Some(0),
            failure: None,
            detail: None,
            receipt: Receipt::new(b"4f2a", 4),
        }
    }

    /// The checkpoints of 3 and of 9 entries were made, the first of them is anchored; then this is said.
    fn said(then: CheckpointAnchored) -> Result<(), Trouble> {
        let mut anchored = Anchored::default();
        for event in [made(3), made(9), Event::CheckpointAnchored(handed_over(3))] {
            anchored.take(1, &event).unwrap_or_else(|_| panic!("{event:?}"));
        }
        // What another session handed over says nothing of this one's order.
        anchored.take(2, &Event::CheckpointAnchored(handed_over(9))).unwrap_or_else(|_| panic!("of another session"));
        anchored.take(1, &Event::CheckpointAnchored(then))
    }

    #[test]
    fn a_checkpoint_is_anchored_once_it_is_made_in_order_and_as_it_ended() {
        let of = || handed_over(9);
        assert!(said(of()).is_ok());
        let failed = |failure, exit_code| CheckpointAnchored { failure: Some(failure), exit_code, ..of() };
        assert!(said(failed(AnchorFailure::Exit, Some(1))).is_ok());
        assert!(said(failed(AnchorFailure::Timeout, None)).is_ok());
        for wrong in [
            handed_over(3),
            handed_over(4),
            CheckpointAnchored { root: "R3".into(), ..of() },
            CheckpointAnchored { exit_code: Some(1), ..of() },
            CheckpointAnchored { exit_code: None, ..of() },
            failed(AnchorFailure::Exit, Some(0)),
            failed(AnchorFailure::Exit, None),
            failed(AnchorFailure::NotStarted, Some(0)),
            CheckpointAnchored { receipt: Receipt { bytes: Some(3), ..Receipt::default() }, ..of() },
        ] {
            assert!(said(wrong.clone()).is_err(), "{wrong:?}");
        }
    }
}
