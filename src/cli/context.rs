//! What every command works with.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::code::Code;
use super::environment::Environment;
use super::error::{CliError, Sent};
use super::exit::Exit;
use super::settings::Settings;
use super::ui::{Ui, shown};
use crate::journal::{JournalError, Location, Reader, Reservation, open};
use crate::sandbox::Sandbox;

/// The printer, the environment and the journal of a command.
#[derive(Debug, Clone)]
pub struct Context {
    /// What prints.
    pub ui: Ui,
    /// The program's environment.
    pub environment: Environment,
    /// Where the journal is.
    pub journal: Location,
    /// Several journals, where the command was given them.
    pub(super) many: Option<Arc<[PathBuf]>>,
    /// What the files of settings say.
    pub(super) settings: Arc<Settings>,
    /// The sandbox of a rehearsal, while the command serves one.
    pub(super) served: Arc<Mutex<Weak<Sandbox>>>,
    /// The readers that the command has opened.
    readers: Arc<Mutex<Vec<Reader>>>,
}

impl Context {
    pub(super) fn new(ui: Ui, environment: Environment, journal: Location, settings: Settings) -> Self {
        Self {
            ui,
            environment,
            journal,
            many: None,
            settings: Arc::new(settings),
            served: Arc::default(),
            readers: Arc::default(),
        }
    }

    /// The same for the journal in another file.
    pub(super) fn of_journal(&self, journal: &Path) -> Self {
        let mut of = Self { journal: journal.into(), ..self.clone() };
        of.ui.given = self.ui.given.for_journal(journal).into();
        of
    }

    /// Whether a flag names the journal. One that is not there yet is then a mistake, and not the beginning.
    pub(super) fn is_journal_named(&self) -> bool {
        self.ui.given.journal.is_some()
    }

    /// The error where a run or the journal was named, and there is no journal.
    pub(super) fn missing_journal(&self) -> CliError {
        let path = shown(&self.journal.to_string());
        CliError::new(Exit::Environment, format!("there is no journal at {path}"))
            .code(Code::JournalMissing)
            .hint("name the journal with --journal or KEYBATCH_JOURNAL")
            .sent(Sent::Nothing)
    }

    /// Opens the journal for reading, until the command ends.
    ///
    /// # Errors
    /// As [`open::reader`].
    pub(super) async fn reader(&self) -> Result<Reader, JournalError> {
        let reader = open::reader(&self.journal).await?;
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).push(reader.clone());
        Ok(reader)
    }

    /// Opens the journal for reading, also one of a later version, and says why what it shows may not be what was recorded.
    ///
    /// # Errors
    /// As [`open::any_reader`].
    pub(super) async fn any_reader(&self) -> Result<Reader, JournalError> {
        let reader = open::any_reader(&self.journal).await?;
        let is_first = {
            let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
            readers.push(reader.clone());
            readers.len() == 1
        };
        // Damage that shows here shows again in what is read.
        for reservation in reader.reservations().await.unwrap_or_default().iter().filter(|_| is_first) {
            self.ui.ask(&match reservation {
                Reservation::Newer { version, known } => format!(
                    "warning: a newer keybatch wrote this journal (version {version}; this one knows {known}): what is new in it \
                     is not shown"
                ),
                Reservation::Changed { what } => format!(
                    "warning: this journal was changed ({}), so what it shows may be false: see {}",
                    shown(what),
                    self.ui.suggested(["verify"])
                ),
            });
        }
        Ok(reader)
    }

    /// Closes what the command has opened for reading.
    pub(super) async fn release(&self) {
        let readers = std::mem::take(&mut *self.readers.lock().unwrap_or_else(PoisonError::into_inner));
        for reader in readers {
            reader.release().await;
        }
    }
}
