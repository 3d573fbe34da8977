//! What the files leave open: no finding rests on a record that is not there.

use super::moment::whole;
use super::reading::Reading;
use crate::domain::counted;
use crate::review::reconcile::Reconciliation;

/// How late a record may be delivered, in seconds.
const DELIVERED: i64 = 15 * 60;

/// Something that is missing: a stable word, and a sentence.
pub(super) struct Missing {
    pub(super) what: &'static str,
    pub(super) text: String,
}

/// All that is missing.
pub(super) fn missing(found: &Reconciliation, read: &Reading, passed_over: u64) -> Vec<Missing> {
    let mut all = Vec::new();
    let mut add = |what, text| all.push(Missing { what, text });
    let (from, until) = found.scope.window;
    for (account, region) in found.uncovered() {
        add("no_record_of_region", format!("the files have no record of any kind of {account}/{region}"));
    }
    for ((account, region), covered) in &found.covered {
        let is_own = found.is_target(account, region);
        let time = |seconds: u32| jiff::Timestamp::from_second(i64::from(seconds)).map(whole).unwrap_or_default();
        if is_own && i64::from(covered.first) > from.as_second() + 1 {
            let first = time(covered.first);
            add(
                "starts_late",
                format!("the first record of {account}/{region} is of {first}, after the run began ({})", whole(from)),
            );
        }
        if is_own && i64::from(covered.last) < until.as_second() + DELIVERED {
            let last = time(covered.last);
            add(
                "ends_early",
                format!(
                    "the last record of {account}/{region} is of {last}; records may be 15 minutes late, and the run ended at {}",
                    whole(until)
                ),
            );
        }
    }
    let tally = &found.tally;
    if read.fault_count > 0 {
        add("unreadable", format!("{} could not be read", counted(read.fault_count, "place", "places")));
    }
    if read.others > 0 {
        add(
            "no_records",
            if read.others == 1 {
                "the files have 1 object that is no record, such as a digest".to_owned()
            } else {
                format!("the files have {} objects that are no records, such as digests", read.others)
            },
        );
    }
    if let Some(file) = &read.goes_on {
        add("goes_on", format!("{file} has a NextToken: the look-up was not complete, and further records exist"));
    }
    if passed_over > 0 {
        add(
            "passed_over",
            format!("{} in the folders were passed over by their names", counted(passed_over, "file", "files")),
        );
    }
    if tally.of_other_kind > 0 {
        let kind =
            if found.scope.sandbox { "AWS, and the run is a rehearsal" } else { "a sandbox, and the run is real" };
        add(
            "other_kind",
            format!("{} were ignored: they are of {kind}", counted(tally.of_other_kind, "event", "events")),
        );
    }
    if tally.unassigned > 0 {
        let events = counted(tally.unassigned, "event", "events");
        add("unassigned", format!("{events} of this run name no key pair, so which attempt each one shows is open"));
    }
    if !found.ids_agree && found.counts.confirmed > 0 {
        add(
            "ids_differ",
            "no request id of a record is one that the journal has: attempts were matched by other means".into(),
        );
    }
    all
}
