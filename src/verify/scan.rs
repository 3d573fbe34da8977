//! Reads the bodies of a page of entries: hash, canonical form, fields. Pure and without shared state, so that several
//! pages are read at once.
//!
//! The four kinds that make up almost all of a large journal are read straight from the spans that the check of the
//! canonical form finds: only the fields that legality and the projections depend on. All others are read whole.
//! [`claims`] compares what an entry concludes with the answer that it was read from.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::canonical;
use super::claims::{self, Claimed, Shows};
use super::history::is_newer;
use super::report::Verdict;
use super::shape;
use crate::domain::{Exchange, Failure, RawBody, Shown, parse_time, time_text};
use crate::journal::EntryPage;
use crate::record::event::{AttemptFinished, AttemptStarted, Event, IntentRecorded, RowSettled, Today};
use crate::record::merkle::{Hash, leaf_hash};
use crate::record::plan::{self, PlanRow};
use crate::record::{ENTRY_VERSION, Entry, EntryError};

/// One entry as it was found.
#[derive(Debug)]
pub(super) struct Checked {
    /// Its number.
    pub(super) seq: i64,
    /// The hash of its body.
    pub(super) leaf: Hash,
    /// The leaf as stored, where it is another one.
    pub(super) stored: Option<Hash>,
    /// What its body says, or why it says nothing.
    pub(super) entry: Result<Entry, (Verdict, String)>,
    /// What of it must agree with other entries.
    pub(super) claimed: Claimed,
}

/// Reads one entry.
///
/// # Errors
/// Why it says nothing that can be believed, in words.
pub(super) fn read_one(seq: i64, body: &str) -> Result<(Entry, Claimed), (Verdict, String)> {
    let mut reader = Reader { fields: Vec::with_capacity(32), minute: None, whole: false };
    reader.entry(seq, body.as_bytes())
}

/// Reads all entries of a page. `whole`: all that the lines of plans say is looked at, and not only what the rules of journals need.
pub(super) fn check(page: &EntryPage, whole: bool) -> Vec<Checked> {
    let mut reader = Reader { fields: Vec::with_capacity(32), minute: None, whole };
    page.entries()
        .map(|(seq, body, stored)| {
            let leaf = leaf_hash(body);
            let stored = (stored != leaf).then_some(stored);
            let (entry, claimed) = match reader.entry(seq, body) {
                Ok((entry, claimed)) => (Ok(entry), claimed),
                Err(error) => (Err(error), Claimed::default()),
            };
            Checked { seq, leaf, stored, entry, claimed }
        })
        .collect()
}

struct Reader<'a> {
    fields: Vec<(&'a str, &'a str)>,
    /// The last minute that was read, as text and as time: most entries are of the same one.
    minute: Option<(&'a str, Timestamp)>,
    /// Whether the lines of plans are read whole.
    whole: bool,
}

impl<'a> Reader<'a> {
    fn entry(&mut self, seq: i64, body: &'a [u8]) -> Result<(Entry, Claimed), (Verdict, String)> {
        let illegal = |why: String| (Verdict::IllegalHistory, why);
        let body = std::str::from_utf8(body).map_err(|_| illegal("its body is not UTF-8".into()))?;
        canonical::read(body, &mut self.fields).map_err(|error| illegal(error.to_string()))?;
        let entry = self.parse(body).map_err(|error| {
            let newer = is_newer(&error);
            (if newer { Verdict::CannotVerify } else { Verdict::IllegalHistory }, error.to_string())
        })?;
        if i64::try_from(entry.seq) != Ok(seq) {
            return Err((Verdict::Altered, format!("its body says that it is entry {}", entry.seq)));
        }
        let has_body = matches!(
            entry.event,
            Event::AttemptFinished(_) | Event::OperationPolled(_) | Event::Observed(_) | Event::AnswerLate(_)
        );
        let raw_body = if has_body { self.raw_body().map_err(illegal)? } else { RawBody::default() };
        let claimed = self.claimed(&entry, &raw_body).map_err(|error| illegal(error.to_string()))?;
        claimed.map(|claimed| (entry, claimed)).map_err(illegal)
    }

    fn parse(&mut self, body: &'a str) -> Result<Entry, EntryError> {
        let kind = self.text("kind")?;
        let version: u64 = self.read("v")?;
        if version > ENTRY_VERSION {
            return Err(EntryError::Newer { version });
        }
        if version < ENTRY_VERSION {
            return Err(unreadable("v", &version.to_string()));
        }
        let at = self.get("at")?.trim_matches('"');
        let time = self.time(at).ok_or_else(|| unreadable("at", at))?;
        let event = match kind {
            "intent_recorded" if !self.whole => Event::IntentRecorded(Box::new(self.intent()?)),
            "attempt_started" => Event::AttemptStarted(AttemptStarted { attempt: self.read("attempt")? }),
            "attempt_finished" => Event::AttemptFinished(Box::new(self.finished()?)),
            "row_settled" => {
                self.may_be::<shape::Text>("detail")?;
                Event::RowSettled(RowSettled {
                    outcome: self.read("outcome")?,
                    evidence: self.read("evidence")?,
                    detail: None,
                    rests_on: self.read("rests_on")?,
                })
            }
            _ => return Entry::parse(body),
        };
        let (session, run, row) = (self.may_be("session")?, self.may_be("run")?, self.may_be("row")?);
        Ok(Entry { seq: self.read("seq")?, at: time, session, run, row, event })
    }

    /// The one form in which times are written: microseconds, UTC.
    fn time(&mut self, text: &'a str) -> Option<Timestamp> {
        if let Some((minute, begin)) = self.minute
            && let Some(micros) = text.strip_prefix(minute).and_then(micros_of_minute)
        {
            return begin.checked_add(SignedDuration::from_micros(micros)).ok();
        }
        // There are many ways to write a time that can be read.
        let time = parse_time(text).filter(|time| text.len() == WRITTEN && time_text(*time) == text)?;
        if let Some((minute, rest)) = text.split_at_checked("2026-01-01T00:00:".len())
            && let Some(micros) = micros_of_minute(rest)
        {
            self.minute = time.checked_sub(SignedDuration::from_micros(micros)).ok().map(|begin| (minute, begin));
        }
        Some(time)
    }

    /// Fields that are not judged must be readable, too: readers of the journal read all of them.
    fn finished(&self) -> Result<AttemptFinished, EntryError> {
        self.may_be::<shape::Text>("request_id")?;
        self.may_be::<shape::Text>("detail")?;
        self.read::<u64>("elapsed_us")?;
        Ok(AttemptFinished {
            attempt: self.read("attempt")?,
            class: self.read("class")?,
            exchange: Exchange::default(),
            shown: Shown::default(),
            failure: Failure::because(self.may_be("cause")?),
            outcome: self.may_be("outcome")?,
            evidence: self.may_be("evidence")?,
            detail: None,
        })
    }

    fn intent(&self) -> Result<IntentRecorded, EntryError> {
        let line: shape::Line<'_> = self.read("line")?;
        let shape::Line { row, line: at, name, account, region, verdict, .. } = line;
        let [name, account, region] = [name, account, region].map(|shape::Str(text)| text.into_owned());
        let line = PlanRow { line: at, ..PlanRow::of(row, name, account, region, verdict) };
        let today: Option<shape::Today<'_>> = self.may_be("today")?;
        let today = today.map(|today| Today { verdict: today.verdict, notes: Vec::new(), observation: None });
        Ok(IntentRecorded { line, page: self.may_be("page")?, today })
    }

    /// What the entry says, held against what it kept: whether that can be read at all, and then whether it agrees.
    fn claimed(&self, entry: &Entry, body: &RawBody) -> Result<Result<Claimed, String>, EntryError> {
        match &entry.event {
            Event::AttemptStarted(_) | Event::RowSettled(_) => Ok(Ok(Claimed::default())),
            Event::AttemptFinished(finished) => {
                let answer = claims::Answer {
                    status: self.may_be("http_status")?,
                    headers: self.may_be("headers")?.unwrap_or_default(),
                    operation: self.may_be("operation")?,
                    created_at: self.may_be("op_created_at")?,
                    changed_at: self.may_be("op_changed_at")?,
                    cause: finished.failure.cause,
                    error: self.may_be("error")?,
                    body,
                };
                Ok(claims::finished(&answer, finished.class))
            }
            Event::IntentRecorded(_) => {
                let text = self.get("line")?;
                let line: shape::Line<'_> = self.read("line")?;
                let today: Option<shape::Today<'_>> = self.may_be("today")?;
                let (is_seen, is_listed) = (line.observation.is_some(), self.find("page").is_some());
                // A row that a plan's file skips is not looked at on the day.
                let unlisted = is_seen && !is_listed && line.verdict == plan::Verdict::Skip;
                if today.is_none() && is_seen != is_listed && !unlisted {
                    return Ok(Err("an observation has the page that showed it, and nothing else has".into()));
                }
                let intent = claims::Intent::from(&line);
                let claimed = match &today {
                    None => claims::intent(&intent),
                    Some(today) => claims::intent(&intent).and_then(|_| claims::today(&intent, today, is_listed)),
                };
                let of_file = unlisted || today.is_some();
                let shows = Shows::Line(claims::shows(&intent, leaf_hash(text.as_bytes()), of_file));
                Ok(claimed.map(|claimed| Claimed { shows, ..claimed }))
            }
            Event::AnswerLate(_) if self.find("outcome").is_some() || self.find("evidence").is_some() => {
                Ok(Err("an answer that came late is no outcome".into()))
            }
            _ => Ok(claims::of(entry)),
        }
    }

    /// A body that was kept is the one whose length and hash stand beside it.
    fn raw_body(&self) -> Result<RawBody, String> {
        let unread = |error: EntryError| error.to_string();
        let kept = RawBody {
            json: self.may_be("json").map_err(unread)?,
            text: self.may_be("text").map_err(unread)?,
            base64: self.may_be("base64").map_err(unread)?,
            bytes: self.may_be("bytes").map_err(unread)?,
            sha256: self.may_be("sha256").map_err(unread)?,
            cut: self.may_be("cut").map_err(unread)?.unwrap_or_default(),
        };
        if kept.holds() {
            Ok(kept)
        } else {
            Err("its body is not in the form, or not of the length and hash, that the format demands".into())
        }
    }

    /// A field that may be missing.
    fn may_be<T: Deserialize<'a>>(&self, name: &'static str) -> Result<Option<T>, EntryError> {
        self.find(name).map(|value| read(name, value)).transpose()
    }

    fn find(&self, name: &str) -> Option<&'a str> {
        self.fields.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }

    fn get(&self, name: &'static str) -> Result<&'a str, EntryError> {
        self.find(name).ok_or_else(|| unreadable(name, "missing"))
    }

    fn text(&self, name: &'static str) -> Result<&'a str, EntryError> {
        let value = self.get(name)?;
        let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        inner.ok_or_else(|| unreadable(name, value))
    }

    fn read<T: Deserialize<'a>>(&self, name: &'static str) -> Result<T, EntryError> {
        read(name, self.get(name)?)
    }
}

fn read<'a, T: Deserialize<'a>>(name: &'static str, value: &'a str) -> Result<T, EntryError> {
    serde_json::from_str(value).map_err(|_| unreadable(name, value))
}

/// How long a time is, as it is written: `2026-01-01T00:00:46.000001Z`.
const WRITTEN: usize = 27;

/// The seconds and microseconds of a time, `46.000001Z`.
fn micros_of_minute(text: &str) -> Option<i64> {
    let &[tens, ones, b'.', ref fraction @ .., b'Z'] = text.as_bytes() else { return None };
    // A leap second is not for here.
    let begins = matches!(tens, b'0'..=b'5');
    let digits = [tens, ones].into_iter().chain(fraction.iter().copied());
    let micros = digits.clone().fold(0, |micros, digit| micros * 10 + i64::from(digit & 0xF));
    (begins && fraction.len() == 6 && digits.into_iter().all(|digit| digit.is_ascii_digit())).then_some(micros)
}

fn unreadable(field: &str, found: &str) -> EntryError {
    let found: String = found.chars().take(64).collect();
    EntryError::Unreadable { reason: format!("its field {field} is {found:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_the_same_whatever_was_read_before_it() {
        let texts = [
            "2026-01-01T00:00:46.000001Z",
            "2026-01-01T00:00:59.999999Z",
            "2026-01-01T00:00:00.000000Z",
            "2026-01-01T00:00:60.000000Z",
            "2026-01-01T00:00:61.000000Z",
            "2026-01-01T00:00:4x.000000Z",
            "2026-01-01T00:00:46.00000/Z",
            "2026-01-01T00:00:46,000001Z",
            "2026-01-01T00:00:46.0000010Z",
            "2026-01-01T00:00:46.00001Z",
            "2026-01-01T00:00:46.000001z",
            "2026-01-01T00:00:46.000001+00:00Z",
            "2026-01-01T00:01:46.000001Z",
            "2026-02-30T00:00:46.000001Z",
            "1969-12-31T23:59:46.000001Z",
            "-262145-01-01T00:00:00.000Z",
            "9999-12-31T23:59:59.999999Z",
            "é026-01-01T00:00:46.000001Z",
        ];
        let fresh = || Reader { fields: Vec::new(), minute: None, whole: false };
        for before in texts {
            for text in texts {
                let mut reader = fresh();
                let _ignored = reader.time(before);
                let parsed = parse_time(text).filter(|time| time_text(*time) == text);
                assert_eq!(reader.time(text), parsed, "{text} after {before}");
            }
        }
        assert!(fresh().time(texts[0]).is_some());
    }

    /// What bodies read one after the other say of themselves.
    fn read<'a>(bodies: impl IntoIterator<Item = &'a str>) -> Vec<Result<Entry, Verdict>> {
        let mut reader = Reader { fields: Vec::new(), minute: None, whole: false };
        let read = bodies.into_iter().map(|body| reader.entry(1, body.as_bytes()));
        read.map(|read| read.map(|(entry, _)| entry).map_err(|(verdict, _)| verdict)).collect()
    }

    fn body(fields: &str) -> String {
        let head = r#"{"at":"2026-01-01T00:00:00.000000Z","row":1,"seq":1,"session":1,"v":2}"#;
        let mut whole: serde_json::Map<_, _> = serde_json::from_str(head).unwrap();
        whole.extend(serde_json::from_str::<serde_json::Map<_, _>>(fields).unwrap());
        serde_json_canonicalizer::to_string(&whole).unwrap()
    }

    #[test]
    fn what_is_not_looked_at_must_be_readable_too() {
        let kinds = [
            (r#""kind":"row_settled","outcome":"skipped","evidence":"note","rests_on":[]"#, "detail"),
            (r#""kind":"attempt_finished","attempt":1,"class":"unanswered","http_status":200"#, "request_id"),
            (
                r#""kind":"intent_recorded","line":{"row":1,"line":2,"name":"k","account":"1","region":"r","verdict":"absent"}"#,
                "page",
            ),
        ];
        for (fields, looked_over) in kinds {
            let told = |more: &str| read([&*body(&format!(r#"{{{fields},"elapsed_us":1{more}}}"#))]).remove(0);
            assert!(told("").is_ok(), "{fields}");
            let wrong = told(&format!(r#","{looked_over}":{{"x":[]}}"#));
            assert_eq!(wrong.unwrap_err(), Verdict::IllegalHistory, "{looked_over}");
            // Another version is not taken for this one.
            assert_eq!(told(r#","v":3"#).unwrap_err(), Verdict::CannotVerify, "{fields}");
            assert_eq!(told(r#","v":1"#).unwrap_err(), Verdict::IllegalHistory, "{fields}");
        }
        let lasting = body(&format!("{{{}}}", kinds[1].0));
        assert_eq!(read([&*lasting]).remove(0).unwrap_err(), Verdict::IllegalHistory);
    }

    #[test]
    fn a_body_is_in_base64_only_where_it_is_no_text() {
        let kept = RawBody::new(&[0xff, 0xfe]);
        for (base64, holds) in [(kept.base64.clone().unwrap(), true), ("QUFB".to_owned(), false)] {
            let raw = RawBody { base64: Some(base64), ..kept.clone() };
            let mut fields = serde_json::to_value(raw).unwrap();
            fields["kind"] = "attempt_finished".into();
            (fields["attempt"], fields["elapsed_us"], fields["http_status"]) = (1.into(), 1.into(), 200.into());
            fields["class"] = "unanswered".into();
            assert_eq!(read([&*body(&fields.to_string())]).remove(0).is_ok(), holds);
        }
    }
}
