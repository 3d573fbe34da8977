//! Approvals of plans: signed with real keys, accepted or not by keybatch and by the stock program alike.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{KINDS, Keys, stock_accepts, without_ssh_keygen};
use crate::support::{Bench, Done};

const NAMESPACE: &str = "plan@keybatch";

/// A plan of three key pairs.
fn plan(bench: &Bench) -> PathBuf {
    plan_with(bench, &[])
}

fn plan_with(bench: &Bench, more: &[&str]) -> PathBuf {
    let manifest = bench.manifest(&bench.world.keys("key", 3)).display().to_string();
    let path = bench.home().join("friday.plan");
    let to = path.display().to_string();
    let args = ["plan", &manifest, "--rate", "unlimited", "-o", &to, "--ticket", "OPS-17 \"ü\""];
    bench.keybatch(&[&args[..], more].concat()).exits(0);
    path
}

fn approve(bench: &Bench, plan: &Path, more: &[&str]) -> Done {
    let plan = plan.display().to_string();
    bench.keybatch(&[&["approve", &plan, "--output", "json"], more].concat())
}

/// Signs as that person.
fn sign(bench: &Bench, plan: &Path, key: &Path, who: &str) -> Done {
    approve(bench, plan, &["--key", &key.display().to_string(), "--as", who])
}

fn verify(bench: &Bench, plan: &Path, signers: &str, more: &[&str]) -> Done {
    approve(bench, plan, &[&["--verify", "--allowed-signers", signers], more].concat())
}

/// For each file, without its directory and the plan's name: whom it counts for, or why it does not.
fn said(done: &Done) -> Vec<(String, String)> {
    let of = |one: &Value| {
        let file = one["file"].as_str().unwrap().rsplit_once("friday.plan.").unwrap().1.to_owned();
        let said = if one["accepted"] == true { &one["principal"] } else { &one["reason"] };
        (file, said.as_str().unwrap().to_owned())
    };
    done.json()["approvals"].as_array().unwrap().iter().map(of).collect()
}

fn beside(plan: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", plan.display()))
}

// SEMANTICS: P79
fn keys_of_every_kind_approve() {
    let bench = Bench::new();
    let keys = Keys::new(&bench);
    let plan = plan(&bench);
    let mut lines = Vec::new();
    for (number, (kind, bits)) in KINDS.iter().enumerate() {
        let who = format!("person{number}@example.com");
        let key = keys.make(&format!("key{number}"), kind, bits, "");
        let done = sign(&bench, &plan, &key, &who).exits(0);
        assert_eq!(done.json()["key"], keys.fingerprint(&key).as_str(), "{done}");
        assert!(done.stderr.contains("3 to delete") && done.stderr.contains("OPS-17"), "it shows the plan: {done}");
        lines.push((who, key));
    }
    let lines: Vec<_> = lines.iter().map(|(who, key)| (who.as_str(), "", key.as_path())).collect();
    let signers = keys.signers("signers", &lines);
    let done = verify(&bench, &plan, &signers, &["--require-approvals", "5"]).exits(0);
    assert_eq!((&done.json()["accepted"], &done.json()["enough"]), (&5.into(), &true.into()), "{done}");
    verify(&bench, &plan, &signers, &["--require-approvals", "6"]).exits(4);
    let text = std::fs::read_to_string(beside(&plan, ".approval.txt")).unwrap();
    assert!(text.starts_with("keybatch approval v1\n\"") && text.is_ascii(), "{text}");
    assert!(text.contains("\n\"OPS-17 \\\"\\u00fc\\\"\"\n") && text.ends_with(" 3 0 0\n"), "{text}");
    for (who, _, _) in &lines {
        let file = beside(&plan, &format!(".{who}.sig"));
        assert!(stock_accepts(&bench, &signers, who, NAMESPACE, &file, &text), "{who}");
        assert!(!stock_accepts(&bench, &signers, who, "maker@keybatch", &file, &text), "{who}");
        assert!(!stock_accepts(&bench, &signers, who, NAMESPACE, &file, &text.replace(" 3 0 0", " 4 0 0")), "{who}");
    }
    assert!(!bench.journal().exists(), "nothing is recorded");
    assert!(bench.world.state().log.iter().all(|call| call.operation.starts_with("Get")), "only the plan read");
}

// SEMANTICS: P79
fn an_agent_and_a_certificate_approve() {
    let mut bench = Bench::new();
    let plan = plan(&bench);
    let (agent, solo, signers) = {
        let keys = Keys::new(&bench);
        let dave = keys.ed25519("dave");
        let (key, authority, other) = (keys.ed25519("key"), keys.ed25519("authority"), keys.ed25519("other"));
        let public = format!("{}.pub", key.display());
        let [authority_file, other_file] = [&authority, &other].map(|key| key.display().to_string());
        keys.run(
            "ssh-keygen",
            &["-q", "-s", &authority_file, "-I", "id", "-n", "alice", "-V", "20200101Z:20991231Z", &public],
        );
        // Bob's has run out.
        let bobs = format!("{other_file}.pub");
        keys.run(
            "ssh-keygen",
            &["-q", "-s", &authority_file, "-I", "id", "-n", "bob", "-V", "20200101Z:20210101Z", &bobs],
        );
        let [public_authority, public_key, public_dave] = [&authority, &key, &dave].map(|key| keys.public(key));
        let line = format!("* cert-authority {public_authority}\ncarol {public_key}\ndave {public_dave}\n");
        let signers = bench.file("signers", line).display().to_string();
        sign(&bench, &plan, &bench.home().join("other-cert.pub"), "bob").exits(0);
        (keys.agent(&key), keys.agent(&dave), signers)
    };
    bench.set("SSH_AUTH_SOCK", &agent.socket);
    sign(&bench, &plan, &bench.home().join("key-cert.pub"), "alice").exits(0);
    sign(&bench, &plan, &bench.home().join("key.pub"), "carol").exits(0);
    // The agent has the key and the certificate: keybatch does not choose.
    let several = approve(&bench, &plan, &["--agent", "--as", "dave"]).exits(2);
    assert!(several.stdout.contains("ssh-ed25519-cert-v01@openssh.com SHA256:"), "{several}");
    bench.set("SSH_AUTH_SOCK", &solo.socket);
    approve(&bench, &plan, &["--agent", "--as", "dave"]).exits(0);
    let done = verify(&bench, &plan, &signers, &[]).exits(4);
    let expected = [("alice.sig", "alice"), ("bob.sig", "refused"), ("carol.sig", "same_key"), ("dave.sig", "dave")];
    let expected = expected.map(|(file, said)| (file.to_owned(), said.to_owned()));
    assert_eq!(said(&done), expected, "{done}");
    assert!(done.stdout.contains("expired"), "the program's own reason: {done}");
    let text = std::fs::read_to_string(beside(&plan, ".approval.txt")).unwrap();
    for (who, accepted) in [("alice", true), ("bob", false), ("carol", true), ("dave", true)] {
        let file = beside(&plan, &format!(".{who}.sig"));
        assert_eq!(stock_accepts(&bench, &signers, who, NAMESPACE, &file, &text), accepted, "{who}");
    }
    without_ssh_keygen(&mut bench);
    let done = verify(&bench, &plan, &signers, &[]).exits(4);
    let expected =
        [("alice.sig", "no_program"), ("bob.sig", "no_program"), ("carol.sig", "carol"), ("dave.sig", "dave")];
    let expected = expected.map(|(file, said)| (file.to_owned(), said.to_owned()));
    assert_eq!(said(&done), expected, "{done}");
}

// SEMANTICS: P80
fn what_does_not_count_says_why() {
    let bench = Bench::new();
    let keys = Keys::new(&bench);
    let plan = plan(&bench);
    let names = ["alice", "bob", "carol", "dave", "eve", "mallory"];
    let made: Vec<_> = names.iter().map(|name| keys.ed25519(name)).collect();
    for (name, key) in names.iter().zip(&made) {
        sign(&bench, &plan, key, name).exits(0);
    }
    let text = std::fs::read_to_string(beside(&plan, ".approval.txt")).unwrap();
    // Eve's signature is for another purpose, and Dave's was damaged on its way.
    let eve = keys.run(
        "sh",
        &[
            "-c",
            &format!(
                "ssh-keygen -q -Y sign -f {} -n file < {}",
                made[4].display(),
                beside(&plan, ".approval.txt").display()
            ),
        ],
    );
    std::fs::write(beside(&plan, ".eve.sig"), eve).unwrap();
    let dave = std::fs::read_to_string(beside(&plan, ".dave.sig")).unwrap();
    std::fs::write(beside(&plan, ".dave.sig"), dave.replace("-----END", "---END")).unwrap();
    // As Alice's mail program sends it.
    let alice = std::fs::read_to_string(beside(&plan, ".alice.sig")).unwrap();
    std::fs::write(beside(&plan, ".alice.sig"), format!("Here it is.\r\n{}", alice.replace('\n', "\r\n"))).unwrap();
    let signers = keys.signers(
        "signers",
        &[
            ("alice", "", &made[0]),
            ("bob", "valid-before=\"20200101Z\"", &made[1]),
            ("carol", "valid-after=\"20990101Z\"", &made[2]),
            ("dave", "", &made[3]),
            ("eve", "", &made[4]),
        ],
    );
    let done = verify(&bench, &plan, &signers, &[]).exits(4);
    let expected = [
        ("alice.sig", "alice"),
        ("bob.sig", "no_longer_valid"),
        ("carol.sig", "not_yet_valid"),
        ("dave.sig", "unreadable"),
        ("eve.sig", "other_namespace"),
        ("mallory.sig", "not_allowed"),
    ];
    assert_eq!(said(&done), expected.map(|(file, said)| (file.to_owned(), said.to_owned())), "{done}");
    verify(&bench, &plan, &signers, &["--require-approvals", "1"]).exits(0);
    verify(&bench, &plan, &signers, &["--require-approvals", "2"]).exits(4);
    for who in &names[1..] {
        let file = beside(&plan, &format!(".{who}.sig"));
        assert!(!stock_accepts(&bench, &signers, who, NAMESPACE, &file, &text), "{who}");
    }
    // Files that are named, wherever they are and whatever they are called.
    let moved = bench.file("from-alice.txt", &alice).display().to_string();
    let done = verify(&bench, &plan, &signers, &["--approvals", &moved]).exits(0);
    assert_eq!(done.json()["approvals"][0]["principal"], "alice", "{done}");
    let none = bench.home().join("work").display().to_string();
    verify(&bench, &plan, &signers, &["--approvals", &none]).exits(4);
    verify(&bench, &plan, &signers, &["--approvals", "/no/such/file"]).exits(4);
    // Whoever may sign, `--list` says what holds.
    let listed = approve(&bench, &plan, &["--list"]).exits(0).json();
    let holds: Vec<_> =
        listed["signatures"].as_array().unwrap().iter().map(|one| one["holds"].as_str().unwrap()).collect();
    assert_eq!(holds, ["yes", "yes", "yes", "no", "no", "yes"]);
    let table = bench.keybatch(&["approve", &plan.display().to_string(), "--list"]).exits(0);
    assert!(table.stdout.contains("alice") && table.stderr.contains("--verify"), "{table}");
}

// SEMANTICS: P78
fn nothing_is_replaced_and_no_plan_is_approved_that_was_changed() {
    let mut bench = Bench::new();
    let (plan, key, other) = {
        let keys = Keys::new(&bench);
        (plan(&bench), keys.ed25519("alice"), keys.ed25519("bob"))
    };
    sign(&bench, &plan, &key, "alice").exits(0);
    let signature = std::fs::read(beside(&plan, ".alice.sig")).unwrap();
    let again = sign(&bench, &plan, &other, "alice").exits(2);
    assert_eq!(again.json()["code"], "usage.file_exists", "{again}");
    assert_eq!(std::fs::read(beside(&plan, ".alice.sig")).unwrap(), signature);
    // The text was changed: nothing is signed beside it.
    let text = std::fs::read_to_string(beside(&plan, ".approval.txt")).unwrap();
    std::fs::write(beside(&plan, ".approval.txt"), text.replace(" 3 0 0", " 1 0 0")).unwrap();
    let differs = sign(&bench, &plan, &other, "bob").exits(4);
    assert_eq!(differs.json()["code"], "approval.refused", "{differs}");
    assert!(!beside(&plan, ".bob.sig").exists());
    std::fs::write(beside(&plan, ".approval.txt"), &text).unwrap();
    for (args, exit) in [
        (&["--key", "/no/such/key", "--as", "bob"][..], 9),
        (&["--key", "x", "--as", "maker"], 2),
        (&["--key", "x", "--as", "a/b"], 2),
        (&["--agent", "--as", "bob"], 9),
        (&["--verify"], 2),
        (&["--verify", "--list"], 2),
        (&[], 2),
    ] {
        approve(&bench, &plan, args).exits(exit);
        assert!(!beside(&plan, ".bob.sig").exists(), "{args:?}");
    }
    // One byte of the plan.
    let whole = std::fs::read_to_string(&plan).unwrap();
    std::fs::write(&plan, whole.replace("key-01", "key-10")).unwrap();
    let edited = sign(&bench, &plan, &other, "bob").exits(4);
    assert!(edited.json()["code"].as_str().unwrap().starts_with("plan."), "{edited}");
    approve(&bench, &plan, &["--list"]).exits(4);
    std::fs::write(&plan, &whole).unwrap();
    without_ssh_keygen(&mut bench);
    let done = sign(&bench, &plan, &other, "bob").exits(9);
    assert_eq!(done.json()["code"], "signing.failed", "{done}");
    let left: Vec<_> = std::fs::read_dir(bench.home()).unwrap().map(|item| item.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".unfinished")), "{left:?}");
}

// SEMANTICS: P80
fn under_four_eyes_the_maker_does_not_approve() {
    let bench = Bench::new();
    let keys = Keys::new(&bench);
    let (maker, second, bob) = (keys.ed25519("maker-key"), keys.ed25519("second"), keys.ed25519("bob"));
    let plan = plan_with(&bench, &["--sign-key", &maker.display().to_string()]);
    let text = std::fs::read_to_string(beside(&plan, ".approval.txt")).unwrap();
    // Alice made it, and has another key, too.
    let signers = keys.signers("signers", &[("alice", "", &maker), ("alice", "", &second), ("bob", "", &bob)]);
    assert!(stock_accepts(&bench, &signers, "alice", "maker@keybatch", &beside(&plan, ".maker.sig"), &text));
    assert!(!stock_accepts(&bench, &signers, "alice", NAMESPACE, &beside(&plan, ".maker.sig"), &text));
    sign(&bench, &plan, &second, "alice").exits(0);
    sign(&bench, &plan, &bob, "bob").exits(0);
    verify(&bench, &plan, &signers, &["--require-approvals", "2"]).exits(0);
    let done = verify(&bench, &plan, &signers, &["--require-approvals", "2", "--four-eyes"]).exits(4);
    let expected = [("alice.sig", "maker"), ("bob.sig", "bob")].map(|(file, said)| (file.to_owned(), said.to_owned()));
    assert_eq!(said(&done), expected, "{done}");
    verify(&bench, &plan, &signers, &["--require-approvals", "1", "--four-eyes"]).exits(0);
    // Without the maker's signature, or with one by a key that is nobody's, nobody can tell who made it.
    let nobodys = keys.signers("others", &[("alice", "", &second), ("bob", "", &bob)]);
    for (signers, remove) in [(&nobodys, false), (&signers, true)] {
        if remove {
            std::fs::remove_file(beside(&plan, ".maker.sig")).unwrap();
        }
        let done = verify(&bench, &plan, signers, &["--require-approvals", "1", "--four-eyes"]).exits(4);
        assert_eq!(done.json()["code"], "approval.refused", "{done}");
    }
}

crate::harness::tests![
    keys_of_every_kind_approve,
    an_agent_and_a_certificate_approve,
    what_does_not_count_says_why,
    nothing_is_replaced_and_no_plan_is_approved_that_was_changed,
    under_four_eyes_the_maker_does_not_approve
];
