//! What an entry says of CloudTrail's records: whether it can be so.

use std::collections::HashSet;

use crate::domain::parse_time;
use crate::record::event::{MOST_NAMED, Reconciled};

/// What records can say otherwise than the journal.
const SAYS: [&str; 9] = [
    "succeeded",
    "failed",
    "another_name",
    "another_place",
    "another_operation",
    "another_time",
    "another_run",
    "another_caller",
    "several_records",
];

/// Why no entry explains an event.
const WHY: [&str; 4] = ["another_caller", "unknown_run", "no_such_attempt", "unattributed"];

/// Reads its words and sums.
pub(super) fn reconciled(told: &Reconciled) -> Result<(), String> {
    let no = |why: &str| Err(why.to_owned());
    if told.by.is_empty() {
        return no("it does not say who reconciled the run");
    }
    if !is_hash(&told.files_sha256) || told.files.iter().any(|file| file.name.is_empty() || !is_hash(&file.sha256)) {
        return no("a file that it refers to has no name, or no SHA-256 as it is written");
    }
    let is_part = |named: usize, count: u64| named as u64 == count.min(MOST_NAMED as u64);
    if told.file_count == 0 || !is_part(told.files.len(), told.file_count) {
        return no("it does not name the files that it says were read");
    }
    if !is_part(told.contradictions.len(), told.attempts.contradicted) {
        return no("it does not name the attempts that it says are contradicted");
    }
    if !is_part(told.findings.len(), told.unexplained) || told.unexplained > told.events {
        return no("it does not name the events that it says nothing explains");
    }
    if told.events > told.records {
        return no("it has more events than records");
    }
    let times = [&told.from, &told.until].map(|time| whole_seconds(time));
    if times.contains(&None) || times[0] > times[1] {
        return no("its times are none as they are written, or the second is before the first");
    }
    let mut attempts = HashSet::new();
    for one in &told.contradictions {
        if one.says.is_empty() || !one.says.iter().all(|word| SAYS.contains(&&**word)) {
            return no("it does not say how a record contradicts the journal");
        }
        if one.row == 0 || one.attempt == 0 || !attempts.insert((one.row, one.attempt)) {
            return no("it names an attempt twice, or one that cannot be");
        }
    }
    let mut events = HashSet::new();
    for one in &told.findings {
        if !WHY.contains(&&*one.why) {
            return Err(format!("{:?} is no reason why nothing explains an event", one.why));
        }
        if whole_seconds(&one.event_time).is_none() || one.event_id.is_empty() || !events.insert(&one.event_id) {
            return no("it names an event twice, or one without an id or a time");
        }
    }
    Ok(())
}

fn whole_seconds(text: &str) -> Option<jiff::Timestamp> {
    parse_time(text).filter(|_| text.len() == 20 && text.ends_with('Z'))
}

/// Whether this is a SHA-256 as it is written.
pub(super) fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
