//! Commands of keybatch that are suggested to people, as lines to paste into a shell.

use std::path::Path;

/// What a flag told the present command, and a suggested one must be told again. What a variable or a settings file says applies
/// to both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Given {
    /// `--journal`.
    pub journal: Option<String>,
    /// `--policy`.
    pub policy: Option<String>,
    /// `--sign-key`.
    pub sign_key: Option<String>,
    /// Whether the present command shares its run with others: it goes on by `work`, since `resume` wants the run alone.
    pub shares: bool,
}

impl Given {
    /// The same for a command about this journal.
    #[must_use]
    pub fn for_journal(&self, journal: &Path) -> Self {
        Self { journal: Some(journal.to_string_lossy().into_owned()), ..self.clone() }
    }
}

/// The commands that take `--policy` and need the one under which the run was planned.
const BOUND_BY_POLICY: [&str; 3] = ["run", "resume", "work"];

/// The commands of a run that take `--sign-key`: four eyes require the one of the session.
const SIGNING: [&str; 4] = ["run", "resume", "work", "abandon"];

/// A command of keybatch, without the options that depend on how the present one was called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggested {
    words: Vec<String>,
    journal: Option<String>,
}

impl Suggested {
    /// From its words, unquoted: `["show", run]`.
    #[must_use]
    pub fn new<W: ToString>(words: impl IntoIterator<Item = W>) -> Self {
        Self { words: words.into_iter().map(|word| word.to_string()).collect(), journal: None }
    }

    /// About this journal, which is not the present command's.
    #[must_use]
    pub fn in_journal(self, journal: &Path) -> Self {
        Self { journal: Some(journal.to_string_lossy().into_owned()), ..self }
    }

    /// The line, with what was given.
    #[must_use]
    pub fn line(&self, given: &Given) -> String {
        let takes = |commands: &[&str]| self.words.first().is_some_and(|first| commands.contains(&first.as_str()));
        let options = [
            ("--journal", self.journal.as_ref().or(given.journal.as_ref())),
            ("--policy", given.policy.as_ref().filter(|_| takes(&BOUND_BY_POLICY))),
            ("--sign-key", given.sign_key.as_ref().filter(|_| takes(&SIGNING))),
        ];
        let mut line = String::from("keybatch");
        let goes_on = given.shares && self.words.len() == 2;
        for (place, next) in self.words.iter().enumerate() {
            let next = if place == 0 && goes_on && next == "resume" { "work" } else { next };
            line.push(' ');
            line.push_str(&word(next));
        }
        for (option, value) in options {
            if let Some(value) = value {
                line.push_str(&format!(" {option} {}", word(value)));
            }
        }
        line
    }
}

/// A word as a shell takes it.
#[must_use]
pub(super) fn word(text: &str) -> String {
    // No argument of a program contains NUL, so there is no line with one.
    shlex::try_quote(text).map_or_else(|_| shown_nul(text), std::borrow::Cow::into_owned)
}

fn shown_nul(text: &str) -> String {
    word(&text.replace('\0', "\u{fffd}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_take_them_for_more() {
        for text in ["a b", "it's", "", "$(date)", "a;b", "~", "é", "`x`", "\"", "#", "a\nb"] {
            assert_eq!(shlex::split(&word(text)), Some(vec![text.to_owned()]), "{text}");
            assert_ne!(word(text), text);
        }
        for text in ["kp-1", "eu-west-1", "row:7", "/var/lib/journal.db", "RUN"] {
            assert_eq!(word(text), text);
        }
        assert_eq!(word("a\0b"), "'a\u{fffd}b'");
    }

    #[test]
    fn a_suggested_command_repeats_only_the_flags_that_it_takes() {
        let given = Given {
            journal: Some("my journal.db".into()),
            policy: Some("p.toml".into()),
            sign_key: Some("/keys/k".into()),
            shares: false,
        };
        let line = |words: &[&str]| Suggested::new(words).line(&given);
        assert_eq!(
            line(&["resume", "r"]),
            "keybatch resume r --journal 'my journal.db' --policy p.toml --sign-key /keys/k"
        );
        let shared = Given { shares: true, journal: None, ..given.clone() };
        let of_runner = Suggested::new(["resume", "r"]).line(&shared);
        assert_eq!(
            of_runner, "keybatch work r --policy p.toml --sign-key /keys/k",
            "whoever shares a run does not want it alone"
        );
        assert_eq!(Suggested::new(["show", "r"]).line(&shared), "keybatch show r");
        assert_eq!(line(&["abandon", "r"]), "keybatch abandon r --journal 'my journal.db' --sign-key /keys/k");
        assert_eq!(line(&["show", "r"]), "keybatch show r --journal 'my journal.db'");
        assert_eq!(Suggested::new(["show", "r"]).line(&Given::default()), "keybatch show r");
        let elsewhere = Suggested::new(["show", "r"]).in_journal(Path::new("archive.db"));
        assert_eq!(elsewhere.line(&given), "keybatch show r --journal archive.db");
    }
}
