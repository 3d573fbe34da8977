//! Both verifiers on the same forgeries: `contrib/verify.py`, which shares no code with keybatch, convicts nothing that keybatch accepts;
//! and what keybatch convicts, it convicts, too, except for the kinds that `docs/RELIABILITY.md` lists.

#![expect(clippy::print_stderr, reason = "a campaign says what it did")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use keybatch::record::checkpoint::Checkpoint;
use keybatch::record::event::KINDS;
use keybatch::record::plan::file::{PlanReader, PlanWriter};
use keybatch::record::plan::{PlanHeader, PlanRow, Verdict};
use keybatch::record::proof::Proof;
use keybatch::verify::{Options, ProofTrust, verify, verify_proof};
use serde_json::json;

use crate::campaign;
use crate::shell;

#[path = "../library/proofs/forged.rs"]
mod forged;
#[path = "../library/tampering/sample.rs"]
#[expect(dead_code, reason = "the tests of the library use the rest of it")]
mod journals;

use forged::{Forgery, bits, forged, held, made_anew, proofs};
use journals::{Copy, head, hex, renumbered, run, sample, tree};

/// What only keybatch convicts, in some or all cases. `docs/RELIABILITY.md` says why.
const ONLY_KEYBATCH: [&str; 9] = [
    "a body and the whole tree",
    "a byte of the file",
    "a projection",
    "a word and the whole tree",
    "a word of a proof that was made anew",
    "an entry left out of the whole tree",
    "an entry left out",
    "entries exchanged in the whole tree",
    "the schema",
];

/// What both said, by kind: how many both convicted, both accepted, and only keybatch convicted.
type Counts = BTreeMap<&'static str, [usize; 3]>;

fn verifier() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/verify.py")
}

/// What `contrib/verify.py` says of these files, in one process: the verdict of each, and why.
fn second_opinion(files: &[PathBuf], checkpoint: Option<&Path>) -> Vec<(String, String)> {
    shell::needs("python3");
    let mut command = Command::new("python3");
    command.arg(verifier());
    if let Some(checkpoint) = checkpoint {
        command.arg("--checkpoint").arg(checkpoint);
    }
    let mut child = command.arg("-").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3 starts");
    let mut pipe = child.stdin.take().expect("a pipe");
    let names: String = files.iter().map(|file| format!("{}\n", file.display())).collect();
    let feeding = std::thread::spawn(move || pipe.write_all(names.as_bytes()));
    let output = child.wait_with_output().expect("python3 ends");
    feeding.join().unwrap().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let said: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(said.len(), files.len(), "a line for each file");
    let accepted = said.iter().all(|said| said["accepted"] == true);
    assert_eq!(output.status.code(), Some(if accepted { 0 } else { 7 }));
    said.iter().map(|said| (said["verdict"].as_str().unwrap().to_owned(), said["detail"].to_string())).collect()
}

/// Has both judge these, and counts what they said.
fn compare(
    counts: &mut Counts,
    forgeries: &[Forgery],
    checkpoint: Option<&Checkpoint>,
    sound: impl Fn(&Path, &[u8]) -> bool,
) {
    let directory = tempfile::tempdir().unwrap();
    let held = directory.path().join("held.txt");
    if let Some(checkpoint) = checkpoint {
        std::fs::write(&held, checkpoint.to_text()).unwrap();
    }
    for part in forgeries.chunks(500) {
        let mut files = Vec::new();
        for (number, (_, bytes)) in part.iter().enumerate() {
            let file = directory.path().join(format!("{number}"));
            std::fs::write(&file, bytes).unwrap();
            files.push(file);
        }
        let said = second_opinion(&files, checkpoint.map(|_| held.as_path()));
        for (((kind, bytes), file), (verdict, why)) in part.iter().zip(&files).zip(said) {
            let theirs = ["verified", "self_consistent"].contains(&verdict.as_str());
            let ours = sound(file, bytes);
            assert!(theirs || !ours, "{kind}: only verify.py convicts it, {verdict}: {why}");
            counts.entry(kind).or_default()[match (ours, theirs) {
                (false, false) => 0,
                (true, _) => 1,
                (false, true) => 2,
            }] += 1;
        }
    }
}

/// No kind that both must convict was missed by one, and each kind that is excepted is excepted for a reason.
fn check(what: &str, counts: &Counts, at_least: usize) {
    eprintln!("{what}, both convicted, both accepted, only keybatch convicted: {counts:?}");
    let missed: BTreeSet<&str> = counts.iter().filter(|(_, [.., missed])| *missed > 0).map(|(kind, _)| *kind).collect();
    let unlisted: Vec<_> = missed.iter().filter(|kind| !ONLY_KEYBATCH.contains(kind)).collect();
    assert!(unlisted.is_empty(), "verify.py missed some of {unlisted:?}: {counts:#?}");
    let total: usize = counts.values().map(|[convicted, ..]| convicted).sum();
    assert!(total >= at_least, "{counts:#?}");
    for (kind, [convicted, accepted, _]) in counts {
        assert!(*convicted > 0 || ONLY_KEYBATCH.contains(kind), "{kind}: {accepted} accepted by both");
    }
}

/// A journal whose bytes are these, by the library.
fn is_sound(path: &Path, checkpoint: Option<&Checkpoint>) -> bool {
    let scratch = Some((path.parent().unwrap().to_owned(), "scratch".to_owned()));
    let options = Options { checkpoint: checkpoint.cloned(), scratch, ..Options::default() };
    run(verify(path, options)).unwrap().verdict.is_sound()
}

/// A copy of the sample after these statements.
fn tampered(copy: &Copy, statements: &str) -> Vec<u8> {
    copy.put(&sample().file);
    run(copy.tamper(statements));
    std::fs::read(copy.path()).unwrap()
}

/// A copy with other bodies, and everything above them to match.
fn rewritten(copy: &Copy, bodies: &[String]) -> Vec<u8> {
    copy.put(&sample().file);
    run(copy.rewrite(bodies));
    std::fs::read(copy.path()).unwrap()
}

/// Changes that leave what was written before them as it was: with or without a checkpoint, both find them.
fn plain_forgeries() -> Vec<Forgery> {
    let (copy, sample) = (Copy::new(), sample());
    let mut all = Vec::new();
    let step = campaign::size(977, 97);
    for (seq, body) in sample.bodies.iter().enumerate() {
        for at in (seq % step..body.len()).step_by(step) {
            let mut changed = body.clone().into_bytes();
            changed[at] ^= 1 << (at % 7);
            let text = hex(&changed);
            let update = format!("UPDATE entry SET body = CAST(x'{text}' AS TEXT)");
            all.push(("a body", tampered(&copy, &format!("{update} WHERE seq = {seq}"))));
            let (_, leaves) = tree([&changed[..]]);
            let leaf = hex(&leaves[0]);
            all.push((
                "a body and its leaf",
                tampered(&copy, &format!("{update}, leaf = x'{leaf}' WHERE seq = {seq}")),
            ));
        }
    }
    for n in (0..sample.bodies.len() - 1).step_by(campaign::size(7, 1)) {
        let removed = format!("DELETE FROM entry WHERE seq = {n}");
        all.push(("an entry removed", tampered(&copy, &removed)));
        let closed = format!(
            "{removed}; UPDATE entry SET seq = -seq WHERE seq > {n}; UPDATE entry SET seq = -seq - 1 WHERE seq < 0"
        );
        all.push(("an entry removed", tampered(&copy, &closed)));
        let exchanged = format!(
            "UPDATE entry SET seq = -1 WHERE seq = {n}; UPDATE entry SET seq = {n} WHERE seq = {n} + 1; \
             UPDATE entry SET seq = {n} + 1 WHERE seq = -1"
        );
        all.push(("entries exchanged", tampered(&copy, &exchanged)));
        all.push(("entries cut off", tampered(&copy, &format!("DELETE FROM entry WHERE seq > {n}"))));
    }
    for statements in [
        "UPDATE head SET size = size + 1",
        "UPDATE head SET size = size - 1",
        "UPDATE head SET root = zeroblob(32)",
        "UPDATE head SET frontier = x''",
        "DELETE FROM head",
        "INSERT INTO head SELECT 1, size, root, frontier, NULL, NULL FROM head",
    ] {
        all.push(("the head", tampered(&copy, statements)));
    }
    for statements in ["PRAGMA application_id = 0", "PRAGMA user_version = 0"] {
        all.push(("the marks of the file", tampered(&copy, statements)));
    }
    for statements in
        ["UPDATE intent SET outcome = 'deleted'", "DELETE FROM attempt", "UPDATE run SET sandbox = 1 - sandbox"]
    {
        all.push(("a projection", tampered(&copy, statements)));
    }
    for statements in
        ["DROP VIEW runs", "CREATE TABLE more (x)", "DROP VIEW overrides; CREATE VIEW overrides AS SELECT 1 AS x"]
    {
        all.push(("the schema", tampered(&copy, statements)));
    }
    let mut random = fastrand::Rng::with_seed(20_261_130);
    for _ in 0..campaign::size(40, 600) {
        let mut damaged = sample.file.clone();
        let at = random.usize(..damaged.len());
        damaged[at] ^= 1 << random.u8(..8);
        all.push(("a byte of the file", damaged));
    }
    all
}

/// Another past, made by somebody who knows the format. Whoever holds a checkpoint needs nothing else to see that.
fn other_pasts() -> Vec<Forgery> {
    const WORDS: [(&str, &str); 10] = [
        ("\"outcome\":\"failed\"", "\"outcome\":\"deleted\""),
        ("\"outcome\":\"gone\"", "\"outcome\":\"absent\""),
        ("\"attempt\":1", "\"attempt\":2"),
        ("\"row\":3", "\"row\":4"),
        ("\"rests_on\":[", "\"rests_on\":[0,"),
        ("\"class\":\"succeeded\"", "\"class\":\"well\""),
        ("\"verdict\":\"delete\"", "\"verdict\":\"skip\""),
        ("\"deletes\":", "\"deletes\":1"),
        ("\"at\":\"2026-09", "\"at\":\"2026-10"),
        ("\"name\":\"key-", "\"name\":\"kez-"),
    ];
    let (copy, bodies) = (Copy::new(), &sample().bodies);
    let mut all = Vec::new();
    let step = campaign::size(1_201, 97);
    for seq in 0..bodies.len() {
        let mut change = |kind, body: String| {
            let mut bodies = bodies.clone();
            bodies[seq] = body;
            all.push((kind, rewritten(&copy, &bodies)));
        };
        for at in (seq % step..bodies[seq].len()).step_by(step) {
            let mut changed = bodies[seq].clone().into_bytes();
            changed[at] ^= 1 << (at % 7);
            if let Ok(changed) = String::from_utf8(changed) {
                change("a body and the whole tree", changed);
            }
        }
        for (word, other) in WORDS.iter().filter(|(word, _)| bodies[seq].contains(word)) {
            change("a word and the whole tree", bodies[seq].replacen(word, other, 1));
        }
    }
    for n in (1..bodies.len() - 1).step_by(campaign::size(3, 1)) {
        let mut left = bodies.clone();
        left.remove(n);
        all.push(("an entry left out of the whole tree", rewritten(&copy, &renumbered(&left))));
        let mut exchanged = bodies.clone();
        exchanged.swap(n, n + 1);
        all.push(("entries exchanged in the whole tree", rewritten(&copy, &renumbered(&exchanged))));
    }
    // Cut off, and the head moved back: only a checkpoint shows it.
    for length in (2..bodies.len()).step_by(campaign::size(9, 2)) {
        let (tree, _) = tree(bodies[..length].iter().map(String::as_bytes));
        let cut = format!("DELETE FROM entry WHERE seq >= {length}; {}", head(&tree));
        all.push(("cut off with the head", tampered(&copy, &cut)));
    }
    all
}

// SEMANTICS: P133
fn both_verifiers_agree_on_journals() {
    shell::needs("python3");
    let checkpoint = &sample().checkpoint;
    let mut counts = Counts::new();
    let untouched = [("untouched", sample().file.clone())];
    for brought in [None, Some(checkpoint)] {
        compare(&mut counts, &untouched, brought, |file, _| is_sound(file, brought));
    }
    assert_eq!(counts.remove("untouched"), Some([0, 2, 0]), "both accept it");
    let plain = plain_forgeries();
    let (alone, outside) = plain.split_at(plain.len() / 2);
    compare(&mut counts, alone, None, |file, _| is_sound(file, None));
    compare(&mut counts, outside, Some(checkpoint), |file, _| is_sound(file, Some(checkpoint)));
    let pasts = other_pasts();
    let cut = pasts.iter().position(|(kind, _)| *kind == "cut off with the head").unwrap();
    compare(&mut counts, &pasts[..cut], None, |file, _| is_sound(file, None));
    check("journals", &counts, campaign::size(250, 2_500));
    // With a checkpoint, each other past is convicted by both.
    let mut held = Counts::new();
    let some: Vec<Forgery> = pasts.into_iter().step_by(campaign::size(5, 1)).collect();
    compare(&mut held, &some, Some(checkpoint), |file, _| is_sound(file, Some(checkpoint)));
    assert!(held.values().all(|[_, accepted, missed]| accepted + missed == 0), "{held:#?}");
}

/// A small plan, as its file has it.
fn plan() -> Vec<u8> {
    let header: PlanHeader = serde_json::from_value(json!({
        "schema": "keybatch.plan/1", "action": "lightsail:DeleteKeyPair", "plan_id": "0198c0de-0000-7000-8000-00000000000c",
        "made_at": "2026-09-21T14:13:20.000000Z", "made_by": "a@b", "expires_at": "2026-09-24T14:13:20.000000Z",
        "manifest": {"name": "m.csv", "sha256": "0".repeat(64), "bytes": 9, "rows": 3}, "endpoint": "sandbox:w",
        "callers": [{"account": "1", "arn": "a"}], "settings": {"if_in_use": "warn"}, "version": "0.1.0"
    }))
    .unwrap();
    let mut writer = PlanWriter::begin(Vec::new(), header).unwrap();
    for (row, verdict) in (1..).zip([Verdict::Delete, Verdict::Skip, Verdict::Absent]) {
        let region = if row == 3 { "eu-west-1" } else { "us-east-1" };
        let row = PlanRow::of(row, format!("key-{row}"), "1".into(), region.into(), verdict);
        writer.row(&row).unwrap();
    }
    writer.finish().unwrap().1
}

fn is_plan(bytes: &[u8]) -> bool {
    let Ok(mut reader) = PlanReader::open(bytes) else { return false };
    loop {
        match reader.next() {
            Ok(Some(_)) => {}
            read => return read.is_ok(),
        }
    }
}

// SEMANTICS: P133
fn both_verifiers_agree_on_plans() {
    let plan = plan();
    let mut counts = Counts::new();
    compare(&mut counts, &[("untouched", plan.clone())], None, |_, bytes| is_plan(bytes));
    assert_eq!(counts.remove("untouched"), Some([0, 1, 0]), "both accept it");
    let mut all = Vec::new();
    for at in 0..plan.len() {
        let mut changed = plan.clone();
        changed[at] ^= 1 << (at % 8);
        // A file that does not begin like a plan is judged as what it begins like.
        all.push(("a byte of a plan", changed));
    }
    let lines: Vec<&[u8]> = plan.split_inclusive(|byte| *byte == b'\n').collect();
    for at in 0..lines.len() {
        let mut left = lines.clone();
        left.remove(at);
        all.push(("a line left out", left.concat()));
        let mut twice = lines.clone();
        twice.insert(at, lines[at]);
        all.push(("a line twice", twice.concat()));
        let mut exchanged = lines.clone();
        exchanged.swap(at, (at + 1) % lines.len());
        all.push(("lines exchanged", exchanged.concat()));
        all.push(("cut off", plan[..plan.len() - 1 - at * 9].to_vec()));
    }
    compare(&mut counts, &all, None, |_, bytes| is_plan(bytes));
    check("plans", &counts, 1_000);
}

// SEMANTICS: P133
fn both_verifiers_agree_on_proofs() {
    shell::needs("python3");
    let sample = sample();
    let proofs = run(proofs(&Copy::new().path(), &sample.checkpoint));
    let sound = |trust: &ProofTrust, bytes: &[u8]| verify_proof(&Proof::read(bytes), trust).verdict.is_sound();
    let by_holder = |_: &Path, bytes: &[u8]| sound(&held(bytes, &sample.checkpoint), bytes);
    let mut counts = Counts::new();
    let whole: Vec<Forgery> = proofs.iter().map(|proof| ("untouched", proof.to_bytes().unwrap())).collect();
    compare(&mut counts, &whole, Some(&sample.checkpoint), by_holder);
    assert_eq!(counts.remove("untouched"), Some([0, whole.len(), 0]), "both accept each");
    let all: Vec<Forgery> = forged(&proofs).into_iter().chain(bits(&proofs)).collect();
    compare(&mut counts, &all, Some(&sample.checkpoint), by_holder);
    let anew = made_anew(&proofs, &sample.bodies);
    compare(&mut counts, &anew, None, |_, bytes| sound(&ProofTrust::default(), bytes));
    check("proofs", &counts, 2_000);
}

/// What only keybatch convicts is written down where a reviewer reads it.
fn the_exceptions_are_documented() {
    let document = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/RELIABILITY.md")).unwrap();
    let listed: BTreeSet<&str> =
        document.lines().filter_map(|line| line.strip_prefix("| only keybatch: ")?.split(" | ").next()).collect();
    assert_eq!(listed, ONLY_KEYBATCH.into(), "docs/RELIABILITY.md lists them");
}

/// It knows the same words. What it does not know, it calls newer.
fn the_second_verifier_knows_all_words() {
    let program = std::fs::read_to_string(verifier()).unwrap();
    let known: BTreeSet<&str> = program.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    let missing: Vec<_> = KINDS.iter().filter(|kind| !known.contains(**kind)).collect();
    assert!(missing.is_empty(), "contrib/verify.py does not know {missing:?}");
}

crate::harness::tests![
    both_verifiers_agree_on_journals,
    both_verifiers_agree_on_plans,
    both_verifiers_agree_on_proofs,
    the_exceptions_are_documented,
    the_second_verifier_knows_all_words
];
