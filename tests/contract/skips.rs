//! Rows for which no delete is sent: drift, duplicates, the default key pair, invalid rows, key pairs in use; and the
//! faults for which a manifest is refused as a whole.

use crate::support::{self, ACCOUNT, Act, Bench, DEFAULT_KEY_PAIR, HOME, Row, invariants, row, summary};

/// Drift: a row whose fingerprint, arn or created_at does not match is `skipped`, and no delete is sent; exit 3.
// SEMANTICS: P5
// SEMANTICS: P30
#[test]
fn drift_is_skipped() {
    let bench = Bench::new();
    let right = bench.world.key("right");
    let other = bench.world.key("other");
    for name in ["wrong-fingerprint", "wrong-arn", "wrong-time"] {
        bench.world.key(name);
    }
    let text = format!(
        "name,fingerprint,arn,created_at\nright,{},{},{}\nwrong-fingerprint,{},,\nwrong-arn,,{},\nwrong-time,,,{}\n",
        right.fingerprint,
        right.arn,
        right.created_rfc3339(),
        other.fingerprint,
        other.arn,
        other.created_rfc3339()
    );
    let done = bench.run(&bench.file("m.csv", text), &[]).exits(3);
    let summary = summary(&bench, &done);
    assert_eq!(summary["outcomes"]["skipped"], 3, "{done}");
    assert_eq!(row(&bench, "right").verdict(), "deleted/answer", "a match in all three, to the millisecond\n{done}");
    for name in ["wrong-fingerprint", "wrong-arn", "wrong-time"] {
        assert_eq!(row(&bench, name).outcome(), "skipped", "{name}\n{done}");
        assert_eq!(bench.world.deletes(name), 0, "{name}");
        says_why(&row(&bench, name));
    }
    invariants(&bench);
}

/// A skipped row says why, in its evidence or detail.
#[track_caller]
fn says_why(row: &Row) {
    assert!(!row.text("detail").is_empty() || !row.text("evidence").is_empty(), "{row:#?}");
}

/// created_at is compared as a time, not as text or as a binary fraction: whole seconds and milliseconds both match.
// SEMANTICS: P5
#[test]
fn created_at_matches_in_both_number_forms() {
    let bench = Bench::new();
    let pairs: Vec<(String, String)> =
        bench.world.keys("key", 4).into_iter().map(|name| (created(&bench, &name), name)).collect();
    let rows: String = pairs.iter().map(|(at, name)| format!("{name},{at}\n")).collect();
    bench.run(&bench.file("m.csv", format!("key_pair_name,created_at\n{rows}")), &[]).exits(0);
    assert_eq!(bench.world.arrived("DeleteKeyPair").len(), 4);
    invariants(&bench);
}

fn created(bench: &Bench, name: &str) -> String {
    bench.world.state().keys[&(HOME.to_owned(), name.to_owned())].created_rfc3339()
}

/// Custom key pairs: keybatch compares the fingerprint itself and does not send expectedFingerprint (lightsail.md, Shapes).
// SEMANTICS: P8
#[test]
fn the_expected_fingerprint_of_a_custom_key_pair_is_not_sent() {
    let bench = Bench::new();
    let pair = bench.world.key("custom");
    let text = format!("keyPairName,expectedFingerprint\ncustom,{}\n", pair.fingerprint);
    bench.run(&bench.file("m.csv", text), &[]).exits(0);
    let body = bench.world.arrived("DeleteKeyPair")[0].body.clone();
    assert!(!body.contains("expectedFingerprint"), "{body}");
    invariants(&bench);
}

/// The default key pair needs its fingerprint and the flag; with both it is deleted, and the request has the fingerprint.
// SEMANTICS: P8
#[test]
fn the_default_key_pair_with_everything() {
    let bench = Bench::new();
    let pair = bench.world.key(DEFAULT_KEY_PAIR);
    let text = format!("name,fingerprint\n{DEFAULT_KEY_PAIR},{}\n", pair.fingerprint);
    bench.run(&bench.file("m.csv", text), &["--allow-default-key-pair"]).exits(0);
    let body = bench.world.arrived("DeleteKeyPair")[0].body.clone();
    assert!(body.contains(&pair.fingerprint), "{body}");
    assert_eq!(row(&bench, DEFAULT_KEY_PAIR).verdict(), "deleted/answer");
    invariants(&bench);
}

/// Without the flag, without the fingerprint, or with a wrong one, no request for the default key pair is sent.
// SEMANTICS: P8
#[test]
fn the_default_key_pair_without_one_of_them() {
    for (fingerprint, flags) in [(true, &[][..]), (false, &["--allow-default-key-pair"][..])] {
        let bench = Bench::new();
        let pair = bench.world.key(DEFAULT_KEY_PAIR);
        let text =
            format!("name,fingerprint\n{DEFAULT_KEY_PAIR},{}\n", if fingerprint { &pair.fingerprint } else { "" });
        bench.run(&bench.file("m.csv", text), flags).exits_one_of(&[3, 4]);
        assert_eq!(bench.world.arrived("DeleteKeyPair").len(), 0);
        assert!(bench.world.has(DEFAULT_KEY_PAIR));
    }
    let bench = Bench::new();
    bench.world.key(DEFAULT_KEY_PAIR);
    let text = format!("name,fingerprint\n{DEFAULT_KEY_PAIR},00:11:22\n");
    bench.run(&bench.file("m.csv", text), &["--allow-default-key-pair"]).exits(3);
    assert_eq!(bench.world.arrived("DeleteKeyPair").len(), 0);
    invariants(&bench);
}

/// Exact duplicates: the later row is `skipped`, and the run still exits with 0.
// SEMANTICS: P4
#[test]
fn exact_duplicates_are_skipped() {
    let bench = Bench::new();
    bench.world.key("twice");
    bench.world.key("once");
    let done = bench.run(&bench.manifest(&["twice", "once", "twice"]), &[]).exits(0);
    let summary = summary(&bench, &done);
    assert_eq!((&summary["outcomes"]["deleted"], &summary["outcomes"]["skipped"]), (&2.into(), &1.into()), "{done}");
    let rows = support::intents(&bench);
    assert_eq!((rows[0].outcome().as_str(), rows[2].outcome().as_str()), ("deleted", "skipped"), "{rows:#?}");
    assert_eq!(bench.world.deletes("twice"), 1);
    invariants(&bench);
}

/// Contradicting duplicates are a fault: exit 4, nothing sent.
// SEMANTICS: P4
#[test]
fn contradicting_duplicates_are_refused() {
    let bench = Bench::new();
    let pair = bench.world.key("twice");
    let text = format!("name,fingerprint\ntwice,{}\ntwice,aa:bb:cc\n", pair.fingerprint);
    let done = bench.run(&bench.file("m.csv", text), &[]).exits(4);
    assert_eq!(bench.world.arrived("DeleteKeyPair").len(), 0);
    assert!(done.stderr.contains("twice") && done.stderr.contains('3'), "names the row and its line\n{done}");
}

/// With `--skip-invalid`, no delete is sent for either of two contradicting rows: a program must not guess which one was meant.
// SEMANTICS: P4
#[test]
fn of_contradicting_duplicates_none_is_deleted() {
    let bench = Bench::new();
    let pair = bench.world.key("twice");
    bench.world.key("once");
    let text = format!("name,fingerprint\ntwice,{}\nonce,\ntwice,aa:bb:cc\n", pair.fingerprint);
    bench.run(&bench.file("m.csv", text), &["--skip-invalid"]).exits(3);
    let rows = support::intents(&bench);
    let outcomes: Vec<_> = rows.iter().map(|row| row.outcome()).collect();
    assert_eq!(outcomes, ["skipped", "deleted", "skipped"], "{rows:#?}");
    assert_eq!((bench.world.deletes("twice"), bench.world.deletes("once")), (0, 1));
    invariants(&bench);
}

/// A row that names the same key pair with another reason is skipped like an exact duplicate, but somebody should look: the run
/// exits with 3, and the note names what differs.
// SEMANTICS: P4
#[test]
fn duplicates_that_differ_in_their_reason_are_told() {
    let bench = Bench::new();
    bench.world.key("twice");
    let text = "name,reason,team\ntwice,left,a\ntwice,rotated,a\n";
    bench.run(&bench.file("m.csv", text), &[]).exits(3);
    let rows = support::intents(&bench);
    assert_eq!((rows[0].outcome().as_str(), rows[1].outcome().as_str()), ("deleted", "skipped"), "{rows:#?}");
    let said = bench.query("SELECT detail FROM intents WHERE row_no = 2");
    assert!(said[0]["detail"].as_str().unwrap().ends_with("differs in: reason"), "{said:?}");
    assert_eq!(bench.world.deletes("twice"), 1);
    invariants(&bench);
}

/// The same name in two regions is not a duplicate.
#[test]
fn the_same_name_in_two_regions_is_no_duplicate() {
    let bench = Bench::new();
    bench.world.state().create("us-east-1", "shared");
    bench.world.state().create("eu-west-1", "shared");
    bench.run(&bench.file("m.csv", "name,region\nshared,us-east-1\nshared,eu-west-1\n"), &[]).exits(0);
    assert_eq!(bench.world.deletes("shared"), 2);
    invariants(&bench);
}

/// Manifest faults: refused with exit 4 before anything is sent, each with its line; all at once.
// SEMANTICS: P2
#[test]
fn faulty_manifests_are_refused() {
    let faulty: [(&str, &[u8]); 12] = [
        ("empty", b""),
        ("no rows", b"key_pair_name\n"),
        ("no header", b"some-key\nanother-key\n"),
        ("no name column", b"region,reason\nus-east-1,old\n"),
        ("two columns of one meaning", b"name,key_pair_name\nprobe,probe\n"),
        ("a NUL", b"key_pair_name\npro\0be\n"),
        ("UTF-16", b"\xff\xfek\0e\0y\0\n\0"),
        ("not UTF-8", b"key_pair_name,reason\nprobe,\xe9t\xe9\n"),
        ("a bad name", b"key_pair_name\n-probe\n"),
        ("one character", b"key_pair_name\np\n"),
        ("a name with a letter beyond ASCII", "key_pair_name\nprobé\n".as_bytes()),
        ("an unclosed quote", b"key_pair_name,reason\nprobe,\"open\n"),
    ];
    for (label, text) in faulty {
        let bench = Bench::new();
        bench.world.key("probe");
        let done = bench.run(&bench.file("m.csv", text), &[]);
        assert_eq!(done.code, Some(4), "{label}\n{done}");
        assert_eq!(bench.world.arrived("DeleteKeyPair").len(), 0, "{label}");
        assert!(done.stderr.contains("m.csv"), "{label}: the file is named\n{done}");
    }
}

/// All faults are reported at once, each with its line.
// SEMANTICS: P2
#[test]
fn all_faults_are_reported_at_once() {
    let bench = Bench::new();
    let name = "n".repeat(256);
    let text = format!("key_pair_name,reason\nfine-one,x\n-bad-one,x\n{name},x\nbad two,x\n");
    let done = bench.run(&bench.file("m.csv", text), &[]).exits(4);
    for part in ["-bad-one", "bad two", "3", "4", "5"] {
        assert!(done.stderr.contains(part), "`{part}` is missing\n{done}");
    }
    assert_eq!(bench.world.arrived("DeleteKeyPair").len(), 0);
}

/// The hint to skip rows appears only where that helps: not for a file whose rows cannot be identified, nor if the flag was given.
#[test]
fn skip_invalid_is_advised_where_it_helps() {
    const ADVICE: &str = "or skip invalid rows with --skip-invalid";
    for (text, flags, advised) in [
        ("name\n-bad-\n", &[][..], true),
        ("name\nprobe,\"\n", &[], false),
        ("region\nus-east-1\n", &[], false),
        ("region\nus-east-1\n", &["--skip-invalid"], false),
    ] {
        let bench = Bench::new();
        let done = bench.run(&bench.file("m.csv", text), flags).exits(4);
        assert_eq!(done.stderr.contains(ADVICE), advised, "{text:?}, {flags:?}: {done}");
        assert!(done.stderr.contains("fix the file"), "{done}");
    }
}

/// Names of 2 and of 255 characters, BOM, CRLF, quoting and foreign columns are all fine; annotations stay verbatim.
#[test]
fn unusual_but_valid_manifests_are_taken() {
    let bench = Bench::new();
    let long = "n".repeat(255);
    for name in ["k1", "under_score", &long, "quoted"] {
        bench.world.key(name);
    }
    let text = format!(
        "\u{feff}\"key_pair_name\",owner,note\r\nk1,\"Doe, \"\"Jo\"\"\",\"two\r\nlines\"\r\nunder_score,,\r\n{long},ü,\r\n\"quoted\",,"
    );
    let done = bench.run(&bench.file("m.csv", text), &[]).exits(0);
    assert_eq!(summary(&bench, &done)["outcomes"]["deleted"], 4, "{done}");
    let annotations: serde_json::Value = serde_json::from_str(&row(&bench, "k1").text("annotations")).unwrap();
    let kept = annotations.to_string();
    assert!(kept.contains(r#"Doe, \"Jo\""#) && kept.contains(r"two\r\nlines"), "{kept}");
    let lines: Vec<String> = support::intents(&bench).iter().map(|row| row.text("line")).collect();
    assert_eq!(lines, ["2", "4", "5", "6"], "a row's line is where it starts");
    invariants(&bench);
}

/// `--skip-invalid` records invalid rows as `skipped` and does the others; exit 3.
// SEMANTICS: P3
#[test]
fn skip_invalid_does_the_rest() {
    let bench = Bench::new();
    bench.world.key("fine");
    let done = bench.run(&bench.manifest(&["fine", "-bad-"]), &["--skip-invalid"]).exits(3);
    let overrides = bench.query("SELECT override FROM overrides");
    assert_eq!(overrides, [serde_json::json!({"override": "skip-invalid"})]);
    let summary = summary(&bench, &done);
    assert_eq!((&summary["outcomes"]["deleted"], &summary["outcomes"]["skipped"]), (&1.into(), &1.into()), "{done}");
    invariants(&bench);
}

/// A manifest of only invalid rows names no region, and is recorded like any other: in a rehearsal, which needs no configuration,
/// and against the service.
// SEMANTICS: P3
#[test]
fn a_manifest_of_invalid_rows_alone_is_recorded() {
    const VARIABLES: [&str; 4] = ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"];
    for (flags, unset) in [
        (&["--sandbox", "--skip-invalid"][..], &VARIABLES[..]),
        (&["--skip-invalid"], &[]),
        (&["--skip-invalid"], &VARIABLES[..1]),
    ] {
        let mut bench = Bench::new();
        unset.iter().for_each(|name| bench.unset(name));
        let done = bench.run(&bench.file("m.csv", "name,region\nbad x,us-east-1\n,us-east-1\n"), flags).exits(3);
        assert_eq!(summary(&bench, &done)["outcomes"]["skipped"], 2, "{done}");
        assert!(support::intents(&bench).iter().all(|row| row.verdict() == "skipped/note"), "{done}");
        bench.verify().exits(0);
        bench.keybatch(&["resume", "latest"]).exits(3);
        assert!(bench.world.state().log.iter().all(|arrival| arrival.operation == "GetCallerIdentity"), "{done}");
    }
}

/// An invalid row has no region, even if it is the first row of a run that is resumed.
// SEMANTICS: P3
#[test]
fn a_run_that_begins_with_an_invalid_row_is_resumed() {
    for flags in [&["--sandbox"][..], &[]] {
        let bench = Bench::new();
        let names = bench.world.keys("key", 2);
        let text = format!("name,region\nbad x,us-east-1\n{},us-east-1\n{},us-east-1\n", names[0], names[1]);
        let more = [flags, &["--skip-invalid", "--max-deletes", "1", "--concurrency", "1"]].concat();
        bench.run(&bench.file("m.csv", text), &more).exits(5);
        let done = bench.resume().exits(3);
        assert_eq!(summary(&bench, &done)["outcomes"]["deleted"], 2, "{done}");
    }
}

/// No delete is sent for a row of another account than the caller's.
// SEMANTICS: P6
#[test]
fn a_row_for_another_account_is_not_asked_for() {
    let bench = Bench::new();
    bench.world.key("mine");
    bench.world.key("theirs");
    let text = format!("name,account_id\nmine,{ACCOUNT}\ntheirs,999999999999\n");
    bench.run(&bench.file("m.csv", text), &[]).exits_one_of(&[3, 4, 9]);
    assert_eq!(bench.world.deletes("theirs"), 0);
}

/// `--if-in-use`: `warn` deletes the key pair, `skip` skips it, `refuse` refuses the plan.
// SEMANTICS: P7
#[test]
fn key_pairs_in_use() {
    for (flags, code, deletes) in [
        (&[][..], 0, 2),
        (&["--if-in-use", "warn"][..], 0, 2),
        (&["--if-in-use", "skip"][..], 3, 1),
        (&["--if-in-use", "refuse"][..], 4, 0),
    ] {
        let bench = Bench::new();
        let names = bench.world.keys("key", 2);
        let instance = (HOME.to_owned(), "web-1".to_owned());
        bench.world.state().instances.push((instance, names[0].clone()));
        let done = bench.run(&bench.manifest(&names), flags).exits(code);
        assert_eq!(bench.world.arrived("DeleteKeyPair").len(), deletes, "{flags:?}\n{done}");
        if code == 3 {
            assert_eq!(row(&bench, &names[0]).outcome(), "skipped", "{flags:?}");
        }
        if code != 4 {
            invariants(&bench);
        }
    }
}

/// If GetInstances is denied, `warn` says that it cannot check the key pairs before it deletes them.
// SEMANTICS: P7
#[test]
fn instances_that_cannot_be_listed_are_said() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 2);
    bench.world.always("GetInstances", "*", Act::denied());
    let done = bench.run(&bench.manifest(&names), &[]).exits_one_of(&[0, 9]);
    assert!(done.said().contains("GetInstances"), "{done}");
    let deletes = bench.world.arrived("DeleteKeyPair").len();
    bench.world.keys("more", 1);
    for what in ["skip", "refuse"] {
        let manifest = bench.file("more.csv", "name\nmore-0\n");
        let done = bench.run(&manifest, &["--if-in-use", what]).exits(9);
        assert!(done.stderr.contains("lightsail:GetInstances"), "{done}");
        assert_eq!(bench.world.arrived("DeleteKeyPair").len(), deletes);
    }
}

/// Instances that could not be listed may use any key pair: `skip` and `refuse` do not continue without the list.
// SEMANTICS: P7
#[test]
fn instances_without_their_list_are_no_empty_list() {
    for (if_in_use, code) in [("warn", 0), ("skip", 9), ("refuse", 9)] {
        let bench = Bench::new();
        let names = bench.world.keys("key", 2);
        bench.world.always("GetInstances", "*", Act::empty_object());
        let done = bench.run(&bench.manifest(&names), &["--if-in-use", if_in_use]).exits(code);
        assert_eq!(bench.world.arrived("DeleteKeyPair").len(), if code == 0 { 2 } else { 0 }, "{if_in_use}: {done}");
    }
}

/// A name that is listed with two identities is ambiguous and skipped, however often and in whatever order it is listed.
// SEMANTICS: P19
#[test]
fn a_name_that_is_listed_with_two_identities_is_skipped() {
    for listing in [
        r#"{"keyPairs":[{"name":"key-01","arn":"a","createdAt":1},{"name":"key-01","arn":"b","createdAt":1}]}"#,
        r#"{"keyPairs":[{"name":"key-01","arn":"a","createdAt":1},{"name":"key-01","arn":"b","createdAt":1},
            {"name":"key-01","arn":"a","createdAt":1},{"name":"key-01","arn":"a","createdAt":1}]}"#,
    ] {
        let bench = Bench::new();
        let names = bench.world.keys("key", 1);
        bench.world.script("GetKeyPairs", "*", [Act::raw(200, "application/x-amz-json-1.1", listing)]);
        let done = bench.run(&bench.manifest(&names), &[]).exits(3);
        assert_eq!(
            (row(&bench, "key-01").verdict().as_str(), bench.world.deletes("key-01")),
            ("skipped/note", 0),
            "{done}"
        );
        invariants(&bench);
    }
}

/// Fifty faults of one kind: ten in full, one line for each of the others, and the count at the end.
// SEMANTICS: P2
#[test]
fn equal_faults_are_shown_briefly() {
    let bench = Bench::new();
    let rows: String = (1..=50).map(|row| format!("key-{row},us-east-1,N/A\n")).collect();
    let manifest = bench.file("m.csv", format!("name,region,expected_fingerprint\n{rows}bad name,us-east-1,\n"));
    let done = bench.run(&manifest, &[]).exits(4);
    let in_full = done.stderr.matches("enter the `expected_fingerprint` that is meant").count();
    assert_eq!(in_full, 10, "{done}");
    let brief: Vec<_> = done.stderr.lines().filter(|line| line.ends_with("[manifest::placeholder]")).collect();
    assert_eq!(brief.len(), 40, "{done}");
    assert!(brief[0].contains("m.csv:12:") && brief[39].contains("m.csv:51:"), "{brief:#?}");
    let count = done.stderr.rfind("51 faults in").expect("the count");
    assert!(count > done.stderr.rfind("m.csv:51:").unwrap(), "{done}");
    assert!(done.stderr.contains("`bad name` is not a key pair name"), "the rarer fault is shown, too\n{done}");
}

/// A column that an exporter calls `AWS Region` is not ignored: otherwise, the key pair of another region would be deleted.
// SEMANTICS: P2
#[test]
fn a_condition_that_is_not_read_refuses_the_manifest() {
    let bench = Bench::new();
    bench.world.key("runner");
    let manifest = bench.file("m.csv", "name,AWS Region\nrunner,eu-central-1\n");
    let done = bench.run(&manifest, &["--skip-invalid"]).exits(4);
    assert!(done.said().contains("`AWS Region`") && done.said().contains("--annotation"), "{done}");
    assert!(bench.world.state().log.is_empty(), "nothing is sent");
    bench.run(&manifest, &["--annotation", "aws_region", "--region", "us-east-1"]).exits(0);
    let settings = bench.query("SELECT body ->> '$.settings.annotation' AS annotation FROM entry WHERE body ->> '$.kind' = 'session_opened' AND annotation IS NOT NULL");
    assert_eq!(settings[0]["annotation"], "aws_region");
    let export = bench.keybatch(&["export", "latest"]).exits(0);
    assert!(
        export.stdout.starts_with("name,AWS Region,") && export.stdout.contains("runner,eu-central-1,"),
        "{export}"
    );
}
