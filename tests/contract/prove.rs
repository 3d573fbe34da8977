//! `prove` and `verify PROOF`: one row is shown without the journal, to whoever holds a checkpoint.

use serde_json::{Value, json};

use crate::support::{Act, Bench, Done, Effect};

/// A finished run of three rows: deleted, settled by looking, refused. With its checkpoints in a file.
fn finished() -> (Bench, Vec<String>, String) {
    let bench = Bench::new();
    let names = bench.world.keys("key", 3);
    bench.world.script("DeleteKeyPair", &names[1], [Act::cut().with(Effect::Delete)]);
    bench.world.always("DeleteKeyPair", &names[2], Act::denied());
    let held = bench.home().join("held.txt").display().to_string();
    bench.run(&bench.manifest(&names), &["--concurrency", "1", "--checkpoint-to", &held]).exits(3);
    (bench, names, held)
}

fn prove(bench: &Bench, words: &[&str], to: &str) -> Done {
    let to = bench.home().join(to).display().to_string();
    bench.keybatch(&[&["prove", "--output", "json", "-o", &to], words].concat())
}

fn verify(bench: &Bench, proof: &str, more: &[&str]) -> Done {
    let proof = bench.home().join(proof).display().to_string();
    bench.keybatch(&[&["verify", &proof, "--output", "json"], more].concat())
}

/// What is said of a file that another command reads: the exit code, the sentence, and the command in the hint.
#[track_caller]
fn sent_elsewhere(bench: &Bench, file: &str, what: &str, command: &str) {
    let file = bench.home().join(file).display().to_string();
    for words in [vec!["show", &file], vec!["show", &file, "--output", "json"]] {
        let done = bench.keybatch(&words).exits(2);
        let said = done.said();
        assert!(said.contains(what) && said.contains(&format!("{command} {file}")), "{words:?}: {done}");
        assert!(said.contains("nothing was verified"), "{words:?}: {done}");
    }
}

#[test]
fn show_sends_a_proof_checkpoints_and_a_journal_to_the_command_that_reads_them() {
    let (bench, names, _) = finished();
    prove(&bench, &["latest", &names[0]], "one.proof").exits(0);
    sent_elsewhere(&bench, "one.proof", "a proof", "keybatch verify");
    sent_elsewhere(&bench, "held.txt", "a file of checkpoints", "keybatch verify --checkpoint");
    std::fs::copy(bench.journal(), bench.home().join("copy.db")).unwrap();
    sent_elsewhere(&bench, "copy.db", "a database", "keybatch show --journal");
    // What it says works.
    let proof = bench.home().join("one.proof").display().to_string();
    bench.keybatch(&["verify", &proof]).exits(0);
    bench.keybatch(&["verify", "--checkpoint", &bench.home().join("held.txt").display().to_string()]).exits(0);
}

// A root of nothing looks like the root of a journal to whoever compares it with one.
#[test]
fn verify_prints_no_root_of_a_journal_that_it_could_not_read() {
    let whole = finished().0;
    let file = std::fs::read(whole.journal()).unwrap();
    let mut newer = file.clone();
    newer[60..64].copy_from_slice(&99_u32.to_be_bytes());
    let cut = file[..4_096].to_vec();
    for (what, bytes) in [("empty", Vec::new()), ("text", b"name,region\n".repeat(500)), ("cut", cut), ("newer", newer)]
    {
        let bench = Bench::new();
        std::fs::write(bench.journal(), bytes).unwrap();
        let done = bench.keybatch(&["verify"]);
        assert!([7, 9].contains(&done.code.unwrap()), "{what}: {done}");
        assert!(!done.stdout.lines().any(|line| line.starts_with("root ")), "{what}: {done}");
    }
    // One that was altered has a root, of which nobody is told that it is the journal's.
    let mut altered = file;
    let at = altered.windows(7).position(|window| window == b"\"key-01").unwrap();
    altered[at + 6] = b'7';
    std::fs::write(whole.journal(), altered).unwrap();
    let done = whole.keybatch(&["verify"]).exits(7);
    assert!(!done.stdout.lines().any(|line| line.starts_with("root ")), "{done}");
}

fn row(done: &Done) -> Value {
    done.json()["row"].clone()
}

// SEMANTICS: P113
#[test]
fn a_row_is_proved_to_whoever_holds_a_checkpoint() {
    let (bench, names, held) = finished();
    for (name, outcome, word) in [(0, "deleted", "deleted"), (2, "failed", "failed")] {
        let file = format!("{name}.proof");
        let made = prove(&bench, &["latest", &names[name], "--checkpoint", &held], &file).exits(0).json();
        assert_eq!((&made["schema"], &made["row"]), (&json!("keybatch.prove/1"), &json!(name + 1)), "{made}");
        let done = verify(&bench, &file, &["--checkpoint", &held, "--require-checkpoint"]).exits(0);
        assert_eq!(done.json()["verdict"], "verified", "{done}");
        assert_eq!(row(&done)["outcome"], outcome, "{done}");
        assert_eq!(row(&done)["key_pair_name"], names[name].as_str(), "{done}");
        assert_eq!(row(&done)["sandbox"], false, "{done}");
        let proof = bench.home().join(&file).display().to_string();
        let text = bench.keybatch(&["verify", &proof, "--checkpoint", &held]).exits(0).stdout;
        for said in ["VERIFIED", "a real run", &names[name], word, "recorded at", "not that there are no others"] {
            assert!(text.contains(said), "{said}: {text}");
        }
    }
    // By its number, and as the journal is now: the head is what the last checkpoint saw. Nobody needs the journal for that.
    prove(&bench, &["latest", "2"], "number.proof").exits(0);
    std::fs::remove_file(bench.journal()).unwrap();
    let done = verify(&bench, "number.proof", &["--checkpoint", &held]).exits(0);
    assert_eq!(
        (done.json()["verdict"].as_str(), row(&done)["key_pair_name"].as_str()),
        (Some("verified"), Some(&*names[1]))
    );
}

// SEMANTICS: P115
#[test]
fn what_is_brought_decides_about_the_exit_code() {
    let (bench, _, held) = finished();
    prove(&bench, &["latest", "1"], "1.proof").exits(0);
    let alone = verify(&bench, "1.proof", &[]).exits(0);
    assert_eq!(alone.json()["verdict"], "self_consistent", "{alone}");
    verify(&bench, "1.proof", &["--require-checkpoint"]).exits(7);
    let text = std::fs::read_to_string(&held).unwrap();
    let others = text.replace("keybatch/", "keybatch/9");
    let other = bench.file("other.txt", others).display().to_string();
    assert_eq!(verify(&bench, "1.proof", &["--checkpoint", &other]).exits(7).json()["verdict"], "cannot_verify");
    let last = text.trim_end().lines().rev().take(3).collect::<Vec<_>>();
    let forked = format!("{}\n{}\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", last[2], last[1]);
    let forked = bench.file("forked.txt", forked).display().to_string();
    assert_eq!(verify(&bench, "1.proof", &["--checkpoint", &forked]).exits(7).json()["verdict"], "forked");
    let empty = bench.file("empty.txt", "").display().to_string();
    assert_eq!(verify(&bench, "1.proof", &["--checkpoint", &empty]).exits(2).json()["code"], "checkpoint.unusable");
    let edited = std::fs::read_to_string(bench.home().join("1.proof")).unwrap().replacen("key-", "kez-", 1);
    bench.file("edited.proof", edited);
    let edited = verify(&bench, "edited.proof", &["--checkpoint", &held]).exits(7);
    assert_eq!((edited.json()["verdict"].as_str(), &row(&edited)), (Some("altered"), &Value::Null), "{edited}");
    assert_eq!(verify(&bench, "no such", &[]).exits(2).json()["code"], "proof.unreadable");
    bench.file("manifest.proof", "name\nx\n");
    assert_eq!(verify(&bench, "manifest.proof", &[]).exits(7).json()["verdict"], "cannot_verify");
}

/// An older checkpoint is the beginning of a newer one, alone and beside a row.
// SEMANTICS: P115
#[test]
fn a_journal_that_grew_is_shown_to_have_only_grown() {
    let (bench, _, held) = finished();
    let text = std::fs::read_to_string(&held).unwrap();
    let first: String = text.lines().take(3).map(|line| format!("{line}\n")).collect();
    let old = bench.file("old.txt", &first).display().to_string();
    let size: u64 = first.lines().nth(1).unwrap().parse().unwrap();
    let made = prove(&bench, &["--consistency", &old], "grown.proof").exits(0).json();
    assert_eq!((&made["consistent_with"], &made["row"]), (&json!(size), &Value::Null), "{made}");
    for brought in [&old, &held] {
        let done = verify(&bench, "grown.proof", &["--checkpoint", brought, "--require-checkpoint"]).exits(0);
        assert_eq!(done.json()["consistent_with"][0]["size"], size, "{done}");
    }
    // The plan was sealed, and nothing was asked for: the old one vouches for that much.
    prove(&bench, &["latest", "1", "--consistency", &old], "1.proof").exits(0);
    let done = verify(&bench, "1.proof", &["--checkpoint", &old]).exits(0);
    assert_eq!(
        (done.json()["verdict"].as_str(), &done.json()["proved_up_to"]),
        (Some("self_consistent"), &json!(size))
    );
    let under = prove(&bench, &["latest", "1", "--checkpoint", &old], "old.proof").exits(0);
    assert!(under.stderr.contains("later entries"), "{under}");
    let done = verify(&bench, "old.proof", &["--checkpoint", &old]).exits(0);
    assert_eq!((done.json()["verdict"].as_str(), &row(&done)["outcome"]), (Some("verified"), &Value::Null), "{done}");
    // A journal that was put back, or another past, is no continuation.
    let longer = bench.file("longer.txt", first.replacen(&format!("\n{size}\n"), "\n99999\n", 1)).display().to_string();
    assert_eq!(prove(&bench, &["--consistency", &longer], "x.proof").exits(7).json()["code"], "proof.refused");
    let root = first.lines().nth(2).unwrap();
    let other = first.replace(root, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    let other = bench.file("other.txt", other).display().to_string();
    for words in [["--consistency", &other].as_slice(), &["latest", "1", "--checkpoint", &other]] {
        assert_eq!(prove(&bench, words, "x.proof").exits(7).json()["code"], "proof.refused", "{words:?}");
    }
    assert!(!bench.home().join("x.proof").exists());
}

// SEMANTICS: P117
#[test]
fn a_proof_is_a_new_file_or_none() {
    let (bench, names, held) = finished();
    bench.file("there.proof", "mine");
    assert_eq!(prove(&bench, &["latest", "1"], "there.proof").exits(2).json()["code"], "usage.file_exists");
    assert_eq!(std::fs::read_to_string(bench.home().join("there.proof")).unwrap(), "mine");
    for (words, code) in [
        (vec!["latest", "nobody"], "run.row_unknown"),
        (vec!["none", "1"], "run.unknown"),
        (vec!["latest", "1", "--checkpoint", "/dev/null"], "checkpoint.unusable"),
        (vec!["latest"], "usage.arguments"),
        (vec![], "usage.arguments"),
    ] {
        assert_eq!(prove(&bench, &words, "none.proof").exits(2).json()["code"], code, "{words:?}");
    }
    assert_eq!(prove(&bench, &["latest", "1"], "no/such/folder.proof").exits(9).json()["code"], "output.failed");
    // A name that two rows have is not guessed at.
    bench.world.key("twin");
    bench.run(&bench.file("twins.csv", "name\ntwin\ntwin\n"), &[]).exits(0);
    assert_eq!(prove(&bench, &["latest", "twin"], "none.proof").exits(2).json()["code"], "run.row_ambiguous");
    assert!(!bench.home().join("none.proof").exists() && !held.is_empty() && !names.is_empty());
}
