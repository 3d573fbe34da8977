//! Who may sign: the file that ssh-keygen(1) calls ALLOWED SIGNERS.
//!
//! A line that is not understood as a whole allows nothing, and is reported with its number. `ssh-keygen` reads a time without `Z`
//! in the zone of the machine, so that one file would mean different things to different reviewers: here such a line is a fault.

use jiff::Timestamp;
use jiff::civil::DateTime;

use super::key::PublicKey;
use super::pattern::{matches_list, names};

/// A list of signers.
#[derive(Debug, Clone, Default)]
pub struct Signers {
    lines: Vec<Line>,
    faults: Vec<SignerFault>,
}

/// A line that allows nothing because it was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct SignerFault {
    /// The line, from 1.
    pub line: usize,
    /// Why, and what it should be.
    pub why: String,
}

/// Why a key may not sign. A later one comes closer to being allowed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum NotAllowed {
    #[error("the list of signers does not name {0}")]
    Principal(String),
    #[error("the list of signers does not give {principal} the key {key}")]
    Key { principal: String, key: String },
    #[error("the list of signers gives nobody the key {0}")]
    NobodysKey(String),
    #[error("line {line} of the list of signers does not allow signatures for {namespace}")]
    Namespace { line: usize, namespace: String },
    #[error("line {line} of the list of signers allows the key only from {from}; what counts is {at}")]
    NotYet { line: usize, from: Timestamp, at: Timestamp },
    #[error("line {line} of the list of signers allows the key only until {until}; what counts is {at}")]
    NoLonger { line: usize, until: Timestamp, at: Timestamp },
}

/// A line that was understood.
#[derive(Debug, Clone)]
struct Line {
    number: usize,
    text: String,
    principals: String,
    options: Options,
    key: PublicKey,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Options {
    authority: bool,
    namespaces: Option<String>,
    after: Option<Timestamp>,
    before: Option<Timestamp>,
}

impl Signers {
    /// Reads the file's text.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut signers = Self::default();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim_matches([' ', '\t', '\r']);
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match Line::parse(number, line) {
                Ok(line) => signers.lines.push(line),
                Err(why) => signers.faults.push(SignerFault { line: number, why }),
            }
        }
        signers
    }

    /// The lines that allow nothing because they were not understood.
    #[must_use]
    pub fn faults(&self) -> &[SignerFault] {
        &self.faults
    }

    /// Whether there is no line that allows anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The lines that were understood, as they were given: what a program is asked with.
    #[must_use]
    pub fn text(&self) -> String {
        self.lines.iter().map(|line| format!("{}\n", line.text)).collect()
    }

    /// Whether `principal` may sign for `namespace` with `key` at that time. For a certificate, the program must also agree: here
    /// only its authority and the names in it are compared.
    ///
    /// # Errors
    /// Why not: what comes closest.
    pub fn allows(&self, principal: &str, key: &PublicKey, namespace: &str, at: Timestamp) -> Result<(), NotAllowed> {
        let mut nearest = NotAllowed::Principal(principal.to_owned());
        for line in self.lines.iter().filter(|line| matches_list(&line.principals, principal)) {
            let refused = if line.gives(principal, key) {
                match line.permits(namespace, at) {
                    Ok(()) => return Ok(()),
                    Err(refused) => refused,
                }
            } else {
                NotAllowed::Key { principal: principal.to_owned(), key: key.fingerprint() }
            };
            nearest = nearest.max(refused);
        }
        Err(nearest)
    }

    /// Who may sign for `namespace` with `key` at that time, whoever it is: for what no principal is named.
    ///
    /// # Errors
    /// Why nobody may: what comes closest.
    pub fn somebody(&self, key: &PublicKey, namespace: &str, at: Timestamp) -> Result<Vec<String>, NotAllowed> {
        let mut nearest = NotAllowed::NobodysKey(key.fingerprint());
        let mut found = Vec::new();
        for line in &self.lines {
            for principal in line.candidates(key) {
                match line.permits(namespace, at) {
                    Ok(()) if found.contains(&principal) => {}
                    Ok(()) => found.push(principal),
                    Err(refused) => nearest = nearest.max(refused),
                }
            }
        }
        if found.is_empty() { Err(nearest) } else { Ok(found) }
    }

    /// Whether the list gives `principal` that key, for whatever and whenever.
    #[must_use]
    pub fn knows(&self, principal: &str, key: &PublicKey) -> bool {
        let holds = |line: &Line| line.gives(principal, key) || !line.options.authority && line.key.is_same_key(key);
        self.lines.iter().any(|line| matches_list(&line.principals, principal) && holds(line))
    }
}

impl Line {
    fn parse(number: usize, text: &str) -> Result<Self, String> {
        let (principals, rest) = first_word(text)?;
        let principals = principals.trim_matches('"').to_owned();
        if principals.is_empty() {
            return Err("it names no principal".into());
        }
        let (options, key) = match key_in(rest) {
            Some(key) => (Options::default(), key),
            None => {
                let (options, rest) = first_word(rest)?;
                let key = key_in(rest).ok_or_else(|| no_key(options, rest))?;
                (Options::parse(options)?, key)
            }
        };
        if key.is_certificate() {
            return Err("it holds a certificate: give the key, or that of the authority with cert-authority".into());
        }
        Ok(Self { number, text: text.to_owned(), principals, options, key })
    }

    /// Whether it gives `principal`, whom it names, that key.
    fn gives(&self, principal: &str, key: &PublicKey) -> bool {
        if self.options.authority {
            key.is_certified_by(&self.key) && key.principals().iter().any(|named| named == principal)
        } else {
            self.key.is(key)
        }
    }

    /// Whose key it may be by this line. Patterns name nobody: where there is nothing else, they stand for themselves.
    fn candidates(&self, key: &PublicKey) -> Vec<String> {
        if self.options.authority {
            let named = key.principals().iter().filter(|named| matches_list(&self.principals, named));
            return if key.is_certified_by(&self.key) { named.cloned().collect() } else { Vec::new() };
        }
        if !self.key.is(key) {
            return Vec::new();
        }
        let found: Vec<String> = names(&self.principals).map(str::to_owned).collect();
        let found: Vec<String> = found.into_iter().filter(|name| matches_list(&self.principals, name)).collect();
        if found.is_empty() { vec![self.principals.clone()] } else { found }
    }

    fn permits(&self, namespace: &str, at: Timestamp) -> Result<(), NotAllowed> {
        let line = self.number;
        let Options { authority: _, namespaces, after, before } = &self.options;
        if namespaces.as_ref().is_some_and(|list| !matches_list(list, namespace)) {
            return Err(NotAllowed::Namespace { line, namespace: namespace.to_owned() });
        }
        if let Some(from) = *after
            && at < from
        {
            return Err(NotAllowed::NotYet { line, from, at });
        }
        // `ssh-keygen` counts whole seconds, and the last one is valid.
        if let Some(until) = *before
            && at.as_second() > until.as_second()
        {
            return Err(NotAllowed::NoLonger { line, until, at });
        }
        Ok(())
    }
}

impl Options {
    fn parse(text: &str) -> Result<Self, String> {
        let mut options = Self::default();
        for option in split_options(text) {
            let (name, value) = match option.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (option, None),
            };
            let name = name.to_ascii_lowercase();
            let quoted = || value.and_then(unquoted).ok_or_else(|| format!("{name} needs a value in quotation marks"));
            let twice = match name.as_str() {
                "cert-authority" if value.is_none() => std::mem::replace(&mut options.authority, true),
                "namespaces" => options.namespaces.replace(quoted()?).is_some(),
                "valid-after" => options.after.replace(time(&name, &quoted()?)?).is_some(),
                "valid-before" => options.before.replace(time(&name, &quoted()?)?).is_some(),
                _ => return Err(format!("{option:?} is no option, and no key that can be read")),
            };
            if twice {
                return Err(format!("{name} is given twice"));
            }
        }
        match (options.after, options.before) {
            (Some(after), Some(before)) if before <= after => {
                Err("its valid-before is not later than its valid-after".into())
            }
            _ => Ok(options),
        }
    }
}

fn no_key(options: &str, rest: &str) -> String {
    let looks_like_key = options.contains("ssh-") || options.contains("ecdsa-") || rest.trim().is_empty();
    if looks_like_key {
        "its key cannot be read: it is a kind (ssh-ed25519, …) and the key in base64".into()
    } else {
        "it has no key that can be read behind its options; a principal with a space is not one principal".into()
    }
}

/// The key at the beginning of `text`; a comment may follow.
fn key_in(text: &str) -> Option<PublicKey> {
    let mut words = text.split_ascii_whitespace();
    PublicKey::from_words(words.next()?, words.next()?)
}

/// The first word, with its quotation marks, and what follows it. White space between quotation marks belongs to the word.
fn first_word(text: &str) -> Result<(&str, &str), String> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b' ' | b'\t' if !quoted => return Ok((&text[..at], text[at..].trim_start())),
            _ => {}
        }
    }
    if quoted { Err("a quotation mark is not closed".into()) } else { Ok((text, "")) }
}

/// The options between commas that are not in quotation marks.
fn split_options(text: &str) -> Vec<&str> {
    let (mut found, mut begin, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                found.push(&text[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    found.push(&text[begin..]);
    found
}

/// The text between quotation marks.
fn unquoted(text: &str) -> Option<String> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    Some(inner.replace("\\\"", "\""))
}

/// `YYYYMMDDZ` or `YYYYMMDDHHMM[SS]Z`.
fn time(option: &str, text: &str) -> Result<Timestamp, String> {
    let form = || format!("{option} needs a time as YYYYMMDDZ or YYYYMMDDHHMM[SS]Z, not {text:?}");
    let digits = text.strip_suffix('Z').ok_or_else(|| {
        let readable = civil(text).is_some();
        let why = "without the Z, each machine would read it in its own time zone";
        if readable { format!("{option} needs a time in UTC, {text}Z: {why}") } else { form() }
    })?;
    let read = civil(digits).and_then(|civil| jiff::tz::Offset::UTC.to_timestamp(civil).ok());
    read.ok_or_else(form)
}

fn civil(digits: &str) -> Option<DateTime> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = match digits.len() {
        8 => format!("{digits}000000"),
        12 => format!("{digits}00"),
        14 => digits.to_owned(),
        _ => return None,
    };
    DateTime::strptime("%Y%m%d%H%M%S", digits).ok()
}

#[cfg(test)]
mod tests;
