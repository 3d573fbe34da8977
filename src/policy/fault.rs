//! What is wrong with a policy file, with its place and what to do about it.

use std::fmt;
use std::ops::Range;

use crate::manifest::Shown;

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
    /// It is not text in UTF-8.
    Encoding,
    /// It is longer than a policy may be.
    Length,
    /// It is not TOML; in the parser's words.
    Syntax(String),
    /// There is no such key; the one that may be meant.
    UnknownKey(Shown, Option<&'static str>),
    /// A key of the whole file stands behind the heading of a table, so that it belongs to that.
    MisplacedKey(&'static str, &'static str),
    /// A value of another type: what it belongs to, what is expected, what was found.
    Type(String, &'static str, &'static str),
    /// A value that means nothing there: what it belongs to, the value, and what to write.
    Value(String, Shown, String),
}

impl FaultKind {
    /// The stable code, for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Encoding => "policy.encoding",
            Self::Length => "policy.length",
            Self::Syntax(_) => "policy.syntax",
            Self::UnknownKey(..) => "policy.unknown_key",
            Self::MisplacedKey(..) => "policy.misplaced_key",
            Self::Type(..) => "policy.type",
            Self::Value(..) => "policy.value",
        }
    }

    fn hint(&self) -> String {
        match self {
            Self::Encoding => "save the file as UTF-8".into(),
            Self::Length => "a policy has at most 1 MiB".into(),
            Self::Syntax(_) => {
                "see https://toml.io for the format; texts are in double quotes, lists in brackets".into()
            }
            Self::UnknownKey(_, Some(near)) => format!("did you mean `{near}`?"),
            Self::UnknownKey(_, None) => "remove it; `docs/POLICY.md` lists all keys".into(),
            Self::MisplacedKey(key, table) => {
                format!("move `{key}` to the top of the file, before the line `[{table}]`")
            }
            Self::Type(what, expected, _) => format!("write {expected} for {what}"),
            Self::Value(_, _, write) => write.clone(),
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encoding => f.write_str("the file is not UTF-8"),
            Self::Length => f.write_str("the file is too long"),
            Self::Syntax(said) => write!(f, "the file is not TOML: {said}"),
            Self::UnknownKey(key, _) => write!(f, "there is no rule or key `{key}`"),
            Self::MisplacedKey(key, table) => {
                write!(f, "`{key}` belongs to the table `{table}` here, and means nothing there")
            }
            Self::Type(what, expected, found) => write!(f, "{what} needs {expected}: this is {found}"),
            Self::Value(what, value, _) => write!(f, "`{value}` means nothing for {what}"),
        }
    }
}

/// One fault of a policy. `Display` is the sentence alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong.
    pub kind: FaultKind,
    /// Which bytes of the file.
    pub at: Range<usize>,
}

impl Fault {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        self.kind.hint()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl std::error::Error for Fault {}
