//! Proofs under signed checkpoints: keybatch and `contrib/verify.py` judge them alike.

use std::path::Path;
use std::process::Command;

use super::Keys;
use crate::shell;
use crate::support::Bench;

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
    // Whoever changes a letter of the signature is found without a list.
    let text = std::fs::read_to_string(&proof).unwrap();
    let at = text.find("SSH SIGNATURE-----\\n").unwrap() + 120;
    let mut changed = text.into_bytes();
    changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
    let forged = bench.file("forged.proof", changed);
    assert_eq!(both(&bench, &forged, &[]).0, 7);
}

crate::harness::tests![a_signer_whom_the_reviewer_knows_vouches_for_a_proof];
