//! Commands that are suggested outside of errors. [`Hint`](super::hint::Hint) has those of errors.

use super::Ui;
use crate::review::Suggested;

impl Ui {
    /// A command of keybatch as a line to paste into a shell.
    pub(super) fn suggested<W: ToString>(&self, words: impl IntoIterator<Item = W>) -> String {
        Suggested::new(words).line(&self.given)
    }
}
