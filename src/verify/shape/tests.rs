use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;
use crate::record::plan;

/// Values of each kind, and some that are read as something else than their kind.
fn values() -> Vec<Value> {
    let mut values =
        vec![json!(null), json!(true), json!(0), json!(7), json!({}), json!([]), json!(["x"]), json!({"x": "y"})];
    let texts = [
        "",
        "x",
        "a\"b\\c\u{0}é",
        "skip",
        "throttled",
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00.000001Z",
        "2026-13-01",
    ];
    values.extend(texts.map(Value::from));
    values.extend([json!({"x": 1}), json!({"x": null}), json!([["x", "y"]])]);
    values
}

/// Both read the same of what is like `whole`, which has all fields.
fn agree<T: DeserializeOwned>(whole: &Value, shaped: impl Fn(&str) -> bool) {
    let Value::Object(fields) = whole else { panic!("no object: {whole}") };
    let mut cases = values();
    cases.push(whole.clone());
    // As a sequence of its fields.
    cases.push(fields.values().cloned().collect());
    for name in fields.keys() {
        let mut without = fields.clone();
        without.remove(name);
        cases.push(without.clone().into());
        cases.extend(values().into_iter().map(|value| {
            let mut with = without.clone();
            with.insert(name.clone(), value);
            Value::Object(with)
        }));
    }
    let mut more = fields.clone();
    more.insert("zzz".into(), json!([1]));
    cases.push(more.into());
    assert!(serde_json::from_value::<T>(whole.clone()).is_ok(), "{whole}");
    for case in cases {
        let text = case.to_string();
        assert_eq!(serde_json::from_str::<T>(&text).is_ok(), shaped(&text), "{text}");
    }
}

macro_rules! is_read {
    ($shape:ty) => {
        |text: &str| serde_json::from_str::<$shape>(text).is_ok()
    };
}

#[test]
fn each_reads_what_its_type_reads() {
    let text = || Some("x".to_owned());
    let operation = domain::Operation {
        id: text(),
        resource_name: text(),
        resource_type: text(),
        created_at: text(),
        availability_zone: text(),
        region_name: text(),
        is_terminal: Some(true),
        operation_details: text(),
        operation_type: text(),
        status: text(),
        status_changed_at: text(),
        error_code: text(),
        error_details: text(),
    };
    agree::<domain::Operation>(&json!(operation), is_read!(Operation<'_>));
    let error = domain::ErrorText { error_type: text(), code: text(), message: text(), docs: text(), tip: text() };
    agree::<domain::ErrorText>(&json!(error), is_read!(ErrorText<'_>));
    let tags = BTreeMap::from([("x".to_owned(), "y".to_owned())]);
    let observation = PlanObservation { arn: text(), created_at: text(), fingerprint: text(), tags: tags.clone() };
    agree::<PlanObservation>(&json!(observation), is_read!(Observation<'_>));
    let note = plan::Note { severity: Severity::Skip, kind: "x".into(), text: "y".into() };
    agree::<plan::Note>(&json!(note), is_read!(Note<'_>));
    let line = plan::PlanRow {
        row: 1,
        line: 2,
        name: "x".into(),
        account: "x".into(),
        region: "x".into(),
        conditions: tags.clone(),
        reason: text(),
        ticket: text(),
        observation: Some(observation),
        verdict: Verdict::Skip,
        notes: vec![note],
        annotations: tags,
    };
    agree::<plan::PlanRow>(&json!(line), is_read!(Line<'_>));
    let today = crate::record::event::Today {
        verdict: Verdict::Skip,
        notes: line.notes.clone(),
        observation: line.observation.clone(),
    };
    agree::<crate::record::event::Today>(&json!(today), is_read!(Today<'_>));
    agree::<BTreeMap<String, String>>(&json!({"x": "y", "a": "é\"\\"}), is_read!(Texts));
    agree::<BTreeMap<String, String>>(&json!({"x": "y"}), is_read!(BTreeMap<String, Text>));
    agree::<BTreeMap<String, String>>(&json!({"x": "y", "arn": "é\"\\"}), is_read!(Named<'_>));
}
