//! Proofs under signed checkpoints: keybatch and `contrib/verify.py` judge them alike.

use std::path::Path;
use std::process::Command;

use super::Keys;
use crate::shell;
use crate::support::Bench;

/// A journal, too: what both verifiers say of signatures that were brought, or lists without them.
fn whoever_brings_signatures_without_signers_or_signers_without_signatures_is_told() {
    shell::needs("python3");
    let bench = Bench::new();
    let keys = Keys::new(&bench);
    let alice = keys.ed25519("alice");
    let known = keys.signers("known", &[("alice", "", &alice)]);
    bench.run(&bench.manifest(&bench.world.keys("key", 1)), &[]).exits(0);
    let path = |name: &str| bench.home().join(name).display().to_string();
    let (signed, unsigned) = (path("signed.txt"), path("unsigned.txt"));
    bench.keybatch(&["checkpoint", "--sign", "--key", &alice.display().to_string(), "-o", &signed]).exits(0);
    bench.keybatch(&["checkpoint", "-o", &unsigned]).exits(0);
    for (brought, says) in [
        (&["--checkpoint", &signed, "--allowed-signers", &known][..], None),
        (&["--checkpoint", &unsigned], None),
        (&["--checkpoint", &signed], Some("the signatures under the checkpoints were not verified")),
        (&["--checkpoint", &unsigned, "--allowed-signers", &known], Some("no checkpoint of this journal is signed")),
    ] {
        let mut all = Vec::new();
        all.push(bench.keybatch(&[&["verify", "--output", "json"], brought].concat()).exits(0).json());
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/verify.py");
        let output = Command::new("python3").arg(program).args(brought).arg(bench.journal()).output().unwrap();
        all.push(serde_json::from_slice(&output.stdout).unwrap());
        for said in all {
            let warnings = said["warnings"].as_array().unwrap().iter().filter_map(serde_json::Value::as_str);
            let of_signatures: Vec<&str> = warnings.filter(|text| text.contains("--allowed-signers")).collect();
            assert_eq!(of_signatures.len(), usize::from(says.is_some()), "{brought:?}: {said}");
            assert!(says.is_none_or(|says| of_signatures[0].contains(says)), "{brought:?}: {said}");
        }
    }
}

/// What both verifiers say: exit code and verdict, which must be the same.
#[track_caller]
fn both(bench: &Bench, proof: &Path, brought: &[&str]) -> (i32, String) {
    let proof = proof.display().to_string();
    let done = bench.keybatch(&[&["verify", &proof, "--output", "json"], brought].concat());
    let verdict = done.json()["verdict"].as_str().unwrap().to_owned();
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/verify.py");
    let output = Command::new("python3").arg(program).args(brought).arg(&proof).output().unwrap();
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), said["verdict"].as_str()), (done.code, Some(&*verdict)), "{done}{said}");
    // What they say of signatures, too.
    let of_signatures = |said: &serde_json::Value| -> Vec<String> {
        let texts = said["warnings"].as_array().unwrap().iter().filter_map(serde_json::Value::as_str);
        texts.filter(|text| text.contains("--allowed-signers")).map(str::to_owned).collect()
    };
    assert_eq!(of_signatures(&said), of_signatures(&done.json()), "{done}{said}");
    (done.code.unwrap(), verdict)
}

// SEMANTICS: P115
fn a_signer_whom_the_reviewer_knows_vouches_for_a_proof() {
    shell::needs("python3");
    let bench = Bench::new();
    let keys = Keys::new(&bench);
    let (alice, mallory) = (keys.ed25519("alice"), keys.ed25519("mallory"));
    let names = bench.world.keys("key", 2);
    bench.run(&bench.manifest(&names), &[]).exits(0);
    let path = |name: &str| bench.home().join(name);
    let signed = path("signed.txt").display().to_string();
    let key = alice.display().to_string();
    bench.keybatch(&["checkpoint", "--sign", "--key", &key, "-o", &signed]).exits(0);
    let to = path("signed.proof").display().to_string();
    bench.keybatch(&["prove", "latest", &names[0], "--checkpoint", &signed, "-o", &to]).exits(0);
    let known = keys.signers("known", &[("alice", "", &alice)]);
    let stranger = keys.signers("stranger", &[("mallory", "", &mallory)]);
    let (proof, sound) = (path("signed.proof"), |verdict: &str| (0, verdict.to_owned()));
    assert_eq!(both(&bench, &proof, &[]), sound("self_consistent"));
    assert_eq!(both(&bench, &proof, &["--allowed-signers", &known, "--require-checkpoint"]), sound("verified"));
    assert_eq!(both(&bench, &proof, &["--allowed-signers", &stranger]), (7, "bad_signature".to_owned()));
    assert_eq!(both(&bench, &proof, &["--checkpoint", &signed]), sound("verified"));
    assert_eq!(both(&bench, &proof, &["--checkpoint", &signed, "--allowed-signers", &known]), sound("verified"));
    // A checkpoint that nobody signed vouches for nothing where signatures count.
    let unsigned = path("unsigned.txt").display().to_string();
    bench.keybatch(&["checkpoint", "-o", &unsigned]).exits(0);
    let to = path("unsigned.proof").display().to_string();
    bench.keybatch(&["prove", "latest", "1", "-o", &to]).exits(0);
    let required = ["--checkpoint", &unsigned, "--allowed-signers", &known, "--require-checkpoint"];
    assert_eq!(both(&bench, &path("unsigned.proof"), &required), (7, "self_consistent".to_owned()));
    // Whoever brings one without the other is told.
    let told = |brought: &[&str], proof: &Path, says: &str| {
        let file = proof.display().to_string();
        let text = bench.keybatch(&[&["verify", &file], brought].concat()).exits(0).stdout;
        let notes: Vec<&str> =
            text.lines().filter(|line| line.starts_with("note: ") && line.contains("--allowed-signers")).collect();
        assert!(if says.is_empty() { notes.is_empty() } else { notes.len() == 1 && notes[0].contains(says) }, "{text}");
        both(&bench, proof, brought);
    };
    let by_known = ["--allowed-signers", &known];
    told(&["--checkpoint", &signed, by_known[0], by_known[1]], &proof, "");
    told(&["--checkpoint", &unsigned], &path("unsigned.proof"), "");
    told(&["--checkpoint", &signed], &proof, "was not judged");
    told(&[], &proof, "was not judged");
    let unsigned_and_signers = ["--checkpoint", &unsigned, by_known[0], by_known[1]];
    told(&unsigned_and_signers, &path("unsigned.proof"), "no checkpoint of this journal is signed");
    // Whoever changes a letter of the signature is found without a list.
    let text = std::fs::read_to_string(&proof).unwrap();
    let at = text.find("SSH SIGNATURE-----\\n").unwrap() + 120;
    let mut changed = text.into_bytes();
    changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
    let forged = bench.file("forged.proof", changed);
    assert_eq!(both(&bench, &forged, &[]).0, 7);
}

crate::harness::tests![
    a_signer_whom_the_reviewer_knows_vouches_for_a_proof,
    whoever_brings_signatures_without_signers_or_signers_without_signatures_is_told
];
