//! Reads a policy file. Everything that is wrong with it is found in one pass.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use super::column::column;
use super::fault::{Fault, FaultKind};
use super::glob::Glob;
use super::in_use::IfInUse;
use super::limits::{AWS, Allowed, Limits, Percent, Rate, SANDBOX, TagGlob, TargetGlob};
use super::read::{Reading, Value};
use super::rule::Rule;
use super::rules::Rules;
use crate::domain::RateCap;
use crate::manifest::Shown;
use crate::record::approval::MOST_APPROVALS;

/// The longest policy file, in bytes: thousands of names, and no burden to read before each run.
pub const MOST_BYTES: usize = 1 << 20;

/// The key of the file with the keys of those who may approve. It belongs to the rule `approvals`.
const SIGNERS: &str = "signers";

/// The key that lists the rules which may be lifted.
const OVERRIDABLE: &str = "overridable";

/// All keys of a policy file.
pub fn keys() -> impl Iterator<Item = &'static str> {
    Rule::ALL.iter().map(|rule| rule.as_str()).chain([SIGNERS, OVERRIDABLE])
}

/// Reads the policy in `bytes`.
///
/// # Errors
/// Everything that is wrong with it, in the order of the file.
pub fn parse(bytes: &[u8]) -> Result<Rules, Vec<Fault>> {
    if bytes.len() > MOST_BYTES {
        return Err(vec![Fault { kind: FaultKind::Length, at: 0..0 }]);
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return Err(vec![Fault { kind: FaultKind::Encoding, at: 0..0 }]) };
    let mut reading = Reading::new(text);
    let root = reading.root();
    let mut policy = Policy { reading, limits: Limits::default(), overridable: BTreeSet::new() };
    for (key, value) in &root {
        policy.take(key.get_ref(), key.span(), value);
    }
    let Policy { reading: Reading { mut faults, .. }, limits, overridable } = policy;
    if !faults.is_empty() {
        faults.sort_by_key(|fault| fault.at.start);
        return Err(faults);
    }
    let firm = overridable.iter().fold(limits.clone(), |rest, rule| rest.without(*rule));
    let insisted = Rule::ALL.iter().filter(|rule| !overridable.contains(rule));
    let liftable = insisted.fold(limits, |rest, rule| rest.without(*rule));
    Ok(Rules { firm, liftable: Limits { signers: BTreeSet::new(), ..liftable } })
}

/// A policy while it is read.
struct Policy<'t> {
    reading: Reading<'t>,
    limits: Limits,
    overridable: BTreeSet<Rule>,
}

impl<'t> Policy<'t> {
    /// Takes a key of the file.
    fn take(&mut self, key: &str, at: Range<usize>, value: &Value<'t>) {
        match Rule::of(key) {
            Some(rule) => self.rule(rule, value),
            None if key == SIGNERS => self.signers(value),
            None if key == OVERRIDABLE => self.overridable(value),
            None => self.reading.fault(FaultKind::UnknownKey(Shown::new(key), near(key, keys())), at),
        }
    }

    fn rule(&mut self, rule: Rule, value: &Value<'t>) {
        let what = rule.as_str();
        match rule {
            Rule::Accounts => self.limits.accounts = Allowed::by(self.globs(what, value, account)),
            Rule::Regions => self.limits.regions = Allowed::by(self.globs(what, value, region)),
            Rule::Endpoints => self.limits.endpoints = Allowed::by(self.globs(what, value, endpoint)),
            Rule::ProtectedNames => self.limits.protected_names = self.globs(what, value, name),
            Rule::ProtectedTags => self.protected_tags(value),
            Rule::MinimumAge => self.minimum_age(value),
            Rule::MaximumDeletes => self.limits.maximum_deletes = self.reading.number(what, value, MOST_DELETES),
            Rule::MaximumPercent => self.maximum_percent(value),
            Rule::RequiredColumns => self.required_columns(value),
            Rule::IfInUse => self.if_in_use(value),
            Rule::Approvals => {
                let approvals = self.reading.number(what, value, u64::from(MOST_APPROVALS));
                self.limits.approvals = approvals.and_then(|number| u32::try_from(number).ok()).unwrap_or_default();
            }
            Rule::FourEyes => self.limits.four_eyes = self.reading.flag(what, value).unwrap_or_default(),
            Rule::Rates => self.rates(value),
        }
    }

    /// A list of patterns, each of which `check` accepts; else it says what to write.
    fn globs(&mut self, what: &str, value: &Value<'t>, check: fn(&str) -> Result<(), &'static str>) -> BTreeSet<Glob> {
        let mut globs = BTreeSet::new();
        for (text, at) in self.reading.list(what, value) {
            match check(text) {
                Ok(()) => drop(globs.insert(Glob::new(text))),
                Err(write) => self.reading.meaningless(what, text, at, write),
            }
        }
        globs
    }

    fn protected_tags(&mut self, value: &Value<'t>) {
        let what = Rule::ProtectedTags.as_str();
        for (text, at) in self.reading.list(what, value) {
            if text.is_empty() || text.starts_with('=') {
                self.reading.meaningless(
                    what,
                    text,
                    at,
                    "write a tag's key, or KEY=VALUE; * stands for any text in either",
                );
                continue;
            }
            self.limits.protected_tags.insert(TagGlob::new(text));
        }
    }

    fn minimum_age(&mut self, value: &Value<'t>) {
        let what = Rule::MinimumAge.as_str();
        let Some(text) = self.reading.text(what, AGES, value) else { return };
        self.limits.minimum_age = age(text);
        if self.limits.minimum_age.is_none() {
            self.reading.meaningless(what, text, value.span(), format!("write {AGES}"));
        }
    }

    fn maximum_percent(&mut self, value: &Value<'t>) {
        let what = Rule::MaximumPercent.as_str();
        let Some(text) = self.reading.decimal(what, value) else { return };
        self.limits.maximum_percent = percent(text);
        if self.limits.maximum_percent.is_none() {
            let write = "write a number from 0 to 100, with two decimals at most";
            self.reading.meaningless(what, text, value.span(), write);
        }
    }

    fn required_columns(&mut self, value: &Value<'t>) {
        let what = Rule::RequiredColumns.as_str();
        for (name, at, patterns) in self.reading.table(what, value) {
            if self.is_misplaced(name, at.clone(), what) {
                continue;
            }
            let column = column(name);
            if column.is_empty() {
                self.reading.meaningless(what, name, at, "write the name of a column");
                continue;
            }
            let of = format!("column `{}`", Shown::new(name));
            let globs = match patterns.get_ref().as_str() {
                Some(one) => [Glob::new(one)].into(),
                None => self.globs(&of, patterns, |_| Ok(())),
            };
            // Two spellings of one column are two rules about it.
            self.limits.required_columns.entry(column).or_default().0.insert(globs);
        }
    }

    fn if_in_use(&mut self, value: &Value<'t>) {
        let what = Rule::IfInUse.as_str();
        let words = [IfInUse::Warn, IfInUse::Skip, IfInUse::Refuse];
        let Some(text) = self.reading.text(what, "\"warn\", \"skip\" or \"refuse\"", value) else { return };
        match words.into_iter().find(|word| word.as_str() == text) {
            Some(word) => self.limits.if_in_use = word,
            None => self.reading.meaningless(what, text, value.span(), "write \"warn\", \"skip\" or \"refuse\""),
        }
    }

    fn signers(&mut self, value: &Value<'t>) {
        let Some(path) = self.reading.text(SIGNERS, "the path of a file", value) else { return };
        if path.starts_with('/') {
            self.limits.signers.insert(path.to_owned());
        } else {
            let write = "write a path that begins with /: the rule holds in whatever directory keybatch is started";
            self.reading.meaningless(SIGNERS, path, value.span(), write);
        }
    }

    fn rates(&mut self, value: &Value<'t>) {
        let what = Rule::Rates.as_str();
        for (target, at, rate) in self.reading.table(what, value) {
            if self.is_misplaced(target, at.clone(), what) {
                continue;
            }
            let Some((account, region)) = target.split_once('/').filter(|(a, r)| targets(a) && targets(r)) else {
                let write =
                    "write \"ACCOUNT/REGION\", such as \"111122223333/eu-central-1\"; * stands for any text in either";
                self.reading.meaningless(what, target, at, write);
                continue;
            };
            let Some(text) = self.reading.text(what, "a rate such as \"5/s\", \"30/m\" or \"100/h\"", rate) else {
                continue;
            };
            match text.parse() {
                Ok(RateCap::PerSecond(per_s)) => {
                    let targets = TargetGlob { account: Glob::new(account), region: Glob::new(region) };
                    self.limits.rates.insert(targets, Rate::of_per_s(per_s));
                }
                Ok(_) => self.reading.meaningless(what, text, rate.span(), "write a rate; without one there is no cap"),
                Err(error) => self.reading.meaningless(what, text, rate.span(), error.to_string()),
            }
        }
    }

    /// Whether a key of a table is one of the whole file, which stands behind the table's heading by mistake.
    fn is_misplaced(&mut self, key: &str, at: Range<usize>, table: &'static str) -> bool {
        let own = keys().find(|own| *own == key);
        if let Some(own) = own {
            self.reading.fault(FaultKind::MisplacedKey(own, table), at);
        }
        own.is_some()
    }

    fn overridable(&mut self, value: &Value<'t>) {
        for (name, at) in self.reading.list(OVERRIDABLE, value) {
            match Rule::of(name) {
                Some(rule) => drop(self.overridable.insert(rule)),
                None => {
                    let rules = Rule::ALL.iter().map(|rule| rule.as_str());
                    self.reading.fault(FaultKind::UnknownKey(Shown::new(name), near(name, rules)), at);
                }
            }
        }
    }
}

/// Larger numbers of key pairs have no meaning, and no exact form in JSON.
const MOST_DELETES: u64 = 1 << 53;

/// The forms of an age.
const AGES: &str = "a whole number with a unit (d, h or m), such as \"30d\" or \"12h\"";

/// The most that an age may be: a hundred years. Lightsail is younger, and sums of times stay far from any limit.
const OLDEST: Duration = Duration::from_secs(100 * 366 * 86_400);

fn age(text: &str) -> Option<Duration> {
    let seconds = match text.chars().next_back()? {
        'd' => 86_400,
        'h' => 3_600,
        'm' => 60,
        _ => return None,
    };
    let number = &text[..text.len() - 1];
    let is_plain = number.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = number.parse().ok().filter(|_| is_plain)?;
    number.checked_mul(seconds).map(Duration::from_secs).filter(|age| *age <= OLDEST)
}

fn percent(text: &str) -> Option<Percent> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > 2 {
        return None;
    }
    let whole: u32 = whole.parse().ok().filter(|whole| *whole <= 100)?;
    let part: u32 = format!("{part:0<2}").parse().ok()?;
    Some(Percent(whole * 100 + part)).filter(|share| *share <= Percent::ALL)
}

fn account(text: &str) -> Result<(), &'static str> {
    let is_id = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_id { Ok(()) } else { Err("an account is twelve digits in double quotes, such as \"111122223333\"") }
}

fn region(text: &str) -> Result<(), &'static str> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'*' | b'?');
    let is_one = !text.is_empty() && text.bytes().all(fits);
    if is_one { Ok(()) } else { Err("write a region such as eu-central-1; * stands for any text, as in eu-*") }
}

fn name(text: &str) -> Result<(), &'static str> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'*' | b'?');
    let is_one = !text.is_empty() && text.bytes().all(fits);
    if is_one {
        Ok(())
    } else {
        Err("no key pair has such a name; use letters, digits, _ and -, with * for any text and ? for a character")
    }
}

fn endpoint(text: &str) -> Result<(), &'static str> {
    let is_one = text == AWS || text == SANDBOX || text.starts_with("https://") || text.starts_with("http://");
    if is_one {
        return Ok(());
    }
    Err(
        "write \"aws\" for the service's own addresses, \"sandbox\" for rehearsals, or an address that begins with https://",
    )
}

/// Whether a pattern may be that of an account or a region.
fn targets(text: &str) -> bool {
    region(text).is_ok()
}

/// The word that is probably meant.
fn near(written: &str, words: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    // What other programs call the same thing, or what it is called in the singular.
    let plain = |text: &str| text.to_ascii_lowercase().replace('-', "_");
    let written = plain(written);
    words.into_iter().find(|word| {
        let singular = word.strip_suffix('s').is_some_and(|singular| singular == written);
        let longer = |prefix: &str| written.strip_prefix(prefix).is_some_and(|rest| rest == *word);
        singular
            || longer("allowed_")
            || longer("required_")
            || strsim::damerau_levenshtein(word, &written) <= word.len() / 4
    })
}

#[cfg(test)]
mod tests;
