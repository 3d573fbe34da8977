//! A run that several runners share, told from its plan to what a person says of it later.

use std::collections::HashMap;

use keybatch::domain::{OutcomeCounts, sha256};
use serde_json::{Value, json};

use super::journals::{borrowed, resealed, sample};

/// A history, and where its entries are by what happens there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    pub(crate) bodies: Vec<Value>,
    places: HashMap<&'static str, usize>,
}

/// The number of the intent of a row of the sample's first run.
pub(crate) fn intent(row: u64) -> u64 {
    row + 4
}

/// A success in answer to the first attempt of this row.
pub(crate) fn succeeded(row: u64, attempt: u64) -> Value {
    let text = borrowed("attempt_finished", 1, 0).to_string().replace("key-1", &format!("key-{row}"));
    let mut fields: Value = serde_json::from_str(&text).unwrap();
    fields["attempt"] = attempt.into();
    fields
}

/// An answer without what it would mean for its row.
pub(crate) fn late(mut answer: Value) -> Value {
    ["outcome", "evidence", "detail"].into_iter().for_each(|field| answer[field] = Value::Null);
    answer
}

pub(crate) fn opening(id: &str, command: &str) -> Value {
    let mut fields = json!({ "session_id": id, "command": command, "version": "0.1.0", "host": "h", "user": "u", "pid": 1,
                             "sandbox": true, "settings": {}, "settings_sha256": sha256(b"{}") });
    if command != "resolve" {
        (fields["account"], fields["endpoint"]) = ("123456789012".into(), "sandbox:w".into());
        (fields["attempt_timeout_ms"], fields["run"]) = (15_000.into(), 1.into());
    }
    fields
}

pub(crate) fn taken(region: &str, rows: &[(u64, u64)]) -> Value {
    json!({ "account": "123456789012", "region": region, "rows": rows, "lasts_ms": 10_000, "skew_ms": "-250" })
}

pub(crate) fn closing(deletes: u64) -> Value {
    json!({ "requests": { "delete": deletes, "read": 3, "throttled": 0 }, "elapsed_ms": 5 })
}

pub(crate) fn rate() -> Value {
    json!({ "account": "123456789012", "region": "eu-west-1", "from_per_s": "1", "to_per_s": "2", "why": "increased" })
}

impl Told {
    /// The next entry: by this session, and of this row, where it is of one. Returns its number.
    fn push(&mut self, what: &'static str, session: u64, row: Option<u64>, kind: &str, fields: Value) -> u64 {
        let seq = self.bodies.len() as u64;
        self.bodies.push(body(session, row, kind, fields, seq));
        assert!(self.places.insert(what, self.bodies.len() - 1).is_none(), "{what}");
        seq
    }

    fn open(&mut self, what: &'static str, command: &str) -> u64 {
        let session = self.bodies.len() as u64;
        self.push(what, session, None, "session_opened", opening(what, command))
    }

    /// The place of what happens there.
    pub(crate) fn place(&self, what: &str) -> usize {
        *self.places.get(what).unwrap_or_else(|| panic!("{what}"))
    }

    /// Everything as it is written, an entry a millisecond.
    pub(crate) fn sealed(&self) -> Vec<String> {
        let at = |(seq, body): (usize, &Value)| {
            let mut body = body.clone();
            if !body["at"].is_string() {
                body["at"] = format!("2026-09-21T14:13:20.{seq:03}000Z").into();
            }
            body
        };
        resealed(&self.bodies.iter().enumerate().map(at).collect::<Vec<_>>())
    }

    /// Its number.
    pub(crate) fn number(&self, what: &str) -> u64 {
        self.place(what) as u64
    }

    /// With these fields in the entry where that happens; null takes one out.
    pub(crate) fn with(&self, what: &str, fields: &Value) -> Self {
        let mut told = self.clone();
        let place = self.place(what);
        told.bodies[place].as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        told
    }

    /// With these entries before that.
    pub(crate) fn before(&self, what: &str, bodies: impl IntoIterator<Item = Value>) -> Self {
        self.at(self.place(what), bodies)
    }

    /// With these entries at that place.
    pub(crate) fn at(&self, place: usize, bodies: impl IntoIterator<Item = Value>) -> Self {
        let mut told = self.clone();
        told.bodies.splice(place..place, bodies);
        told
    }

    pub(crate) fn without(&self, what: &str) -> Self {
        let mut told = self.clone();
        told.bodies.remove(self.place(what));
        told
    }
}

fn body(session: u64, row: Option<u64>, kind: &str, fields: Value, seq: u64) -> Value {
    let mut body = fields;
    (body["v"], body["seq"], body["at"]) = (2.into(), seq.into(), Value::Null);
    (body["kind"], body["session"], body["row"]) = (kind.into(), session.into(), json!(row));
    if kind != "session_opened" && kind != "row_resolved" {
        body["run"] = Value::Null;
    }
    body.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    body
}

/// An entry that nothing refers to, to be put somewhere.
pub(crate) fn more(session: u64, row: Option<u64>, kind: &str, fields: Value) -> Value {
    body(session, row, kind, fields, 9_999)
}

/// The sample's plan of ten rows, of which every second one is in another region, executed by four runners. The first one loses two
/// requests' answers and its leases, and hears of both answers too late; the second one leaves on a signal; the third one finishes
/// the run, and the fourth has nothing to do. Then a person says what became of row 7.
pub(crate) fn told() -> Told {
    let mut told = Told::default();
    for body in &sample().bodies[..17] {
        told.bodies.push(serde_json::from_str(body).unwrap());
    }
    assert_eq!(told.bodies[16]["kind"], "run_started");
    let (east, west) = ("us-east-1", "eu-west-1");
    let start = |attempt: u64| json!({ "attempt": attempt });
    let one = told.open("one opens", "work");
    let two = told.open("two opens", "work");
    told.push("one takes", one, None, "lease_taken", taken(east, &[(1, 1), (3, 3), (5, 5), (7, 7), (9, 9)]));
    told.push("two takes", two, None, "lease_taken", taken(west, &[(2, 2), (4, 4), (6, 6)]));
    told.push("two learns", two, None, "rate_changed", rate());
    told.push("one asks 1", one, Some(1), "attempt_started", start(1));
    told.push("two asks 2", two, Some(2), "attempt_started", start(1));
    told.push("one hears 1", one, Some(1), "attempt_finished", succeeded(1, 1));
    told.push("two hears 2", two, Some(2), "attempt_finished", succeeded(2, 1));
    let note = json!({ "outcome": "skipped", "evidence": "note", "rests_on": [intent(4)] });
    told.push("two skips 4", two, Some(4), "row_settled", note);
    let inventory = json!({ "outcome": "absent", "evidence": "inventory", "rests_on": [intent(5)] });
    told.push("one settles 5", one, Some(5), "row_settled", inventory);
    let asked = told.push("one asks 3", one, Some(3), "attempt_started", start(1));
    told.push("one asks 7", one, Some(7), "attempt_started", start(1));
    // It is not heard of in time.
    let three = told.open("three opens", "work");
    told.push("three says that one lapsed", three, None, "lease_ended", json!({ "of": one, "why": "lapsed" }));
    told.push("three takes", three, None, "lease_taken", taken(east, &[(3, 3), (7, 7), (9, 9)]));
    told.push("one hears 3 late", one, Some(3), "answer_late", late(succeeded(3, 1)));
    let found = told.push("three finds 3", three, Some(3), "observed", borrowed("observed", 3, 1));
    let seen = told.push("three looks for 3", three, Some(3), "observed", borrowed("observed", 3, 0));
    let settled = json!({ "outcome": "deleted", "evidence": "operation", "rests_on": [intent(3), asked, found, seen] });
    told.push("three settles 3", three, Some(3), "row_settled", settled);
    let found = told.push("three finds nothing of 7", three, Some(7), "observed", borrowed("observed", 2, 1));
    let seen = told.push("three looks for 7", three, Some(7), "observed", borrowed("observed", 2, 0));
    let settled = json!({ "outcome": "gone", "evidence": "readback", "rests_on": [intent(7), found, seen] });
    let gone = told.push("three settles 7", three, Some(7), "row_settled", settled);
    let heard = told.push("one hears 7 late", one, Some(7), "answer_late", late(succeeded(7, 1)));
    let left = json!({ "of": two, "why": "left", "stopped": "signal", "detail": "SIGTERM",
                       "targets": [{ "account": "123456789012", "region": west, "why": "throttled_for_long" }] });
    told.push("two leaves", two, None, "lease_ended", left);
    told.push("two closes", two, None, "session_closed", closing(1));
    told.push("three takes what two left", three, None, "lease_taken", taken(west, &[(6, 6), (8, 8), (10, 10)]));
    for (row, asks, hears) in [
        (6, "three asks 6", "three hears 6"),
        (8, "three asks 8", "three hears 8"),
        (9, "three asks 9", "three hears 9"),
        (10, "three asks 10", "three hears 10"),
    ] {
        told.push(asks, three, Some(row), "attempt_started", start(1));
        told.push(hears, three, Some(row), "attempt_finished", succeeded(row, 1));
    }
    let four = told.open("four opens", "work");
    let outcomes = OutcomeCounts { deleted: 7, gone: 1, skipped: 1, absent: 1, ..OutcomeCounts::default() };
    told.push("three finishes", three, None, "run_finished", json!({ "rows": 10, "outcomes": outcomes }));
    told.push("three leaves", three, None, "lease_ended", json!({ "of": three, "why": "left" }));
    told.push("three closes", three, None, "session_closed", closing(4));
    told.push("four is told", four, None, "control_used", json!({ "what": "pause", "by": "u", "uid": 0 }));
    told.push("four learns", four, None, "rate_changed", rate());
    told.push("four says it again", four, None, "lease_ended", json!({ "of": one, "why": "lapsed" }));
    told.push("four leaves", four, None, "lease_ended", json!({ "of": four, "why": "left", "stopped": "control" }));
    told.push("four closes", four, None, "session_closed", closing(0));
    told.push("a checkpoint", four, None, "checkpoint_made", json!({ "size": 0, "root": "of four" }));
    let person = told.open("a person opens", "resolve");
    let file = json!({ "name": "trail.json", "sha256": sha256(b"{}"), "bytes": 2 });
    let said = json!({ "run": 1, "outcome": "deleted", "evidence": "person", "because": "its answer came late", "by": "u", "file": file,
                       "rests_on": [intent(7), gone, heard] });
    told.push("a person resolves 7", person, Some(7), "row_resolved", said);
    told.push("the person closes", person, None, "session_closed", closing(0));
    told
}
