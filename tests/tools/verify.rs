//! The journal's evidence: roots that anyone can recompute, and every kind of tampering found by `verify` (exit 7).
//! Tampering is done with the plain `sqlite3` shell.

use std::os::unix::fs::PermissionsExt;

use crate::shell;
use crate::support::{Act, Bench, Effect};
use sha2::{Digest, Sha256};

/// A finished run with a bit of everything.
fn finished() -> Bench {
    shell::needs("sqlite3");
    let bench = Bench::new();
    let names = bench.world.keys("key", 5);
    bench.world.script("DeleteKeyPair", &names[1], [Act::throttle(), Act::cut().with(Effect::Delete)]);
    bench.world.always("DeleteKeyPair", &names[2], Act::denied());
    let mut rows = names;
    rows.push("never-was".to_owned());
    bench.run(&bench.manifest(&rows), &[]).exits(3);
    bench
}

/// Every trigger is dropped, then this SQL is run, and verify must find it.
#[track_caller]
fn tampered(bench: &Bench, sql: &str) -> String {
    let journal = bench.journal();
    let drops =
        shell::read(&journal, "SELECT 'DROP TRIGGER \"' || name || '\";' FROM sqlite_master WHERE type = 'trigger'");
    assert!(!drops.is_empty(), "the journal has triggers");
    let (ok, said) = shell::write(
        &journal,
        &format!("PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; {drops} {sql}"),
    );
    assert!(ok, "the test could not tamper: {said}");
    let done = bench.verify();
    assert_eq!(done.code, Some(7), "not found: {sql}\n{done}");
    let verdict = done.json()["verdict"].as_str().unwrap_or_default().to_owned();
    let bad = [
        "altered",
        "truncated",
        "forked",
        "bad_signature",
        "illegal_history",
        "projection_mismatch",
        "corrupt",
        "cannot_verify",
    ];
    assert!(bad.contains(&verdict.as_str()), "verdict `{verdict}`\n{done}");
    verdict
}

/// An untouched journal is `self_consistent` and says so in words; with `--require-checkpoint` that is exit 7.
fn an_untouched_journal_is_self_consistent() {
    let bench = finished();
    let done = bench.verify().exits(0);
    assert_eq!(done.json()["verdict"], "self_consistent", "{done}");
    bench.keybatch(&["verify"]).exits(0);
    bench.keybatch(&["verify", "--require-checkpoint", "--output", "json"]).exits(7);
}

/// The journal's leaves and root follow RFC 6962 over the bytes stored, recomputed here from scratch.
// SEMANTICS: P49
// SEMANTICS: P50
fn anyone_can_recompute_the_root() {
    let bench = finished();
    let text = shell::read(&bench.journal(), "SELECT seq, hex(CAST(body AS BLOB)), hex(leaf) FROM entry ORDER BY seq");
    let mut leaves = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let fields: Vec<&str> = line.split('|').collect();
        assert_eq!(fields[0], index.to_string(), "numbered from 0 without gaps");
        let body = unhex(fields[1]);
        let leaf: [u8; 32] = Sha256::new().chain_update([0]).chain_update(&body).finalize().into();
        assert_eq!(unhex(fields[2]), leaf, "leaf {index} = SHA-256(0x00 || body)");
        let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(serde_json_canonicalizer::to_vec(&value).unwrap(), body, "entry {index} is canonical JSON");
        for field in ["v", "seq", "at", "kind"] {
            assert!(value.get(field).is_some(), "entry {index} has no `{field}`");
        }
        assert_eq!(value["seq"], index, "the entry knows its number");
        leaves.push(leaf);
    }
    let root = hex(&tree(&leaves));
    let head = shell::read(&bench.journal(), "SELECT size, lower(hex(root)) FROM head");
    assert!(head.lines().any(|line| line == format!("{}|{root}", leaves.len())), "{head} is not {root}");
    let done = bench.verify().exits(0);
    assert!(done.said().to_lowercase().contains(&leaves.len().to_string()), "{done}");
}

fn tree(leaves: &[[u8; 32]]) -> [u8; 32] {
    match leaves {
        [] => Sha256::digest([]).into(),
        [one] => *one,
        many => {
            let split = many.len().next_power_of_two() / 2;
            let hasher = Sha256::new().chain_update([1]).chain_update(tree(&many[..split]));
            hasher.chain_update(tree(&many[split..])).finalize().into()
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// Append-only: the triggers refuse UPDATE, DELETE and a number that does not follow, from any connection.
// SEMANTICS: P51
fn the_triggers_refuse_changes() {
    let bench = finished();
    for sql in [
        "UPDATE entry SET body = body || ' ' WHERE seq = 1",
        "DELETE FROM entry WHERE seq = 1",
        "DELETE FROM entry WHERE seq = (SELECT max(seq) FROM entry)",
        "INSERT INTO entry SELECT max(seq) + 2, '{}', zeroblob(32) FROM entry",
        "INSERT INTO entry SELECT -1, '{}', zeroblob(32)",
        "PRAGMA recursive_triggers = ON; INSERT OR REPLACE INTO entry SELECT 1, '{}', zeroblob(32)",
    ] {
        let (ok, said) = shell::write(&bench.journal(), sql);
        assert!(!ok, "went through: {sql}\n{said}");
    }
    bench.verify().exits(0);
}

/// One byte of one body changed: `altered`, naming the first bad entry.
fn a_changed_byte_is_found() {
    for seq in ["0", "3", "(SELECT max(seq) FROM entry)"] {
        let bench = finished();
        let sql = format!("UPDATE entry SET body = replace(body, '\"kind\"', '\"kinD\"') WHERE seq = {seq}");
        let verdict = tampered(&bench, &sql);
        assert!(["altered", "corrupt"].contains(&verdict.as_str()), "{verdict}");
    }
}

/// verify's JSON names the first bad entry.
fn the_first_bad_entry_is_named() {
    let bench = finished();
    tampered(&bench, "UPDATE entry SET body = replace(body, '\"at\":\"2', '\"at\":\"1') WHERE seq >= 4");
    let done = bench.verify();
    let named = done.json().as_object().unwrap().values().any(|value| *value == 4);
    assert!(named, "entry 4 is named\n{done}");
}

/// A body changed together with its leaf: the root does not follow.
fn a_changed_leaf_is_found() {
    let bench = finished();
    let first = "SELECT min(seq) FROM entry WHERE body LIKE '%key-01%'";
    let seq = shell::read(&bench.journal(), first);
    let body = shell::read(&bench.journal(), &format!("SELECT body FROM entry WHERE seq = {seq}"));
    let body = body.replace("key-01", "key-10");
    let leaf: [u8; 32] = Sha256::new().chain_update([0]).chain_update(&body).finalize().into();
    let (text, leaf) = (body.replace('\'', "''"), hex(&leaf));
    tampered(&bench, &format!("UPDATE entry SET body = '{text}', leaf = x'{leaf}' WHERE seq = {seq}"));
}

/// A row dropped in the middle, at the end, at the beginning.
fn a_dropped_entry_is_found() {
    for seq in ["5", "(SELECT max(seq) FROM entry)", "0"] {
        let bench = finished();
        tampered(&bench, &format!("DELETE FROM entry WHERE seq = {seq}"));
    }
}

/// An entry appended behind the head's back.
fn an_appended_entry_is_found() {
    let bench = finished();
    tampered(
        &bench,
        "INSERT INTO entry SELECT max(seq) + 1, (SELECT body FROM entry WHERE seq = 1), zeroblob(32) FROM entry",
    );
}

/// Two entries exchanged.
fn exchanged_entries_are_found() {
    let bench = finished();
    tampered(
        &bench,
        "UPDATE entry SET seq = 999999 WHERE seq = 3; UPDATE entry SET seq = 3 WHERE seq = 4; UPDATE entry SET seq = 4 WHERE seq = 999999",
    );
}

/// The head moved back or its root changed.
fn a_changed_head_is_found() {
    for sql in ["UPDATE head SET size = size - 1", "UPDATE head SET root = zeroblob(32)"] {
        let bench = finished();
        tampered(&bench, sql);
    }
}

/// An edited projection is `projection_mismatch`: what reviewers read must follow from the entries.
fn an_edited_projection_is_found() {
    let bench = finished();
    let sql = "SELECT DISTINCT m.name FROM sqlite_master m JOIN pragma_table_info(m.name) p \
               WHERE m.type = 'table' AND p.name = 'outcome' AND m.name NOT IN ('entry', 'head')";
    let tables = shell::read(&bench.journal(), sql);
    assert!(!tables.is_empty(), "a projection with an outcome");
    let edits =
        tables.lines().map(|table| format!("UPDATE \"{table}\" SET outcome = 'deleted' WHERE outcome = 'failed';"));
    let edit: String = edits.collect();
    assert_eq!(tampered(&bench, &edit), "projection_mismatch");
}

/// A damaged file is reported, not panicked over; readers name where it breaks or refuse.
fn a_damaged_file_is_reported() {
    let bench = finished();
    let (_, said) = shell::write(&bench.journal(), "PRAGMA wal_checkpoint(TRUNCATE)");
    let mut bytes = std::fs::read(bench.journal()).unwrap();
    let start = bytes.len() / 2;
    for byte in &mut bytes[start..] {
        *byte ^= 0x5a;
    }
    std::fs::write(bench.journal(), bytes).unwrap();
    let done = bench.verify();
    assert_eq!(done.code, Some(7), "{said}\n{done}");
    for args in [&["runs"][..], &["log"]] {
        let done = bench.keybatch(args);
        assert!(!matches!(done.code, Some(101) | None), "{done}");
    }
}

/// A run is not taken up on a journal that does not verify at its head: nothing is sent.
fn a_tampered_head_is_not_built_upon() {
    let bench = finished();
    tampered(&bench, "UPDATE head SET size = size - 1");
    let deletes = bench.world.arrived("DeleteKeyPair").len();
    bench.world.key("fresh");
    let done = bench.run(&bench.file("fresh.csv", "name\nfresh\n"), &[]);
    assert_ne!(done.code, Some(0), "{done}");
    assert_eq!(bench.world.arrived("DeleteKeyPair").len(), deletes, "{done}");
}

/// The file: mode 0600, the application id, WAL, and STRICT tables with the contract's columns.
fn the_journal_file() {
    let bench = finished();
    let journal = bench.journal();
    let mode = std::fs::metadata(&journal).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "{mode:o}");
    assert_eq!(shell::read(&journal, "PRAGMA application_id"), (0x4B42_5448_u32).to_string());
    assert_eq!(shell::read(&journal, "PRAGMA journal_mode"), "wal");
    assert_ne!(shell::read(&journal, "PRAGMA user_version"), "0");
    assert_eq!(shell::read(&journal, "PRAGMA integrity_check"), "ok");
    let columns = shell::read(&journal, "SELECT name, type, \"notnull\", pk FROM pragma_table_info('entry')");
    assert_eq!(columns, "seq|INTEGER|0|1\nbody|TEXT|1|0\nleaf|BLOB|1|0");
    let loose = shell::read(
        &journal,
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND strict = 0 \
         AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '\\_sqlx%' ESCAPE '\\'",
    );
    assert_eq!(loose, "", "all tables are STRICT");
}

/// Of a file of checkpoints all are compared, whatever the largest says; it proves up to the largest that agrees.
fn every_checkpoint_of_a_file_is_compared() {
    let bench = finished();
    let made = shell::read(&bench.journal(), "SELECT text FROM checkpoints ORDER BY size");
    let texts: Vec<String> =
        made.split("keybatch/").skip(1).map(|text| format!("keybatch/{}\n", text.trim_end())).collect();
    let sizes: Vec<u64> = texts.iter().map(|text| text.lines().nth(1).unwrap().parse().unwrap()).collect();
    let (first, last) = (&texts[0], texts.last().unwrap());
    assert!(texts.len() > 1 && sizes[0] < sizes[sizes.len() - 1], "{texts:?}");
    let wrong = |text: &str| {
        let kept: Vec<&str> = text.lines().take(2).collect();
        format!("{}\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", kept.join("\n"))
    };
    let beyond = last.replacen(&format!("\n{}\n", sizes[sizes.len() - 1]), "\n1000000\n", 1);
    let nothing = format!("{}\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n", last.lines().next().unwrap());
    let (small, large) = (wrong(first), wrong(last));
    let (all, most) = (Some(sizes[sizes.len() - 1]), Some(sizes[0]));
    let cases: [(&str, Vec<&str>, &str, Option<u64>); 8] = [
        ("all of them, twice", texts.iter().chain(&texts).map(String::as_str).collect(), "verified", all),
        ("a small one is wrong", vec![&small, last], "forked", all),
        ("the large one is wrong", vec![&large, first], "forked", most),
        ("two of one size", vec![last, &large], "forked", all),
        ("a later one that the journal does not have", vec![&beyond, first], "truncated", most),
        ("one that covers nothing", vec![&nothing], "self_consistent", None),
        ("one that covers nothing among others", vec![&nothing, first], "verified", most),
        (
            "another journal's",
            vec!["keybatch/other\n3\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", first],
            "verified",
            most,
        ),
    ];
    for (what, texts, verdict, proved) in cases {
        let file = bench.file("held.txt", texts.join("\n"));
        let args = ["verify", "--checkpoint", file.to_str().unwrap(), "--output", "json"];
        let done = bench.keybatch(&args);
        assert_eq!(done.json()["verdict"], verdict, "{what}\n{done}");
        assert_eq!(done.json()["proved_up_to"].as_u64(), proved, "{what}\n{done}");
        if verdict == "forked" {
            let (expected, found) = (&done.json()["expected"], &done.json()["found"]);
            assert!(expected.as_str().unwrap().starts_with("keybatch/") && expected != found, "{what}\n{done}");
        }
        let required = bench.keybatch(&["verify", "--checkpoint", args[2], "--require-checkpoint"]);
        // The end of the finished run must be covered, too.
        let accepted = verdict == "verified" && proved == all;
        assert_eq!(required.code, Some(if accepted { 0 } else { 7 }), "{what}\n{required}");
    }
}

/// I11: a plan that was edited in the journal is not worked off.
// SEMANTICS: P47
fn an_edited_plan_is_refused() {
    shell::needs("sqlite3");
    let bench = Bench::new();
    let names = bench.world.keys("key", 4);
    bench.run(&bench.manifest(&names), &["--max-deletes", "1"]).exits(5);
    let sent = bench.world.arrived("DeleteKeyPair").len();
    let edit = "DROP TRIGGER entry_not_changed; UPDATE entry SET leaf = zeroblob(32) \
                WHERE seq = (SELECT seq FROM intent WHERE row_no = 4)";
    let (done, said) = shell::write(&bench.journal(), edit);
    assert!(done, "{said}");
    let done = bench.resume().exits(4);
    assert!(done.stderr.contains("changed"), "{done}");
    assert_eq!(bench.world.arrived("DeleteKeyPair").len(), sent);
}

crate::harness::tests![
    an_untouched_journal_is_self_consistent,
    anyone_can_recompute_the_root,
    the_triggers_refuse_changes,
    a_changed_byte_is_found,
    the_first_bad_entry_is_named,
    a_changed_leaf_is_found,
    a_dropped_entry_is_found,
    an_appended_entry_is_found,
    exchanged_entries_are_found,
    a_changed_head_is_found,
    an_edited_projection_is_found,
    a_damaged_file_is_reported,
    a_tampered_head_is_not_built_upon,
    the_journal_file,
    every_checkpoint_of_a_file_is_compared,
    an_edited_plan_is_refused
];
