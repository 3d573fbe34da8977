//! Some rows of an earlier run, that are planned again.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::domain::{OF, ONLY, Retriable};

/// Some rows of an earlier run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// The run: its id, a unique prefix of it, or `latest`; its id, once it was found.
    pub of: String,
    /// The outcomes of these rows.
    pub only: BTreeSet<Retriable>,
}

/// What a summary says of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RetryOf {
    /// The run.
    pub run: String,
    /// The outcomes that its rows had.
    pub only: Vec<&'static str>,
}

impl Selection {
    /// The settings that say which rows these are.
    pub(super) fn named(&self) -> [(&'static str, String); 2] {
        [(OF, self.of.clone()), (ONLY, Retriable::joined(&self.only))]
    }

    /// What the settings of a session, or of a plan's header, say of it.
    #[must_use]
    pub fn of_settings(settings: &BTreeMap<String, String>) -> Option<Self> {
        let only = Retriable::written(settings.get(ONLY)?)?;
        Some(Self { of: settings.get(OF)?.clone(), only })
    }

    /// The outcomes in words for people.
    #[must_use]
    pub fn in_words(&self) -> String {
        let words: Vec<_> = self.only.iter().map(|outcome| outcome.as_str().replace('_', " ")).collect();
        match words.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, others)) => format!("{} or {last}", others.join(", ")),
            None => String::new(),
        }
    }
}

impl From<&Selection> for RetryOf {
    fn from(selection: &Selection) -> Self {
        let only = selection.only.iter().map(|outcome| outcome.as_str()).collect();
        Self { run: selection.of.clone(), only }
    }
}
