use super::*;
use crate::domain::Target;

fn rules(text: &str) -> Rules {
    parse(text.as_bytes()).unwrap_or_else(|faults| panic!("{faults:?}"))
}

/// Code, line, column and hint of each fault.
fn faults(text: &str) -> Vec<(&'static str, u64, u64, String)> {
    let place = |at: usize| {
        let before = &text[..at];
        let start = before.rfind('\n').map_or(0, |lf| lf + 1);
        (1 + before.matches('\n').count() as u64, 1 + (at - start) as u64)
    };
    let one = |fault: &Fault| {
        let (line, column) = place(fault.at.start);
        (fault.kind.code(), line, column, fault.hint())
    };
    parse(text.as_bytes()).unwrap_err().iter().map(one).collect()
}

#[test]
fn every_key_is_read() {
    let rules = rules(
        r#"
accounts = ["111122223333"]
regions = ["eu-*"]
endpoints = ["aws"]
protected_names = ["prod-*"]
protected_tags = ["keep", "env=prod*"]
minimum_age = "30d"
maximum_deletes = 500
maximum_percent = 12.5
if_in_use = "skip"
approvals = 2
signers = "/etc/keybatch/allowed_signers"
four_eyes = true
overridable = ["minimum_age", "maximum_deletes"]

[required_columns]
Ticket = "SEC-*"
owner = ["*@example.org", "*@example.net"]

[rates]
"*/*" = "5/s"
"111122223333/eu-central-1" = "30/m"
"#,
    );
    let (firm, liftable) = (&rules.firm, &rules.liftable);
    for rule in Rule::ALL {
        let is_liftable = [Rule::MinimumAge, Rule::MaximumDeletes].contains(rule);
        assert_eq!((firm.has(*rule), liftable.has(*rule)), (!is_liftable, is_liftable), "{rule}");
    }
    assert!(firm.accounts.allows(|glob| glob.matches("111122223333")));
    assert!(firm.regions.allows(|glob| glob.matches("eu-central-1")));
    assert_eq!(liftable.minimum_age, Some(Duration::from_secs(30 * 86_400)));
    assert_eq!(liftable.maximum_deletes, Some(500));
    assert_eq!(firm.maximum_percent, Some(Percent(1_250)));
    assert_eq!((firm.if_in_use, firm.approvals, firm.four_eyes), (IfInUse::Skip, 2, true));
    assert_eq!(firm.signers, ["/etc/keybatch/allowed_signers".to_owned()].into());
    assert_eq!(firm.required_columns.keys().collect::<Vec<_>>(), ["owner", "ticket"]);
    assert!(firm.required_columns["owner"].allows(|glob| glob.matches("amelie@example.net")));
    let target = |region: &str| Target { account: "111122223333".into(), region: region.into() };
    assert_eq!(firm.rate_per_s(&target("eu-central-1")), Some(0.5));
    assert_eq!(firm.rate_per_s(&target("eu-west-1")), Some(5.0));
}

#[test]
fn a_file_without_rules_forbids_nothing() {
    for text in ["", "# nothing yet\n", "overridable = []"] {
        assert_eq!(rules(text), Rules::default(), "{text:?}");
    }
}

#[test]
fn everything_that_is_wrong_is_found_at_once_in_the_order_of_the_file() {
    let text = "account = [\"111122223333\"]\nminimum_age = 30\nregions = \"eu-west-1\"\nmaximum_percent = 101\n\
                accounts = [\"1111\", 111122223333]\noverridable = [\"minimum-age\", \"signers\"]\n\
                [required_columns]\nticket = 7\napprovals = 2\n[rates]\n\"eu-west-1\" = \"5/s\"\n\"*/*\" = \"fast\"\n";
    let found = faults(text);
    let brief: Vec<_> = found.iter().map(|(code, line, column, _)| (*code, *line, *column)).collect();
    assert_eq!(
        brief,
        [
            ("policy.unknown_key", 1, 1),
            ("policy.type", 2, 15),
            ("policy.type", 3, 11),
            ("policy.value", 4, 19),
            ("policy.value", 5, 13),
            ("policy.type", 5, 21),
            ("policy.unknown_key", 6, 16),
            ("policy.unknown_key", 6, 31),
            ("policy.type", 8, 10),
            ("policy.misplaced_key", 9, 1),
            ("policy.value", 11, 1),
            ("policy.value", 12, 9),
        ]
    );
    assert_eq!(found[0].3, "did you mean `accounts`?");
    assert_eq!(found[6].3, "did you mean `minimum_age`?");
    assert!(found[9].3.contains("before the line `[required_columns]`"), "{}", found[9].3);
    assert!(found[11].3.contains("requests per second"), "{}", found[11].3);
}

#[test]
fn what_is_no_toml_is_said_with_its_place_and_nothing_is_guessed_from_the_rest() {
    let found = faults("accounts = [\"111122223333\"\nunknown = 1\n");
    assert!(found.iter().all(|(code, ..)| *code == "policy.syntax"), "{found:?}");
    assert!(
        faults("minimum_age = \"1d\"\nminimum_age = \"2d\"\n")
            .iter()
            .any(|(code, line, ..)| (*code, *line) == ("policy.syntax", 2))
    );
    let faults = |bytes: &[u8]| parse(bytes).unwrap_err()[0].kind.code();
    assert_eq!(faults(b"# \xff\n"), "policy.encoding");
    assert_eq!(faults(&vec![b'#'; MOST_BYTES + 1]), "policy.length");
}

#[test]
fn values_that_mean_nothing() {
    for text in [
        "accounts = [\"11112222333\"]",
        "accounts = [\"*\"]",
        "regions = [\"EU-west-1\"]",
        "regions = [\"\"]",
        "endpoints = [\"lightsail.eu-west-1.amazonaws.com\"]",
        "protected_names = [\"prod-[ab]\"]",
        "protected_names = [\"\"]",
        "protected_tags = [\"=prod\"]",
        "minimum_age = \"30\"",
        "minimum_age = \"-1d\"",
        "minimum_age = \"1.5d\"",
        "minimum_age = \"\"",
        "minimum_age = \"99999999999d\"",
        "minimum_age = \"30 d\"",
        "maximum_deletes = -1",
        "maximum_percent = 100.01",
        "maximum_percent = -1",
        "maximum_percent = 1e1",
        "maximum_percent = inf",
        "maximum_percent = 0.001",
        "if_in_use = \"delete\"",
        "approvals = 101",
        "signers = \"allowed_signers\"",
        "[required_columns]\n\" - \" = \"*\"",
        "[rates]\n\"*/*\" = \"unlimited\"",
        "[rates]\n\"*/*/*\" = \"5/s\"",
        "[rates]\n\"/\" = \"5/s\"",
    ] {
        assert_eq!(faults(text)[0].0, "policy.value", "{text}");
    }
    for (text, share) in [("0", 0), ("100", 10_000), ("0.5", 50), ("99.99", 9_999), ("7.05", 705)] {
        assert_eq!(rules(&format!("maximum_percent = {text}")).firm.maximum_percent, Some(Percent(share)), "{text}");
    }
}

#[test]
fn every_key_has_a_suggestion_for_a_slip() {
    for (written, meant) in [
        ("allowed_regions", "regions"),
        ("region", "regions"),
        ("Accounts", "accounts"),
        ("min_age", "none"),
        ("minimum_ages", "minimum_age"),
        ("maximum_delete", "maximum_deletes"),
        ("if-in-use", "if_in_use"),
        ("overidable", "overridable"),
        ("protected_name", "protected_names"),
        ("four_eye", "four_eyes"),
        ("colour", "none"),
    ] {
        assert_eq!(near(written, keys()).unwrap_or("none"), meant, "{written}");
    }
}
