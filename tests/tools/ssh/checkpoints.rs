//! Signed checkpoints: of runs, on demand, and verified by whoever keeps them.

use std::path::Path;

use super::{KINDS, Keys, instead_of_ssh_keygen, stock_accepts, without_ssh_keygen};
use crate::support::Bench;

const NAMESPACE: &str = "checkpoint@keybatch";

/// The records of a file: the three lines, and the signature behind them.
fn records(file: &Path) -> Vec<(String, Option<String>)> {
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.ends_with("\n\n"), "a blank line ends each record: {text:?}");
    let of = |record: &str| {
        let mut lines = record.lines();
        let text: String = lines.by_ref().take(3).map(|line| format!("{line}\n")).collect();
        let rest: String = lines.map(|line| format!("{line}\n")).collect();
        (text, Some(rest).filter(|rest| !rest.is_empty()))
    };
    text.trim_end().split("\n\n").map(of).collect()
}

/// A run of three rows whose checkpoints go to `checkpoints.txt`, signed with `key`.
fn signed_run(bench: &Bench, key: &Path, more: &[&str]) -> crate::support::Done {
    let manifest = bench.manifest(&bench.world.keys("key", 3));
    let file = bench.home().join("checkpoints.txt").display().to_string();
    let key = key.display().to_string();
    let mut args = vec!["--checkpoint-to", &file, "--sign-key", &key];
    args.extend(more);
    bench.run(&manifest, &args)
}

fn verify(bench: &Bench, signers: &str, more: &[&str]) -> crate::support::Done {
    let file = bench.home().join("checkpoints.txt").display().to_string();
    let mut args = vec!["verify", "--checkpoint", &file, "--allowed-signers", signers, "--output", "json"];
    args.extend(more);
    bench.keybatch(&args)
}

/// Every signature of the file is accepted by the stock program, too.
#[track_caller]
fn stock_accepts_all(bench: &Bench, signers: &str, principal: &str) -> usize {
    let mut signed = 0;
    for (text, signature) in records(&bench.home().join("checkpoints.txt")) {
        let Some(signature) = signature else { continue };
        let file = bench.file("one.sig", &signature);
        assert!(stock_accepts(bench, signers, principal, NAMESPACE, &file, &text), "{text}{signature}");
        assert!(!stock_accepts(bench, signers, principal, NAMESPACE, &file, &text.replace('\n', "\r\n")));
        signed += 1;
    }
    signed
}

fn checkpoints_are_signed_with_keys_of_every_kind() {
    for (kind, bits) in KINDS {
        let bench = Bench::new();
        let keys = Keys::new(&bench);
        let key = keys.make("key", kind, bits, "");
        signed_run(&bench, &key, &[]).exits(0);
        let signers = keys.signers("signers", &[("alice", "namespaces=\"checkpoint@*\"", &key)]);
        // That of the seal, and those of the end.
        assert!(stock_accepts_all(&bench, &signers, "alice") >= 2, "{kind} {bits}");
        let done = verify(&bench, &signers, &["--require-checkpoint"]).exits(0);
        assert_eq!(done.json()["verdict"], "verified", "{done}");
        assert!(done.stdout.contains(&keys.fingerprint(&key)) && done.stdout.contains("alice"), "{done}");
        let settings = bench
            .query("SELECT json_extract(body, '$.settings.sign_key') AS it FROM entries WHERE kind = 'session_opened'");
        assert!(settings.iter().any(|row| row["it"] == keys.fingerprint(&key).as_str()), "{settings:?}");
    }
}

fn a_resumed_session_signs_with_its_own_key() {
    let bench = Bench::new();
    let keys = Keys::new(&bench);
    let (key, other) = (keys.ed25519("key"), keys.ed25519("other"));
    signed_run(&bench, &key, &["--max-deletes", "1", "--sign-all"]).exits(5);
    let file = bench.home().join("checkpoints.txt");
    assert!(records(&file).iter().all(|(_, signature)| signature.is_some()), "every one is signed");
    let before = records(&file).len();
    bench.keybatch(&["resume", "--sign-key", &other.display().to_string(), "--output", "json"]).exits(0);
    let records = records(&file);
    assert!(records.len() > before && records.last().unwrap().1.is_some(), "the run's file goes on");
    // Who resumes need not be who began.
    let [alice, bob] = [("alice", "", key.as_path()), ("bob", "", other.as_path())];
    let both = keys.signers("both", &[alice, bob]);
    let done = verify(&bench, &both, &["--require-checkpoint"]).exits(0);
    assert!(done.stdout.contains("alice") && done.stdout.contains("bob"), "{done}");
    verify(&bench, &keys.signers("one", &[alice]), &[]).exits(7);
    // Without a key, nothing is signed, and nothing has to be.
    let manifest = bench.file("more.csv", format!("key_pair_name\n{}\n", bench.world.keys("more", 1)[0]));
    bench.run(&manifest, &["--checkpoint-to", &file.display().to_string()]).exits(0);
    assert_eq!(verify(&bench, &both, &[]).exits(0).json()["verdict"], "verified");
}

fn an_agent_and_a_certificate_sign_as_well() {
    let mut bench = Bench::new();
    let (plain, signers, agent) = {
        let keys = Keys::new(&bench);
        let (key, authority) = (keys.ed25519("key"), keys.ed25519("authority"));
        let public = format!("{}.pub", key.display());
        keys.run("ssh-keygen", &["-q", "-s", &authority.display().to_string(), "-I", "id", "-n", "alice,bob", &public]);
        let line = format!("alice,bob cert-authority {}\n", keys.public(&authority));
        let signers = bench.file("signers", line).display().to_string();
        let plain = keys.signers("plain", &[("alice", "", &key)]);
        (plain, signers, keys.agent(&key))
    };
    bench.set("SSH_AUTH_SOCK", &agent.socket);
    let certificate = bench.home().join("key-cert.pub");
    signed_run(&bench, &certificate, &[]).exits(0);
    assert!(stock_accepts_all(&bench, &signers, "alice") >= 2);
    let done = verify(&bench, &signers, &["--require-checkpoint"]).exits(0);
    assert_eq!(done.json()["verdict"], "verified", "{done}");
    // A line for the key allows no certificate over it.
    let done = verify(&bench, &plain, &[]).exits(7);
    assert_eq!(done.json()["verdict"], "bad_signature", "{done}");
    // What only the program can verify is not accepted without it; the journal itself is read all the same.
    without_ssh_keygen(&mut bench);
    let done = verify(&bench, &signers, &[]).exits(7);
    assert_eq!(done.json()["verdict"], "cannot_verify", "{done}");
    assert!(done.stdout.contains("only ssh-keygen can, and it cannot be run"), "{done}");
    drop(agent);
}

// SEMANTICS: P82
fn what_was_changed_or_signed_by_another_is_convicted() {
    let bench = Bench::new();
    let keys = Keys::new(&bench);
    let (key, other) = (keys.ed25519("key"), keys.ed25519("other"));
    signed_run(&bench, &key, &[]).exits(0);
    let file = bench.home().join("checkpoints.txt");
    let whole = std::fs::read_to_string(&file).unwrap();
    let alice = keys.signers("signers", &[("alice", "", &key)]);
    let verdict = |signers: &str, more: &[&str], code| {
        verify(&bench, signers, more).exits(code).json()["verdict"].as_str().unwrap().to_owned()
    };
    assert_eq!(verdict(&alice, &["--require-checkpoint"], 0), "verified");
    // The size of the last record, which is signed.
    let size = records(&file).last().unwrap().0.lines().nth(1).unwrap().to_owned();
    let changed = whole.replace(&format!("\n{size}\n"), "\n3\n");
    std::fs::write(&file, changed).unwrap();
    assert_eq!(verdict(&alice, &[], 7), "bad_signature");
    for bad in [
        keys.signers("mallory", &[("mallory", "", &other)]),
        keys.signers("maker", &[("alice", "namespaces=\"maker@keybatch,plan@keybatch\"", &key)]),
        keys.signers("old", &[("alice", "valid-before=\"20200101Z\"", &key)]),
        keys.signers("new", &[("alice", "valid-after=\"29990101Z\"", &key)]),
    ] {
        std::fs::write(&file, &whole).unwrap();
        assert_eq!(verdict(&bad, &[], 7), "bad_signature", "{bad}");
    }
    // Without signatures there is nothing to trust, and nothing wrong either.
    let bare: String = records(&file).into_iter().map(|(text, _)| format!("{text}\n")).collect();
    std::fs::write(&file, &bare).unwrap();
    assert_eq!(verdict(&alice, &[], 0), "self_consistent");
    assert_eq!(verdict(&alice, &["--require-checkpoint"], 7), "self_consistent");
    // One that lost the end of its signature to a power loss counts as unsigned.
    let torn = &whole[..whole.rfind("-----END").unwrap()];
    std::fs::write(&file, torn).unwrap();
    assert_eq!(verdict(&alice, &["--require-checkpoint"], 0), "verified");
    // A list that allows nobody, or cannot be read, is refused.
    let nobody = bench.file("nobody", "alice nonsense\n").display().to_string();
    for list in [nobody, "/no/such/list".to_owned()] {
        let done = verify(&bench, &list, &[]).exits(2);
        assert_eq!(done.json()["code"], "signers.unusable", "{done}");
    }
}

// SEMANTICS: P81
fn a_key_that_does_not_sign_by_itself_is_refused_before_anything_is_sent() {
    let mut bench = Bench::new();
    let key = Keys::new(&bench).make("key", "ed25519", "", "a passphrase");
    let refused = |bench: &Bench, key: &Path| {
        let done = signed_run(bench, key, &[]).exits(9);
        assert_eq!(
            (done.json()["code"].as_str(), done.json()["sent"].as_str()),
            (Some("signing.failed"), Some("nothing"))
        );
        done
    };
    let done = refused(&bench, &key);
    assert!(done.stderr.contains("ssh-add"), "{done}");
    refused(&bench, Path::new("/no/such/key"));
    without_ssh_keygen(&mut bench);
    let done = refused(&bench, &key);
    assert!(done.stderr.contains("ssh-keygen cannot be run") && done.stderr.contains("openssh-client"), "{done}");
    assert!(bench.world.state().log.is_empty() && !bench.journal().exists(), "nothing was sent or recorded");
}

/// The trial, the seal, the end: a program that fails from the n-th signature on.
// SEMANTICS: P81
fn a_signature_that_fails_later_stops_a_run_only_before_its_first_delete() {
    for (signs, exit) in [(1, 9), (2, 0)] {
        let mut bench = Bench::new();
        let key = Keys::new(&bench).ed25519("key");
        let script = format!(
            "echo >> {home}/count; [ $(/usr/bin/wc -l < {home}/count) -le {signs} ] || {{ echo 'agent refused operation' >&2; exit 255; }}; \
             exec /usr/bin/ssh-keygen \"$@\"",
            home = bench.home().display()
        );
        let folder = instead_of_ssh_keygen(&bench, &script);
        bench.set("PATH", &format!("{folder}:/usr/bin:/bin"));
        let done = signed_run(&bench, &key, &[]).exits(exit);
        assert!(done.stderr.contains("without a signature") && done.stderr.contains("agent refused"), "{done}");
        let deleted = bench.world.state().log.iter().filter(|one| one.operation == "DeleteKeyPair").count();
        assert_eq!(deleted, if exit == 0 { 3 } else { 0 }, "{done}");
        if exit == 9 {
            assert_eq!(done.json()["code"], "signing.failed", "{done}");
        }
        // What could not be signed was kept all the same.
        let records = records(&bench.home().join("checkpoints.txt"));
        assert!(records.last().unwrap().1.is_none() && records.len() >= 2, "{records:?}");
        bench.set("PATH", "/usr/bin:/bin");
        bench.verify().exits(0);
    }
}

fn the_head_is_printed_and_signed_on_demand() {
    let bench = Bench::new();
    let keys = Keys::new(&bench);
    let key = keys.ed25519("key");
    bench.run(&bench.manifest(&bench.world.keys("key", 2)), &[]).exits(0);
    let before = std::fs::read(bench.journal()).unwrap();
    let plain = bench.keybatch(&["checkpoint"]).exits(0);
    let json = bench.keybatch(&["checkpoint", "--output", "json"]).exits(0).json();
    assert_eq!(plain.stdout, format!("{}\n", json["text"].as_str().unwrap()), "{plain}");
    assert!(json["signature"].is_null(), "{json}");
    let file = bench.home().join("checkpoints.txt").display().to_string();
    let path = key.display().to_string();
    bench.keybatch(&["checkpoint", "--sign", "--key", &path, "-o", &file]).exits(0);
    let signers = keys.signers("signers", &[("alice", "", &key)]);
    assert_eq!(stock_accepts_all(&bench, &signers, "alice"), 1);
    assert_eq!(verify(&bench, &signers, &["--require-checkpoint"]).exits(0).json()["verdict"], "verified");
    let again = bench.keybatch(&["checkpoint", "-o", &file, "--output", "json"]).exits(2);
    assert_eq!(again.json()["code"], "usage.file_exists", "{again}");
    bench.keybatch(&["checkpoint", "--sign"]).exits(2);
    assert_eq!(std::fs::read(bench.journal()).unwrap(), before, "nothing was written");
}

crate::harness::tests![
    checkpoints_are_signed_with_keys_of_every_kind,
    a_resumed_session_signs_with_its_own_key,
    an_agent_and_a_certificate_sign_as_well,
    what_was_changed_or_signed_by_another_is_convicted,
    a_key_that_does_not_sign_by_itself_is_refused_before_anything_is_sent,
    a_signature_that_fails_later_stops_a_run_only_before_its_first_delete,
    the_head_is_printed_and_signed_on_demand
];
