//! What the user can do after an error: a sentence, or one with a command in it. The command line is composed when the hint is shown,
//! because only there it is known which flags it must repeat.

use crate::review::{Given, Suggested};

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    before: String,
    command: Option<Suggested>,
    after: String,
}

impl Hint {
    /// A sentence that leads to a command: `see how it ended with: `.
    pub(super) fn command<W: ToString>(before: impl Into<String>, words: impl IntoIterator<Item = W>) -> Self {
        Self::suggesting(before, Suggested::new(words))
    }

    /// The same with a command that is there already.
    pub(super) fn suggesting(before: impl Into<String>, command: Suggested) -> Self {
        Self { before: before.into(), command: Some(command), after: String::new() }
    }

    /// What follows the command.
    #[must_use]
    pub(super) fn and(self, after: impl Into<String>) -> Self {
        Self { after: after.into(), ..self }
    }

    /// The hint as text.
    #[must_use]
    pub fn told(&self, given: &Given) -> String {
        let command = self.command.as_ref().map(|command| command.line(given)).unwrap_or_default();
        format!("{}{command}{}", self.before, self.after)
    }
}

impl From<String> for Hint {
    fn from(text: String) -> Self {
        Self { before: text, command: None, after: String::new() }
    }
}

impl From<&str> for Hint {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}
