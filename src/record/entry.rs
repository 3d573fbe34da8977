//! One entry: from an event to the canonical bytes that are stored and hashed, and back.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::canonical;
use super::event::{Event, KINDS};
use super::merkle::{Hash, leaf_hash};
use crate::domain::{parse_time, time_text};

/// The version of the entry format, in every body.
pub const ENTRY_VERSION: u64 = 2;

/// An event that is to become an entry. Which session writes it, the writer knows.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// The run that it is about, where that is not the one of the session: the number of the entry that began it.
    pub run: Option<u64>,
    /// The row that it belongs to, where it does.
    pub row: Option<u64>,
    /// What happened.
    pub event: Event,
}

impl Draft {
    /// What happened in the session's run as a whole.
    #[must_use]
    pub fn of(event: Event) -> Self {
        Self { run: None, row: None, event }
    }

    /// What happened to a row of the session's run.
    #[must_use]
    pub fn of_row(row: u64, event: Event) -> Self {
        Self { run: None, row: Some(row), event }
    }

    /// What happened to another run than the session's, or the beginning of a session that goes on with `run`.
    #[must_use]
    pub fn of_run(run: u64, event: Event) -> Self {
        Self { run: Some(run), row: None, event }
    }
}

/// An event with its place and time in the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its number, from 0 without gaps.
    pub seq: u64,
    /// When it was written.
    pub at: Timestamp,
    /// The session that wrote it, by the number of its `session_opened`; none of a journal's first entry.
    pub session: Option<u64>,
    /// As in [`Draft`].
    pub run: Option<u64>,
    /// As in [`Draft`].
    pub row: Option<u64>,
    /// What happened.
    pub event: Event,
}

/// An entry as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Its number.
    pub seq: u64,
    /// Canonical JSON.
    pub body: String,
    /// `SHA-256(0x00 || body)`.
    pub leaf: Hash,
}

/// An entry that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// It has no canonical form.
    #[error("entry {seq} cannot be written as canonical JSON: {reason}")]
    Unwritable {
        /// Its number.
        seq: u64,
        /// The serializer's reason.
        reason: String,
    },
    /// Its body is not what an entry looks like.
    #[error("the body of an entry cannot be read: {reason}")]
    Unreadable {
        /// What is wrong with it.
        reason: String,
    },
    /// It is of a kind that a newer keybatch may write.
    #[error("entries of the kind {kind:?} are not known to this keybatch")]
    Unknown {
        /// The kind that it names.
        kind: String,
    },
    /// It was written by a newer keybatch.
    #[error("entry format {version} is newer than this keybatch knows ({ENTRY_VERSION})")]
    Newer {
        /// The version that it names.
        version: u64,
    },
}

impl Entry {
    /// The canonical bytes and their hash.
    ///
    /// # Errors
    /// Where the event has no canonical form (it would be a programming error, and stops the run).
    pub fn seal(&self) -> Result<Sealed, EntryError> {
        let fields = Fields {
            event: &self.event,
            v: ENTRY_VERSION,
            seq: self.seq,
            at: time_text(self.at),
            session: self.session,
            run: self.run,
            row: self.row,
        };
        let body = canonical::write(&fields).map_or_else(|| self.body_by_tree(), Ok)?;
        let leaf = leaf_hash(body.as_bytes());
        Ok(Sealed { seq: self.seq, body, leaf })
    }

    /// The canonical bytes of any entry that has some.
    fn body_by_tree(&self) -> Result<String, EntryError> {
        let unwritable = |reason: String| EntryError::Unwritable { seq: self.seq, reason };
        let mut body = serde_json::to_value(&self.event).map_err(|error| unwritable(error.to_string()))?;
        let Value::Object(fields) = &mut body else { return Err(unwritable("not an object".into())) };
        fields.insert("v".into(), ENTRY_VERSION.into());
        fields.insert("seq".into(), self.seq.into());
        fields.insert("at".into(), time_text(self.at).into());
        for (name, number) in [("session", self.session), ("run", self.run), ("row", self.row)] {
            fields.extend(number.map(|number| (name.into(), number.into())));
        }
        canonical::by_tree(&body).map_err(unwritable)
    }

    /// Reads a stored body.
    ///
    /// # Errors
    /// Where it is no entry of a version that we know.
    pub fn parse(body: &str) -> Result<Self, EntryError> {
        let unreadable = |reason: String| EntryError::Unreadable { reason };
        let head: Head = serde_json::from_str(body).map_err(|error| unreadable(error.to_string()))?;
        if head.v > ENTRY_VERSION {
            return Err(EntryError::Newer { version: head.v });
        }
        if head.v < ENTRY_VERSION {
            return Err(unreadable(format!("entry format {} was never released", head.v)));
        }
        if !KINDS.contains(&head.kind.as_str()) {
            return Err(EntryError::Unknown { kind: head.kind.chars().take(64).collect() });
        }
        let event = parse_event(&head.kind, body).map_err(|error| unreadable(error.to_string()))?;
        let at = parse_time(&head.at).ok_or_else(|| unreadable(format!("{:?} is no time", head.at)))?;
        Ok(Self { seq: head.seq, at, session: head.session, run: head.run, row: head.row, event })
    }
}

/// All fields of a body.
#[derive(Serialize)]
struct Fields<'a> {
    #[serde(flatten)]
    event: &'a Event,
    v: u64,
    seq: u64,
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    row: Option<u64>,
}

/// The fields that every body has.
#[derive(Debug, Deserialize)]
struct Head {
    v: u64,
    seq: u64,
    at: String,
    kind: String,
    session: Option<u64>,
    run: Option<u64>,
    row: Option<u64>,
}

/// Reads the event by its kind, straight into its own struct: serde's tagged form would buffer the whole body first,
/// and `verify` reads millions of these.
fn parse_event(kind: &str, body: &str) -> Result<Event, serde_json::Error> {
    use serde_json::from_str;
    Ok(match kind {
        "intent_recorded" => Event::IntentRecorded(from_str(body)?),
        "attempt_started" => Event::AttemptStarted(from_str(body)?),
        "attempt_finished" => Event::AttemptFinished(from_str(body)?),
        "row_settled" => Event::RowSettled(from_str(body)?),
        "answer_late" => Event::AnswerLate(from_str(body)?),
        "observed" => Event::Observed(from_str(body)?),
        "operation_polled" => Event::OperationPolled(from_str(body)?),
        _ => return from_str(body),
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::super::canonical::MAX_INTEGER;
    use super::*;

    /// Any value that an entry may hold, with keys that UTF-8 and UTF-16 put into different orders among them.
    pub(crate) fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (0..=MAX_INTEGER).prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            "[\\x00-\\x7f]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 6, |inner| {
            let key = prop_oneof![any::<String>(), "[\\x00-\\x7f]{0,4}", "[a\u{fb33}\u{1f600}\u{d7ff}\u{e000}]{0,3}"];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(key, inner, 0..6).prop_map(|fields| fields.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn both_ways_of_writing_agree(value in values()) {
            prop_assert_eq!(canonical::by_tree(&value), Ok(serde_json_canonicalizer::to_string(&value).unwrap()));
        }
    }

    proptest! {
        #[test]
        fn what_is_written_at_once_is_canonical(value in values()) {
            if let Some(written) = canonical::write(&value) {
                prop_assert_eq!(Ok(written), canonical::by_tree(&value));
            }
        }
    }

    /// Every kind, with every field set, is written at once, and the same as by way of a tree.
    #[test]
    fn both_ways_of_sealing_agree() {
        let golden = include_str!("../../tests/golden/entries.jsonl");
        for body in golden.lines() {
            let entry = Entry::parse(body).unwrap();
            assert_eq!(entry.body_by_tree().unwrap(), body);
            assert_eq!(entry.seal().unwrap().body, body);
            let tree: Value = serde_json::from_str(body).unwrap();
            assert_eq!(canonical::write(&tree).as_deref(), Some(body));
        }
    }

    /// Annotations have whatever keys the manifest's header has.
    #[test]
    fn keys_that_are_not_ordered_by_their_bytes_take_the_other_way() {
        for (keys, at_once) in [(["b", "a"], true), (["\u{fb33}", "\u{1f600}"], false), (["a\"", "a#"], false)] {
            let pairs = keys.map(|key| (key, 1));
            let written = canonical::write(&Pairs(&pairs));
            assert_eq!(written.is_some(), at_once, "{keys:?}");
            if let Some(written) = written {
                let tree: Value = serde_json::from_str(&written).unwrap();
                assert_eq!(written, serde_json_canonicalizer::to_string(&tree).unwrap());
            }
        }
        assert_eq!(canonical::write(&Pairs(&[("a", 1), ("a", 2)])), None, "a key twice");
        assert_eq!(canonical::write(&MAX_INTEGER).as_deref(), Some("9007199254740991"));
        assert_eq!(canonical::write(&(MAX_INTEGER + 1)), None);
        assert_eq!((canonical::write(&-1), canonical::write(&0.5)), (None, None));
    }

    /// A map in the order in which it was written.
    struct Pairs<'a>(&'a [(&'a str, u64)]);

    impl Serialize for Pairs<'_> {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map(self.0.iter().copied())
        }
    }

    #[test]
    fn an_entry_of_a_later_version_is_told_from_one_that_is_unreadable() {
        let body = |version: u64| {
            format!(
                r#"{{"at":"2026-01-01T00:00:00.000000Z","journal_id":"j","format":"f","action":"a","kind":"journal_created","row":null,"seq":0,"v":{version},"version":"0"}}"#
            )
        };
        assert!(Entry::parse(&body(ENTRY_VERSION)).is_ok());
        let newer = Entry::parse(&body(ENTRY_VERSION + 1)).unwrap_err();
        assert!(matches!(newer, EntryError::Newer { version } if version == ENTRY_VERSION + 1), "{newer}");
    }

    #[test]
    fn numbers_that_would_change_are_refused() {
        let largest = serde_json::json!({"a": [MAX_INTEGER]});
        assert!(canonical::by_tree(&largest).is_ok());
        for number in [serde_json::json!(MAX_INTEGER + 1), serde_json::json!(-1), serde_json::json!(0.5)] {
            assert!(canonical::by_tree(&serde_json::json!({"a": [{"b": number}]})).is_err());
        }
    }
}
