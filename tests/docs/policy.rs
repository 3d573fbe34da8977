//! `docs/POLICY.md` describes each key that the parser accepts, and no other; and what it shows works.

use std::collections::BTreeSet;

use keybatch::policy::{Rule, keys, parse};

use super::{quoted, read, table};

/// A value for each key, as its row describes it.
fn value(key: &str) -> &'static str {
    match key {
        "accounts" => "[\"111122223333\"]",
        "regions" => "[\"eu-*\"]",
        "endpoints" => "[\"aws\", \"sandbox\", \"https://lightsail.{region}.amazonaws.com\"]",
        "protected_names" => "[\"prod-?\"]",
        "protected_tags" => "[\"keep\", \"env=prod*\"]",
        "minimum_age" => "\"90m\"",
        "maximum_deletes" => "500",
        "maximum_percent" => "2.5",
        "required_columns" => "{ ticket = \"SEC-*\", owner = [\"a\", \"b\"] }",
        "if_in_use" => "\"refuse\"",
        "approvals" => "2",
        "signers" => "\"/etc/keybatch/allowed_signers\"",
        "four_eyes" => "true",
        "rates" => "{ \"111122223333/eu-*\" = \"100/h\" }",
        "overridable" => "[\"rates\"]",
        other => panic!("write a value of {other} here"),
    }
}

fn listed() -> Vec<String> {
    table(&read("docs/POLICY.md"), "## The file").iter().map(|row| quoted(&row[0]).to_owned()).collect()
}

fn each_key_of_the_document_is_accepted_and_each_accepted_key_is_documented() {
    let listed = listed();
    let documented: BTreeSet<&str> = listed.iter().map(String::as_str).collect();
    assert_eq!(documented, keys().collect());
    for key in &listed {
        let text = format!("{key} = {}\n", value(key));
        assert!(parse(text.as_bytes()).is_ok(), "{text}");
    }
    for rule in Rule::ALL {
        let text = format!("overridable = [\"{rule}\"]\n{rule} = {}\n", value(rule.as_str()));
        let rules = parse(text.as_bytes()).unwrap();
        assert!(rules.liftable.has(*rule) && !rules.firm.has(*rule), "{text}");
    }
}

fn the_sample_is_a_policy() {
    let sample = read("samples/policy.toml");
    assert!(parse(sample.as_bytes()).is_ok_and(|rules| rules.firm.has(Rule::Accounts)), "{sample}");
    let sample = read("samples/four-eyes.toml");
    assert!(parse(sample.as_bytes()).is_ok_and(|rules| rules.firm.has(Rule::FourEyes)), "{sample}");
}

fn the_codes_and_notes_are_those_of_the_program() {
    let document = read("docs/POLICY.md");
    let codes: BTreeSet<_> = keybatch::cli::Code::ALL.iter().map(|code| code.as_str()).collect();
    let words =
        document.split('`').skip(1).step_by(2).filter(|word| word.starts_with("policy.") && !word.ends_with(".toml"));
    let unknown: Vec<_> = words.filter(|word| !codes.contains(word)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    use keybatch::policy::by_rule::{
        ACCOUNT_NOT_ALLOWED, COLUMN_REQUIRED, PROTECTED_NAME, PROTECTED_TAG, REGION_NOT_ALLOWED, TOO_YOUNG,
    };
    let journal = read("docs/JOURNAL.md");
    for note in [ACCOUNT_NOT_ALLOWED, COLUMN_REQUIRED, PROTECTED_NAME, PROTECTED_TAG, REGION_NOT_ALLOWED, TOO_YOUNG] {
        assert!(document.contains(&format!("`{note}`")) && journal.contains(&format!("`{note}`")), "{note}");
    }
}

crate::harness::tests![
    each_key_of_the_document_is_accepted_and_each_accepted_key_is_documented,
    the_sample_is_a_policy,
    the_codes_and_notes_are_those_of_the_program
];
