//! What every command works with.

use std::path::PathBuf;

use super::environment::Environment;
use super::ui::Ui;

/// What prints, what surrounds the program, and its journal.
#[derive(Debug, Clone)]
pub struct Context {
    /// What prints.
    pub ui: Ui,
    /// The program's surroundings.
    pub environment: Environment,
    /// Where the journal is.
    pub journal: PathBuf,
}
