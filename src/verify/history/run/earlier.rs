//! A run, as one that plans rows of it again needs it.

use super::super::retry::Earlier;
use super::{ABANDONED, Bound, Run};
use crate::record::event::SessionOpened;

impl Run {
    /// For a run that this session begins.
    pub(in crate::verify::history) fn earlier(&self, opened: &SessionOpened) -> Earlier {
        let (account, endpoint) = (opened.account.clone(), opened.endpoint.clone());
        let here = Bound { account, endpoint, sandbox: opened.sandbox };
        Earlier {
            is_started: self.started,
            may_ask: self.ended != Some(ABANDONED) && self.outcomes.total() < self.rows,
            is_here: opened.endpoint.is_none() || self.bound.as_ref() == Some(&here),
            manifest: self.manifest.clone(),
            first_row: self.first_row,
            rows: usize::try_from(self.rows).unwrap_or(usize::MAX),
        }
    }
}
