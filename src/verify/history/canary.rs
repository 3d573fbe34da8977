//! What a session with a canary may do: ask for so many key pairs of each target, and read them once more after their outcome.

use std::collections::HashSet;

use crate::record::event::{Found, Observed, SessionOpened, Source};

/// The canary of a session.
#[derive(Debug)]
pub(super) struct CanaryOf {
    /// How many key pairs of each target it permits.
    most: usize,
    /// The places of the rows that the session asked for.
    asked: HashSet<usize>,
}

impl CanaryOf {
    /// That of the session's settings, if they name one.
    pub(super) fn ordered_by(opened: &SessionOpened) -> Option<Self> {
        let most = opened.settings.get("canary")?.parse().ok()?;
        Some(Self { most, asked: HashSet::new() })
    }

    /// The row at this place is asked for, in a plan of so many targets.
    pub(super) fn ask(&mut self, place: usize, targets: usize) -> Result<(), &'static str> {
        self.asked.insert(place);
        if self.asked.len() > self.most.saturating_mul(targets) {
            return Err("its session asks for more key pairs than its canary permits");
        }
        Ok(())
    }

    /// The row at this place, which has its outcome, is read.
    pub(super) fn read_back(&self, place: usize, seen: &Observed) -> Result<(), &'static str> {
        if seen.source != Source::GetKeyPair || !self.asked.contains(&place) {
            return Err(SETTLED);
        }
        match seen.found {
            Found::Operation | Found::Unfinished | Found::NoOperation | Found::Listed => {
                Err("reading a key pair finds no such thing")
            }
            _ => Ok(()),
        }
    }
}

/// Why nothing follows.
pub(super) const SETTLED: &str = "the row has its outcome already";
