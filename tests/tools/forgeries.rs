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
#[expect(dead_code, clippy::disallowed_methods, reason = "the tests of the library use the rest of it")]
mod journals;
mod pasts;
#[path = "../library/tampering/runner_lies.rs"]
mod runner_lies;
#[path = "../library/tampering/runners.rs"]
mod runners;
mod second;
#[path = "../library/tampering/approvals/signed.rs"]
#[expect(dead_code, reason = "the tests of the library use the rest of it")]
mod signed;

use forged::{Forgery, bits, forged, held, made_anew, proofs};
use journals::{Copy, run, sample};
use pasts::{other_pasts, plain_forgeries};
use second::{is_untouched_by_making_it_anew, of_each_kind, second};

/// What only keybatch convicts, in some or all cases. `docs/RELIABILITY.md` says why.
const ONLY_KEYBATCH: [&str; 9] = [
    "a body and the whole tree",
    "a byte of the file",
    "a projection",
    "a signature over a plan",
    "a word and the whole tree",
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

// SEMANTICS: P116
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
    check("journals", &counts, campaign::size(250, 900));
    // With a checkpoint, each other past is convicted by both.
    let mut held = Counts::new();
    let some: Vec<Forgery> = pasts.into_iter().step_by(campaign::size(5, 1)).collect();
    compare(&mut held, &some, Some(checkpoint), |file, _| is_sound(file, Some(checkpoint)));
    assert!(held.values().all(|[_, accepted, missed]| accepted + missed == 0), "{held:#?}");
}

// SEMANTICS: P116
fn both_verifiers_agree_on_each_kind_of_entry() {
    shell::needs("python3");
    let checkpoint = &second().checkpoint;
    let mut counts = Counts::new();
    for brought in [None, Some(checkpoint)] {
        compare(&mut counts, &[("untouched", second().file.clone())], brought, |file, _| is_sound(file, brought));
    }
    assert_eq!(counts.remove("untouched"), Some([0, 2, 0]), "both accept it");
    assert!(is_untouched_by_making_it_anew());
    let all = of_each_kind();
    // The entries alone: the tables beside them were not made anew.
    compare(&mut counts, &all, None, |file, _| run(verify(file, Options::default())).unwrap().verdict.is_sound());
    check("each kind of entry", &counts, campaign::size(130, 270));
    let mut held = Counts::new();
    let some: Vec<Forgery> = all.into_iter().step_by(9).collect();
    compare(&mut held, &some, Some(checkpoint), |file, _| is_sound(file, Some(checkpoint)));
    assert!(held.values().all(|[_, accepted, missed]| accepted + missed == 0), "{held:#?}");
}

/// The file of a journal with these entries; the tables beside them are another one's.
fn file_of(bodies: &[String]) -> Vec<u8> {
    let copy = Copy::new();
    run(copy.rewrite(bodies));
    let made = bodies.iter().rev().map(|body| serde_json::from_str::<serde_json::Value>(body).unwrap());
    let made = made.into_iter().find(|body| body["kind"] == "checkpoint_made");
    let (size, at) = made.map_or(("NULL".into(), "NULL".into()), |body| {
        (body["size"].to_string(), format!("'{}'", body["at"].as_str().unwrap()))
    });
    run(copy.tamper(&format!("UPDATE head SET checkpoint_size = {size}, checkpoint_at = {at}")));
    std::fs::read(copy.path()).unwrap()
}

// SEMANTICS: P116
fn both_verifiers_agree_on_runs_that_runners_share() {
    shell::needs("python3");
    let sound = |file: &Path, _: &[u8]| run(verify(file, Options::default())).unwrap().verdict.is_sound();
    let honest: Vec<Forgery> = runner_lies::honest().iter().map(|(what, bodies)| (*what, file_of(bodies))).collect();
    let mut counts = Counts::new();
    compare(&mut counts, &honest, None, sound);
    assert!(counts.values().all(|[_, accepted, _]| *accepted == 1), "{counts:#?}");
    let of = |lies: Vec<runner_lies::Lie>| lies.iter().map(|(what, bodies, _)| (*what, file_of(bodies))).collect();
    let (lies, subtle): (Vec<Forgery>, Vec<Forgery>) = (of(runner_lies::lies()), of(runner_lies::subtle()));
    let mut counts = Counts::new();
    compare(&mut counts, &lies, None, sound);
    check("runs that runners share", &counts, 85);
    let mut counts = Counts::new();
    compare(&mut counts, &subtle, None, sound);
    assert!(counts.values().all(|[_, accepted, _]| *accepted == 0), "keybatch convicts them: {counts:#?}");
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

// SEMANTICS: P116
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

// SEMANTICS: P116
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
    let list = program.split("KINDS = \"\"\"").nth(1).and_then(|rest| rest.split("\"\"\"").next()).unwrap();
    let known: BTreeSet<&str> = list.split_whitespace().collect();
    assert_eq!(known, KINDS.into(), "the kinds that contrib/verify.py accepts");
}

crate::harness::tests![
    both_verifiers_agree_on_journals,
    both_verifiers_agree_on_each_kind_of_entry,
    both_verifiers_agree_on_plans,
    both_verifiers_agree_on_proofs,
    both_verifiers_agree_on_runs_that_runners_share,
    the_exceptions_are_documented,
    the_second_verifier_knows_all_words
];
