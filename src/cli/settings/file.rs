//! One file of settings: read, interpreted, and all that is wrong with it.

use std::io::{ErrorKind, Read as _};
use std::ops::Range;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{ACCOUNTS, Catalogue, Meaning, is_user_only};
use super::source::{FileFault, Source};
use super::values::{Wrong, texts};
use crate::cli::accounts::{Accounts, WrongAccount, interpret};

/// More than any settings need; a larger file is something else.
const MAX_BYTES: u64 = 1024 * 1024;

/// Which of the two files it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// `keybatch.toml` in the working directory.
    WorkingDirectory,
    /// The user configuration.
    User,
}

/// One setting of a file.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// The command whose table it stands in; none for all commands.
    pub(crate) command: Option<String>,
    /// The name of the option.
    pub(crate) key: String,
    /// Its values; none means unset.
    pub(crate) values: Vec<String>,
    /// The line, from 1.
    pub(crate) line: u64,
}

/// A file that exists.
#[derive(Debug, Clone)]
pub(crate) struct File {
    /// Which one it is.
    pub(crate) place: Place,
    /// Where it is, as messages name it.
    pub(crate) name: String,
    /// Whether its mode permits others than its owner to write it.
    pub(crate) others_may_write: bool,
    /// Its settings, in order.
    pub(crate) entries: Vec<Entry>,
    /// How accounts are reached.
    pub(crate) accounts: Accounts,
    /// All that is wrong with it, in order.
    pub(crate) faults: Vec<FileFault>,
}

impl File {
    /// Reads the file at `path`; none if there is none. `home` is what `~/` stands for.
    pub(crate) fn read(place: Place, path: &Path, home: Option<&Path>, catalogue: &Catalogue) -> Option<Self> {
        let name = path.display().to_string();
        let (text, others_may_write) = match text_of(path) {
            Ok(Some(found)) => found,
            Ok(None) => return None,
            Err(why) => {
                let fault =
                    FileFault::of_file(&name, "settings.unreadable", why).hint("correct the file, or move it away");
                let (entries, others_may_write) = (Vec::new(), false);
                return Some(Self {
                    place,
                    name,
                    others_may_write,
                    entries,
                    accounts: Accounts::new(),
                    faults: vec![fault],
                });
            }
        };
        let source = Source { name: name.as_str().into(), text: text.into() };
        let home = home.map(Path::to_owned);
        let mut reader = Interpreter {
            place,
            home,
            catalogue,
            source,
            entries: Vec::new(),
            accounts: Accounts::new(),
            faults: Vec::new(),
        };
        reader.document();
        let Interpreter { mut entries, accounts, mut faults, .. } = reader;
        // A table of TOML has no order of its own.
        faults.sort_by_key(|fault| (fault.line, fault.column));
        entries.sort_by_key(|entry| entry.line);
        Some(Self { place, name, others_may_write, entries, accounts, faults })
    }
}

/// The text of a file, without a byte order mark, and whether others may write it. None if there is no such file.
fn text_of(path: &Path) -> Result<Option<(String, bool)>, String> {
    let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::CLOEXEC;
    // Opening a named pipe would otherwise wait for somebody to write to it.
    let file = match rustix::fs::open(path, flags, rustix::fs::Mode::empty()) {
        Ok(file) => std::fs::File::from(file),
        Err(error) => {
            let error = std::io::Error::from(error);
            let missing = matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory);
            return if missing { Ok(None) } else { Err(format!("it cannot be read: {error}")) };
        }
    };
    let unreadable = |error: std::io::Error| format!("it cannot be read: {error}");
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err("it is larger than 1 MiB".to_owned());
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        format!("line {} is not UTF-8", 1 + before.iter().filter(|byte| **byte == b'\n').count())
    })?;
    let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
    Ok(Some((text, metadata.permissions().mode() & 0o022 != 0)))
}

struct Interpreter<'a> {
    place: Place,
    home: Option<PathBuf>,
    catalogue: &'a Catalogue,
    source: Source,
    entries: Vec<Entry>,
    accounts: Accounts,
    faults: Vec<FileFault>,
}

impl Interpreter<'_> {
    fn document(&mut self) {
        let text = self.source.text.clone();
        let (document, errors) = DeTable::parse_recoverable(&text);
        for error in &errors {
            let at = error.span().unwrap_or(0..0);
            let fault = self.source.fault(at, "settings.syntax", error.message());
            self.faults.push(fault.hint("the file is in TOML: write NAME = \"VALUE\", one setting a line"));
        }
        // What stands in a line that could not be understood is a guess.
        let broken: Vec<u64> = self.faults.iter().map(|fault| fault.line).collect();
        self.table(None, document.get_ref(), &broken);
    }

    fn table(&mut self, command: Option<&str>, table: &DeTable<'_>, broken: &[u64]) {
        for (key, value) in table {
            let (at, name) = (key.span(), key.get_ref().as_ref());
            if broken.contains(&self.source.line(at.start)) {
                continue;
            }
            match value.get_ref() {
                DeValue::Table(inner) if command.is_none() && name == ACCOUNTS => self.accounts(at, inner),
                DeValue::Table(inner) => {
                    let words = command.map_or_else(|| name.to_owned(), |command| format!("{command} {name}"));
                    if self.catalogue.has_command(&words) {
                        self.table(Some(&words), inner, broken);
                    } else {
                        self.no_such_table(at, command, name);
                    }
                }
                _ => self.setting(at, command, name, value),
            }
        }
    }

    fn accounts(&mut self, at: Range<usize>, table: &DeTable<'_>) {
        if self.place == Place::WorkingDirectory {
            return self.user_only(at, ACCOUNTS);
        }
        let (accounts, wrong) = interpret(table);
        self.accounts = accounts;
        for WrongAccount { at, message, hint } in wrong {
            self.fault(at, "settings.account", message, hint);
        }
    }

    fn no_such_table(&mut self, at: Range<usize>, command: Option<&str>, name: &str) {
        let (message, hint) = match self.catalogue.meaning(command, name) {
            Meaning::Setting(_) => (format!("`{name}` is a setting, not a table"), format!("write {name} = \"VALUE\"")),
            _ => {
                let near = super::keys::similar(name, self.catalogue.commands().chain([ACCOUNTS]));
                let hint = near.map_or_else(
                    || "a table is named after a command, such as [run]".to_owned(),
                    |near| format!("did you mean [{near}]?"),
                );
                (format!("there is no command `{name}`"), hint)
            }
        };
        self.fault(at, "settings.unknown", message, hint);
    }

    fn setting(&mut self, at: Range<usize>, command: Option<&str>, name: &str, value: &Spanned<DeValue<'_>>) {
        if self.place == Place::WorkingDirectory && is_user_only(name) {
            return self.user_only(at, name);
        }
        let options = match self.catalogue.meaning(command, name) {
            Meaning::Setting(options) => options,
            other => {
                let (code, message, hint) = no_setting(&other, command, name);
                return self.fault(at, code, message, hint);
            }
        };
        let absolute = self.place == Place::User;
        // A value at the top level counts for each command that has the option.
        let mut values = Vec::new();
        for option in options {
            match texts(option, value.get_ref(), self.home.as_deref(), absolute) {
                Ok(texts) => values = texts,
                Err(Wrong { message, hint }) => {
                    return self.fault(value.span(), "settings.value", format!("`{name}`: {message}"), hint);
                }
            }
        }
        let line = self.source.line(at.start);
        let (command, key) = (command.map(str::to_owned), name.to_owned());
        self.entries.push(Entry { command, key, values, line });
    }

    fn user_only(&mut self, at: Range<usize>, name: &str) {
        let message = format!("`{name}` cannot be set by a file in the working directory");
        let hint = if name == ACCOUNTS {
            "put it into the user configuration"
        } else {
            "put it into the user configuration, or use the option or its variable"
        };
        self.fault(at, "settings.user_only", message, hint);
    }

    fn fault(&mut self, at: Range<usize>, code: &'static str, message: impl Into<String>, hint: impl Into<String>) {
        let fault = self.source.fault(at, code, message).hint(hint);
        self.faults.push(fault);
    }
}

/// Why a key is no setting: code, message and hint.
fn no_setting(meaning: &Meaning<'_>, command: Option<&str>, name: &str) -> (&'static str, String, String) {
    match meaning {
        Meaning::Typed => (
            "settings.typed",
            format!("`{name}` cannot be set by a file"),
            format!("type --{name} where you mean it: it confirms something, lifts a rule, or is about a single call"),
        ),
        Meaning::Elsewhere(commands) => {
            let tables: Vec<_> = commands.iter().map(|words| format!("[{}]", words.replace(' ', "."))).collect();
            let here = command.unwrap_or_default();
            (
                "settings.unknown",
                format!("`{here}` has no setting `{name}`"),
                format!("move it to the top level, or into {}", tables.join(" or ")),
            )
        }
        Meaning::Command => (
            "settings.value",
            format!("`{name}` is a command, not a setting"),
            format!("write its settings under [{name}]"),
        ),
        Meaning::Unknown(near) => {
            let hint = near.as_ref().map_or_else(
                || "`keybatch config show` lists all settings".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            ("settings.unknown", format!("unknown setting `{name}`"), hint)
        }
        Meaning::Setting(_) => ("settings.value", format!("`{name}` is a setting"), String::new()),
    }
}
