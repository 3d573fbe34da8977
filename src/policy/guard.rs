//! Guards: checks over a row of the plan. Pure: they only read and only note, and the verdict follows from the notes.

use jiff::Timestamp;

use super::by_rule;
use super::fingerprint::difference;
pub use super::in_use::IfInUse;
use super::limits::Limits;
use super::recreated::{self, IfRecreated};
use super::staged::{StagedRow, same_moment};
use crate::domain::{DEFAULT_KEY_PAIR, Known, counted, created_at_text, parse_time};
use crate::record::plan::{Note, PlanObservation, Severity, Verdict};

/// What the guards know besides the row.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The row's number.
    pub row: u64,
    /// The first row that names the same key pair.
    pub first: u64,
    /// The key pair's name.
    pub name: &'a str,
    /// The region.
    pub region: &'a str,
    /// The account of the target.
    pub account: &'a str,
    /// What the inventory says.
    pub seen: Option<&'a PlanObservation>,
    /// Whether the inventory lists two key pairs of this name.
    pub ambiguous: bool,
    /// How many instances were made with a key pair of that name, and one of them.
    pub used: Option<(u64, String)>,
    /// What to do about those.
    pub if_in_use: IfInUse,
    /// What earlier runs know of the name.
    pub known: &'a [Known],
    /// What to do where that is another key pair.
    pub if_recreated: IfRecreated,
    /// What the policy forbids.
    pub limits: &'a Limits,
    /// When the plan was made.
    pub judged_at: Timestamp,
}

/// The note of a row that repeats an earlier one exactly. Such rows do not count against the exit code.
pub const DUPLICATE: &str = "duplicate";

/// The note of a row whose name two key pairs have.
pub const AMBIGUOUS: &str = "ambiguous";

/// The note of a row with faults.
pub const INVALID_ROW: &str = "invalid_row";

/// The note of a row that is for another account than the credentials.
pub const OTHER_ACCOUNT: &str = "other_account";

/// What the guards note about one row.
#[must_use]
pub fn notes(staged: &StagedRow, facts: &Facts<'_>) -> Vec<Note> {
    let mut notes = Vec::new();
    let mut note = |severity, kind: &str, text: String| {
        notes.push(Note { severity, kind: kind.to_owned(), text });
    };
    for fault in &staged.faults {
        note(Severity::Skip, INVALID_ROW, fault.clone());
    }
    let valid = staged.faults.is_empty();
    if valid && facts.first != facts.row {
        if staged.differs.is_empty() {
            note(Severity::Skip, DUPLICATE, format!("the same as row {}", facts.first));
        } else {
            let differs = staged.differs.join(", ");
            let text = format!("names the same key pair as row {}, but differs in: {differs}", facts.first);
            note(Severity::Skip, "duplicate_differs", text);
        }
    }
    if valid && facts.ambiguous {
        let text = "the inventory lists two key pairs of this name, and a request names nothing else";
        note(Severity::Skip, AMBIGUOUS, text.into());
    }
    if valid && let Some(account) = staged.account.as_deref().filter(|account| *account != facts.account) {
        let text = format!("the row is for account {account}, but the credentials are for {}", facts.account);
        note(Severity::Refuse, OTHER_ACCOUNT, text);
    }
    if valid && let Some(seen) = facts.seen {
        for (kind, text) in drift(staged, seen) {
            note(Severity::Skip, kind, text);
        }
        let identity = seen.identity();
        if !identity.is_known() {
            let text = "the service gives it neither an arn nor a creation time, so its identity cannot be determined";
            note(Severity::Skip, "identity_unknown", text.into());
        }
        if facts.name == DEFAULT_KEY_PAIR {
            note(Severity::Warn, "default_key_pair", format!("this is the default key pair of {}", facts.region));
        }
        if let Some((count, example)) = &facts.used {
            let severity = match facts.if_in_use {
                IfInUse::Warn => Severity::Warn,
                IfInUse::Skip => Severity::Skip,
                IfInUse::Refuse => Severity::Refuse,
            };
            let instances = counted(*count, "instance was", "instances were");
            let text = format!("{instances} created with a key pair of this name, e.g. {example}");
            note(severity, "in_use", text);
        }
        // The later ones of rows that ask for the same are never asked for anyway.
        let first = facts.first == facts.row;
        let since = || recreated::since(staged, &identity);
        let of_any = || recreated::note(staged, &identity, facts.known, facts.if_recreated);
        notes.extend(first.then(|| since().or_else(of_any)).flatten());
    }
    if valid {
        let Facts { name, account, region, seen, judged_at, .. } = *facts;
        notes.extend(by_rule::notes(&by_rule::Row { staged, name, account, region, seen, judged_at }, facts.limits));
    }
    notes
}

/// What follows from the notes about a row, whose key pair `is_there` or not.
#[must_use]
pub fn verdict(notes: &[Note], is_there: bool) -> Verdict {
    match notes.iter().map(|note| note.severity).max() {
        Some(Severity::Skip | Severity::Refuse) => Verdict::Skip,
        _ if is_there => Verdict::Delete,
        _ => Verdict::Absent,
    }
}

/// Where the manifest expects something else than what was seen.
fn drift(staged: &StagedRow, seen: &PlanObservation) -> Vec<(&'static str, String)> {
    let mut drift = Vec::new();
    let mut compare = |kind, what: &str, expected: Option<&str>, found: Option<&str>, same: bool| {
        if let Some(expected) = expected.filter(|_| !same) {
            let why = found.filter(|_| kind == "drift_fingerprint").and_then(|found| difference(expected, found));
            let why = why.map(|why| format!(": {why}")).unwrap_or_default();
            let found = found.unwrap_or("none");
            drift.push((kind, format!("the {what} is {found}, the manifest expects {expected}{why}")));
        }
    };
    let (arn, fingerprint) = (seen.arn.as_deref(), seen.fingerprint.as_deref());
    compare("drift_arn", "arn", staged.arn.as_deref(), arn, staged.arn.as_deref() == arn);
    let expected = staged.expected_fingerprint();
    compare("drift_fingerprint", "fingerprint", expected, fingerprint, expected == fingerprint);
    let created = seen.created_at.as_deref();
    let expected = staged.created_at.map(created_at_text);
    let same = match (staged.created_at, created.and_then(parse_time)) {
        (Some(expected), Some(found)) => same_moment(expected, found),
        (expected, found) => expected == found,
    };
    compare("drift_created_at", "creation time", expected.as_deref(), created, same);
    drift
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::LazyLock;

    use super::*;

    fn seen() -> PlanObservation {
        PlanObservation {
            arn: Some("arn:aws:lightsail:us-east-1:123456789012:KeyPair/a".into()),
            created_at: Some("2020-10-22T17:50:01.123Z".into()),
            fingerprint: Some("aa:bb".into()),
            tags: BTreeMap::new(),
        }
    }

    fn expecting(fingerprint: &str) -> StagedRow {
        let conditions = [("expected_fingerprint".to_owned(), fingerprint.to_owned())].into();
        StagedRow { conditions, ..StagedRow::default() }
    }

    /// No policy.
    static NONE: LazyLock<Limits> = LazyLock::new(Limits::default);

    fn facts(seen: Option<&PlanObservation>) -> Facts<'_> {
        Facts {
            row: 2,
            first: 2,
            name: "kp",
            region: "us-east-1",
            account: "123456789012",
            seen,
            ambiguous: false,
            used: None,
            if_in_use: IfInUse::Warn,
            known: &[],
            if_recreated: IfRecreated::Warn,
            limits: &NONE,
            judged_at: Timestamp::UNIX_EPOCH,
        }
    }

    /// What is noted about a row, and what follows.
    struct Judged {
        notes: Vec<Note>,
        verdict: Verdict,
    }

    fn judge(staged: StagedRow, facts: Facts<'_>) -> Judged {
        let notes = notes(&staged, &facts);
        Judged { verdict: verdict(&notes, facts.seen.is_some()), notes }
    }

    fn kinds(intent: &Judged) -> Vec<&str> {
        intent.notes.iter().map(|note| note.kind.as_str()).collect()
    }

    #[test]
    fn what_is_there_is_deleted_and_what_is_not_is_absent() {
        assert_eq!(judge(StagedRow::default(), facts(Some(&seen()))).verdict, Verdict::Delete);
        assert_eq!(judge(StagedRow::default(), facts(None)).verdict, Verdict::Absent);
    }

    // SEMANTICS: P5
    #[test]
    fn each_expectation_that_fails_is_drift() {
        let staged = StagedRow {
            arn: Some("arn:aws:lightsail:us-east-1:123456789012:KeyPair/b".into()),
            created_at: Some("2020-10-22T17:50:02Z".parse().unwrap()),
            ..expecting("cc")
        };
        let intent = judge(staged, facts(Some(&seen())));
        assert_eq!(intent.verdict, Verdict::Skip);
        assert_eq!(kinds(&intent), ["drift_arn", "drift_fingerprint", "drift_created_at"]);
    }

    // SEMANTICS: P5
    #[test]
    fn another_form_of_a_fingerprint_is_drift_and_is_said_to_be_that() {
        let fingerprint = "b8:02:6e:d1:4f:97:a3:5c:20:ee:71:0b:c9:86:3d:fa:12:67:54:9e";
        let mut seen = seen();
        seen.fingerprint = Some(fingerprint.into());
        for (written, said) in [
            (fingerprint.to_uppercase(), "only the form differs"),
            (fingerprint.replace(':', ""), "only the form differs"),
            ("MD5:89:c5:99:b5:33:48:1c:84:be:da:cb:97:45:b0:4a:ee".into(), "do not show that the key changed"),
            (fingerprint.replace("b8", "b9"), ""),
        ] {
            let intent = judge(expecting(&written), facts(Some(&seen)));
            assert_eq!((intent.verdict, kinds(&intent)), (Verdict::Skip, vec!["drift_fingerprint"]), "{written}");
            let text = &intent.notes[0].text;
            assert!(text.contains(said) && (!said.is_empty() || text.ends_with(&written)), "{text}");
        }
    }

    // SEMANTICS: P5
    #[test]
    fn a_creation_time_in_whole_seconds_stands_for_its_fractions() {
        for (written, verdict) in [
            ("2020-10-22T17:50:01Z", Verdict::Delete),
            ("2020-10-22T10:50:01.123-07:00", Verdict::Delete),
            ("2020-10-22T17:50:01.124Z", Verdict::Skip),
        ] {
            let staged = StagedRow { created_at: Some(written.parse().unwrap()), ..StagedRow::default() };
            assert_eq!(judge(staged, facts(Some(&seen()))).verdict, verdict, "{written}");
        }
    }

    // SEMANTICS: P7
    #[test]
    fn a_key_pair_in_use_is_treated_as_asked() {
        for (if_in_use, verdict) in
            [(IfInUse::Warn, Verdict::Delete), (IfInUse::Skip, Verdict::Skip), (IfInUse::Refuse, Verdict::Skip)]
        {
            let seen = seen();
            let facts = Facts { used: Some((2, "web-1".into())), if_in_use, ..facts(Some(&seen)) };
            let intent = judge(StagedRow::default(), facts);
            assert_eq!((intent.verdict, kinds(&intent)), (verdict, vec!["in_use"]));
        }
    }

    // SEMANTICS: P4
    // SEMANTICS: P6
    #[test]
    fn an_exact_duplicate_and_a_foreign_account_are_never_asked_for() {
        let twin = judge(StagedRow::default(), Facts { first: 1, ..facts(Some(&seen())) });
        assert_eq!((twin.verdict, kinds(&twin)), (Verdict::Skip, vec![DUPLICATE]));
        let staged = StagedRow { account: Some("999999999999".into()), ..StagedRow::default() };
        let foreign = judge(staged, facts(Some(&seen())));
        assert_eq!((foreign.verdict, foreign.notes[0].severity), (Verdict::Skip, Severity::Refuse));
    }

    // SEMANTICS: P19
    #[test]
    fn without_an_identity_nothing_is_deleted() {
        let unknown = PlanObservation::default();
        assert_eq!(judge(StagedRow::default(), facts(Some(&unknown))).verdict, Verdict::Skip);
    }
}
