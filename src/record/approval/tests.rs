use std::collections::BTreeMap;

use super::*;
use crate::record::plan::{ACTION, PLAN_SCHEMA, PlanCaller, PlanManifest, SEAL_SCHEMA, TargetVerdicts};

fn header() -> PlanHeader {
    PlanHeader {
        schema: PLAN_SCHEMA.into(),
        action: ACTION.into(),
        plan_id: "01980f5e-0000-7000-8000-000000000001".into(),
        made_at: "2026-06-03T08:00:00.000000Z".into(),
        made_by: "alice@desk".into(),
        expires_at: Some("2026-06-06T08:00:00.000000Z".into()),
        ticket: Some("OPS-17 \"für\"\n\u{202e}\u{1f511}\u{7f}\\".into()),
        reason: Some("not part of the text".into()),
        manifest: PlanManifest { name: "deletions.csv".into(), sha256: "0a".repeat(32), bytes: 120, rows: 3 },
        endpoint: "https://lightsail.us-east-1.amazonaws.com".into(),
        callers: vec![PlanCaller { account: "111122223333".into(), arn: "arn:aws:iam::111122223333:user/a".into() }],
        settings: BTreeMap::new(),
        policy_sha256: None,
        version: "0.1.0".into(),
    }
}

fn seal() -> PlanSeal {
    let target = |region: &str, deletes, skips, absents| TargetVerdicts {
        account: "111122223333".into(),
        region: region.into(),
        deletes,
        skips,
        absents,
    };
    PlanSeal {
        schema: SEAL_SCHEMA.into(),
        rows: 3,
        targets: vec![target("", 0, 1, 0), target("us-east-1", 12, 0, 1)],
        root: "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".into(),
        rows_root: "HxwdHh8AAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRo=".into(),
    }
}

/// Whoever signed this text signed these bytes: they must never change.
const TEXT: &str = r#"keybatch approval v1
"01980f5e-0000-7000-8000-000000000001"
"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
"HxwdHh8AAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRo="
"0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"
"https://lightsail.us-east-1.amazonaws.com"
null
"2026-06-06T08:00:00.000000Z"
"OPS-17 \"f\u00fcr\"\n\u202e\ud83d\udd11\\"
"111122223333" "" 0 1 0
"111122223333" "us-east-1" 12 0 1
"#;

#[test]
fn the_text_follows_from_the_plan_and_never_changes_its_form() {
    let expected = TEXT.replace("\\ud83d\\udd11", "\\ud83d\\udd11\u{7f}");
    assert_eq!(text(&header(), &seal()), expected);
    let bare = PlanHeader { ticket: None, expires_at: None, policy_sha256: Some("b".repeat(64)), ..header() };
    let lines: Vec<String> = text(&bare, &seal()).lines().map(str::to_owned).collect();
    assert_eq!(lines[6..9], [format!("{:?}", "b".repeat(64)), "null".into(), "null".into()]);
    assert!(text(&header(), &seal()).is_ascii());
}

/// What a reviewer agrees to cannot be changed behind the signature, nor can one value slip into the place of another.
#[test]
fn whatever_a_reviewer_agrees_to_changes_the_text() {
    let whole = text(&header(), &seal());
    let headers: [fn(&mut PlanHeader); 6] = [
        |header| header.plan_id.push('x'),
        |header| header.manifest.sha256.push('x'),
        |header| header.endpoint.push('x'),
        |header| header.policy_sha256 = Some(String::new()),
        |header| header.expires_at = None,
        |header| header.ticket = Some("null\n\"x\"".into()),
    ];
    for change in headers {
        let mut changed = header();
        change(&mut changed);
        assert_ne!(text(&changed, &seal()), whole);
        assert_eq!(text(&changed, &seal()).lines().count(), whole.lines().count());
    }
    let seals: [fn(&mut PlanSeal); 7] = [
        |seal| seal.root.push('x'),
        |seal| seal.rows_root.push('x'),
        |seal| seal.targets[1].account.push('x'),
        |seal| seal.targets[1].region.push_str(" 0"),
        |seal| seal.targets[1].deletes += 1,
        |seal| seal.targets[1].skips += 1,
        |seal| seal.targets[1].absents += 1,
    ];
    for change in seals {
        let mut changed = seal();
        change(&mut changed);
        assert_ne!(text(&header(), &changed), whole);
    }
}

#[test]
fn a_principal_is_a_word_that_a_file_can_be_named_after() {
    for good in ["alice", "alice@example.com", "a.b_c+d-e", "7", ".", "Maker", "maker2"] {
        assert_eq!(good.parse::<Principal>().unwrap().as_str(), good);
    }
    for bad in ["", "-alice", "a b", "a/b", "../x", "a,b", "*", "!a", "ä", "a\n", "\"a\"", "a\0"] {
        assert!(matches!(bad.parse::<Principal>(), Err(PrincipalError::Grammar(_))), "{bad:?}");
    }
    assert_eq!("maker".parse::<Principal>(), Err(PrincipalError::Maker));
}

#[test]
fn the_files_stand_beside_the_plan() {
    let plan = Path::new("plans/wednesday.plan");
    let alice: Principal = "alice@example.com".parse().unwrap();
    assert_eq!(text_file(plan), Path::new("plans/wednesday.plan.approval.txt"));
    assert_eq!(signature_file(plan, &alice), Path::new("plans/wednesday.plan.alice@example.com.sig"));
    assert_eq!(maker_file(plan), Path::new("plans/wednesday.plan.maker.sig"));
    assert_eq!(named_in("wednesday.plan", "wednesday.plan.alice@example.com.sig"), Some(alice));
    for other in
        ["wednesday.plan.maker.sig", "wednesday.plan.sig", "wednesday.plan..sig", "x.plan.alice.sig", "alice.sig"]
    {
        assert_eq!(named_in("wednesday.plan", other), None, "{other}");
    }
}
