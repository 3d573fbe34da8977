//! Rules that were lifted: settings, entries and what was there before must say the same.

use super::*;
use crate::record::event::SessionOpened;
use crate::record::plan::PlanHeader;
use crate::verify::history::lifted::Lifted;

/// The beginning of a run up to its first row, with these settings and overrides.
fn beginning(run: &str, session: &str, settings: &[&str], used: &[&str]) -> Vec<Value> {
    let mut first = opened(run, session);
    for setting in settings {
        first["settings"][setting] = "true".into();
    }
    first["reason"] = "spring cleaning".into();
    let mut entries = vec![first, ingested(run, 1)];
    entries.extend(used.iter().map(|word| lifts(run, word)));
    entries.push(intended(run, 1, "delete"));
    entries
}

/// The seal of that plan, of the manifest of run `ONE`.
fn complete(run: &str) -> Value {
    let mut complete = sealed(run, &["delete"]);
    reseal(&mut complete, |header| header["manifest"]["sha256"] = ONE.into());
    complete
}

/// The plan that is sealed here has another header.
fn reseal(entry: &mut Value, change: impl Fn(&mut Value)) {
    if entry["kind"] != "plan_sealed" {
        return;
    }
    change(&mut entry["header"]);
    let mut sealing = Sealing::default();
    let line: PlanRow = serde_json::from_value(line(1, "delete")).unwrap();
    sealing.push("1", "r", line.verdict, line.leaf().unwrap());
    entry["seal"] = json!(sealing.seal(&serde_json::from_value(entry["header"].clone()).unwrap()).unwrap());
}

fn lifts(run: &str, word: &str) -> Value {
    entry(Some(run), "override_used", json!({ "override": word, "by": "u", "why": "spring cleaning" }))
}

/// A journal whose first run, of the manifest of run `ONE`, is finished; then another run of the same manifest.
fn after_a_finished_one(change: impl Fn(&mut Value), settings: &[&str], used: &[&str]) -> Vec<Value> {
    let mut entries = life();
    let mut second = beginning(TWO, "s3", settings, used);
    second[1]["sha256"] = ONE.into();
    second.push(complete(TWO));
    second.iter_mut().for_each(change);
    entries.extend(second);
    entries
}

#[test]
fn what_is_lifted_is_ordered_and_recorded() {
    let created = &life()[..1];
    let told = |settings: &[&str], used: &[&str]| {
        let mut entries = created.to_vec();
        entries.extend(beginning(ONE, "s1", settings, used));
        judged(&entries).is_ok()
    };
    for (setting, word) in [("skip_invalid", "skip-invalid"), ("allow_default_key_pair", "allow-default-key-pair")] {
        assert!(told(&[setting], &[word]), "{word}");
        assert!(!told(&[setting], &[]) && !told(&[], &[word]) && !told(&[setting], &[word, word]), "{word}");
    }
    assert!(told(&["skip_invalid", "allow_default_key_pair"], &["allow-default-key-pair", "skip-invalid"]));
    assert!(!told(&["skip_invalid"], &["allow-default-key-pair"]) && !told(&["rate"], &["rate"]));
    // Nothing is run again where nothing was run before.
    assert!(told(&["again"], &[]) && !told(&["again"], &["again"]));
}

#[test]
fn a_manifest_is_not_run_again_in_silence() {
    let told = |change: fn(&mut Value), settings: &[&str], used: &[&str]| {
        judged(&after_a_finished_one(change, settings, used)).is_ok()
    };
    let plain: fn(&mut Value) = |_| {};
    assert!(told(plain, &["again"], &["again"]));
    assert!(!told(plain, &[], &[]) && !told(plain, &["again"], &[]) && !told(plain, &[], &["again"]));
    // Another manifest, account or place is another thing.
    fn set(entry: &mut Value, field: &str, value: &str) {
        if entry[field].is_string() {
            entry[field] = value.into();
        }
    }
    // The header of the plan says so, too.
    let manifest: fn(&mut Value) = |entry| {
        set(entry, "sha256", "other");
        reseal(entry, |header| header["manifest"]["sha256"] = "other".into());
    };
    let endpoint: fn(&mut Value) = |entry| {
        set(entry, "endpoint", "http://localhost:1");
        reseal(entry, |header| header["endpoint"] = "http://localhost:1".into());
    };
    for change in [manifest, endpoint] {
        assert!(told(change, &[], &[]) && told(change, &["again"], &[]) && !told(change, &["again"], &["again"]));
    }
    // One that was never finished was not run.
    let mut entries = after_a_finished_one(plain, &[], &[]);
    entries.drain(24..26);
    judged(&entries).unwrap();
}

/// A plan's file is reviewed by itself, and its id is used once: it needs no word about what was run before.
#[test]
fn a_plan_of_a_file_is_no_repetition() {
    let of_file: fn(&mut Value) =
        |entry| reseal(entry, |header| header["expires_at"] = "2026-01-02T00:00:00.000000Z".into());
    judged(&after_a_finished_one(of_file, &[], &[])).unwrap();
    judged(&after_a_finished_one(|_| {}, &[], &[])).unwrap_err();
}

#[test]
fn a_rule_is_lifted_where_the_run_begins() {
    let mut entries = life()[..1].to_vec();
    entries.extend(beginning(ONE, "s1", &["skip_invalid"], &["skip-invalid"]));
    judged(&entries).unwrap();
    let moved = |from: usize, to: usize| {
        let mut entries = entries.clone();
        let one = entries.remove(from);
        entries.insert(to, one);
        entries
    };
    is_refused(&moved(3, 2), 2);
    is_refused(&moved(3, 4), 3);
    for (field, value) in [("by", "another"), ("why", "another reason")] {
        let mut other = entries.clone();
        other[3][field] = value.into();
        is_refused(&other, 3);
    }
}

/// Also where the settings hide it.
#[test]
fn a_row_that_is_there_only_by_a_lifted_rule_shows_it() {
    let none = Line { leaf: [0; 32], of_file: false, skips_invalid: false, is_default: false, is_by_policy: false };
    let cases = [
        (Line { skips_invalid: true, ..none }, "skip_invalid", "skip-invalid"),
        (Line { is_default: true, ..none }, "allow_default_key_pair", "allow-default-key-pair"),
    ];
    for (shown, setting, word) in cases {
        for lifted in [true, false] {
            let (settings, used): (&[&str], &[&str]) = if lifted { (&[setting], &[word]) } else { (&[], &[]) };
            let mut entries = life()[..1].to_vec();
            entries.extend(beginning(ONE, "s1", settings, used));
            let mut history = History::default();
            let told = placed(&entries).iter().try_for_each(|body| {
                let entry = Entry::parse(&body.to_string()).unwrap();
                let shows = match &entry.event {
                    Event::IntentRecorded(_) => Shows::Line(shown),
                    _ => Shows::Nothing,
                };
                history.step(&entry, Claimed { shows, ..Claimed::default() })
            });
            assert_eq!(told.is_ok(), lifted, "{word}");
        }
    }
}

/// What an entry says of a rule of the policy, and why.
type Used<'a> = (&'a str, Option<&'a str>);

#[test]
fn rules_of_a_policy_are_lifted_as_its_session_says() {
    let told = |policy: Option<&str>, lifted: Option<&str>, used: &[Used<'_>]| {
        let mut first = opened(ONE, "s1");
        if let Some(field) = policy {
            first[field] = "d".into();
        }
        if let Some(rules) = lifted {
            first["settings"]["override"] = rules.into();
            first["settings"]["override_because"] = "they are old".into();
        }
        let mut entries = vec![life()[0].clone(), first, ingested(ONE, 1)];
        entries.extend(used.iter().map(|(rule, why)| {
            let which = format!("policy.{rule}");
            entry(Some(ONE), "override_used", json!({ "override": which, "by": "u", "why": why }))
        }));
        entries.push(intended(ONE, 1, "delete"));
        judged(&entries).is_ok()
    };
    let because = Some("they are old");
    for policy in ["policy_sha256", "machine_policy_sha256"] {
        let policy = Some(policy);
        assert!(told(policy, None, &[]) && told(policy, Some("rates"), &[("rates", because)]));
        assert!(told(policy, Some("minimum_age,rates"), &[("minimum_age", because), ("rates", because)]));
        assert!(!told(policy, Some("rates"), &[]) && !told(policy, None, &[("rates", because)]));
        assert!(!told(policy, Some("rates"), &[("minimum_age", because)]));
        assert!(!told(policy, Some("rates"), &[("rates", because), ("rates", because)]));
        assert!(
            !told(policy, Some("rates"), &[("rates", None)]) && !told(policy, Some("rates"), &[("rates", Some("x"))])
        );
    }
    // Without a policy there is nothing to lift.
    assert!(!told(None, Some("rates"), &[("rates", because)]));
}

#[test]
fn notes_of_a_policy_need_one() {
    let line = Line { leaf: [0; 32], of_file: false, skips_invalid: false, is_default: false, is_by_policy: true };
    let by = |field: Option<&str>, is_of_file: bool| {
        let mut first = opened(ONE, "s1");
        if let Some(field) = field {
            first[field] = "d".into();
        }
        let opened: SessionOpened = serde_json::from_value(first).unwrap();
        let mut lifted = Lifted::ordered_by(&opened, false);
        assert!(lifted.allow(&line).is_ok());
        let mut header: PlanHeader = serde_json::from_value(header(ONE, 1)).unwrap();
        header.policy_sha256 = opened.policy_sha256;
        header.expires_at = is_of_file.then(|| "2026-01-01T00:00:00.000000Z".to_owned());
        lifted.check_policy(&header).is_ok()
    };
    assert!(!by(None, false) && by(None, true));
    assert!(by(Some("policy_sha256"), false) && by(Some("machine_policy_sha256"), false));
}
