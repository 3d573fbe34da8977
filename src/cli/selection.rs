//! Some rows of an earlier run that are planned again: the options that `plan` and `run` share.

use std::collections::BTreeSet;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::error::ErrorKind;

use super::error::{CliError, Sent};
use super::exit::Exit;
use super::shown;
use crate::domain::Retriable;
use crate::record::plan::PlanHeader;
use crate::session::Selection;

/// Some rows of an earlier run.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct SelectionOptions {
    /// Plan only the rows of an earlier run (--of) that have one of these outcomes, separated by commas
    #[arg(long, value_name = "OUTCOMES", value_delimiter = ',', requires = "of", value_parser = Outcomes)]
    only: Vec<Retriable>,
    /// The earlier run: its id, a unique prefix of it (4 characters or more), or latest; its rows come from the journal
    #[arg(long, value_name = "RUN", requires = "only")]
    pub(super) of: Option<String>,
}

/// Reads an outcome after which a row can be planned again.
#[derive(Debug, Clone, Copy)]
struct Outcomes;

impl TypedValueParser for Outcomes {
    type Value = Retriable;

    fn parse_ref(
        &self,
        command: &clap::Command,
        _argument: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<Retriable, clap::Error> {
        let word = value.to_string_lossy();
        Retriable::of(&word.replace('-', "_")).ok_or_else(|| {
            let known: Vec<_> = Retriable::ALL.iter().map(|outcome| outcome.as_str()).collect();
            let why = match word.as_ref() {
                "deleted" => "a key pair that was deleted is not there to be deleted again".to_owned(),
                "unsettled" => {
                    "what became of an unsettled row must be settled first: continue its run with keybatch resume"
                        .to_owned()
                }
                _ => format!("{} is not an outcome of a row", shown(&word)),
            };
            let message = format!("--only: {why}; it can be {}\n", known.join(", "));
            clap::Error::raw(ErrorKind::InvalidValue, message).with_cmd(command)
        })
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(Retriable::ALL.iter().map(|outcome| PossibleValue::new(outcome.as_str()))))
    }
}

impl SelectionOptions {
    /// The rows that are meant, if they are not all of a manifest.
    pub(super) fn selection(&self) -> Option<Selection> {
        let only: BTreeSet<_> = self.only.iter().copied().collect();
        self.of.as_ref().map(|of| Selection { of: of.clone(), only })
    }

    /// Refuses options that make no sense for rows of an earlier run.
    ///
    /// # Errors
    /// The refusal.
    pub(super) fn check(&self, others: &[(&str, bool)]) -> Result<(), CliError> {
        match others.iter().find(|(_, given)| self.of.is_some() && *given) {
            None => Ok(()),
            Some((flag, _)) => {
                let message = format!("{flag} is about a manifest, and --only about rows of an earlier run");
                let hint = "the rows come from the journal, and their key pairs are looked for where that run was";
                Err(CliError::new(Exit::Usage, message).sent(Sent::Nothing).hint(hint))
            }
        }
    }
}

/// Which rows of which run a plan has, where it has not all of a manifest.
pub(super) fn of_plan(header: &PlanHeader) -> Option<String> {
    let selection = Selection::of_settings(&header.settings)?;
    Some(format!("rows of run {} that are {}", selection.of, selection.in_words()))
}
