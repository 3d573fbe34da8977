//! Four eyes, with real keys: who made a plan and who runs it have signed it, and neither counts as one of those who approved it. What a
//! policy demands of approvals, `run` keeps and `verify` demands.

use std::path::Path;

use serde_json::{Value, json};

use super::{Keys, stock_accepts};
use crate::support::{Bench, Done, invariants, summary};

/// A bench with the keys of four people, and a list that gives each of them one: Max makes plans, Rosa runs them.
struct Scene {
    bench: Bench,
    signers: String,
}

impl Scene {
    fn new() -> Self {
        let bench = Bench::new();
        let keys = Keys::new(&bench);
        let [max, rosa, anna, ben] = ["max", "rosa", "anna", "ben"].map(|name| (name, keys.ed25519(name)));
        let second = keys.ed25519("max-2");
        let lines = [&max, &rosa, &anna, &ben].map(|(name, key)| (*name, "", key.as_path()));
        let signers = keys.signers("signers", &[&lines[..], &[("max", "", &second)]].concat());
        Self { bench, signers }
    }

    fn key(&self, name: &str) -> String {
        self.bench.home().join(name).display().to_string()
    }

    /// A plan of two key pairs that Max made.
    fn plan(&self, name: &str, more: &[&str]) -> String {
        let names = self.bench.world.keys(name, 2);
        let manifest = self.bench.manifest(&names).display().to_string();
        let plan = self.bench.home().join(format!("{name}.plan")).display().to_string();
        let args = ["plan", &manifest, "-o", &plan, "--rate", "unlimited", "--sign-key", &self.key("max")];
        self.bench.keybatch(&[&args[..], more].concat()).exits(0);
        plan
    }

    fn approve(&self, plan: &str, key: &str, who: &str) {
        self.bench.keybatch(&["approve", plan, "--key", &self.key(key), "--as", who]).exits(0);
    }

    fn run(&self, plan: &str, more: &[&str]) -> Done {
        let base =
            ["run", plan, "--yes", "--rate", "unlimited", "--output", "json", "--allowed-signers", &self.signers];
        self.bench.keybatch(&[&base[..], more].concat())
    }

    #[track_caller]
    fn refused(&self, done: Done, code: &str, said: &str) {
        let error = done.exits(4).json();
        assert_eq!(error["code"], code, "{error}");
        assert_eq!(error["sent"], "nothing", "{error}");
        assert!(error.to_string().contains(said), "{said}: {error}");
        assert!(self.bench.world.arrived("DeleteKeyPair").is_empty(), "{error}");
    }

    fn verify(&self, more: &[&str]) -> Done {
        self.bench.keybatch(&[&["verify", "--allowed-signers", &self.signers, "--output", "json"], more].concat())
    }
}

// SEMANTICS: P100
fn under_four_eyes_neither_maker_nor_runner_counts() {
    let scene = Scene::new();
    let plan = scene.plan("friday", &[]);
    let rosa = scene.key("rosa");
    let four = |key: &str, more: &[&str]| {
        scene.run(&plan, &[&["--four-eyes", "--sign-key", &scene.key(key)][..], more].concat())
    };
    scene.refused(four("rosa", &[]), "plan.not_approved", "0 of the 1 approvals");
    scene.refused(scene.run(&plan, &["--four-eyes"]), "plan.four_eyes", "nothing signs for this session");
    // The maker approves, with either key; then whoever runs it.
    scene.approve(&plan, "max-2", "max");
    scene.refused(four("rosa", &[]), "plan.not_approved", "max also has the key that signed the plan as its maker");
    scene.approve(&plan, "anna", "anna");
    scene.refused(four("anna", &[]), "plan.not_approved", "that signs the checkpoints of the session");
    scene.refused(four("rosa", &["--require-approvals", "2"]), "plan.not_approved", "1 of the 2");
    // Somebody whose key nobody knows could be anybody.
    let nobody = Keys { bench: &scene.bench }.ed25519("mallory").display().to_string();
    scene.refused(four("mallory", &[]), "plan.four_eyes", "is not accepted");
    assert!(Path::new(&nobody).exists());
    // The maker's signature: missing, of another plan, of nobody.
    let makers = format!("{plan}.maker.sig");
    let own = std::fs::read_to_string(&makers).unwrap();
    std::fs::remove_file(&makers).unwrap();
    scene.refused(four("rosa", &[]), "plan.four_eyes", "no signature of its maker");
    let other = scene.plan("other", &[]);
    std::fs::copy(format!("{other}.maker.sig"), &makers).unwrap();
    scene.refused(four("rosa", &[]), "plan.four_eyes", "the signature of the plan's maker is not accepted");
    std::fs::remove_file(&makers).unwrap();
    // Found where --approvals says, whatever it is called, and no other person's approval is taken for it.
    let sent = scene.bench.file("from-max.txt", &own).display().to_string();
    let annas = format!("{plan}.anna.sig");
    let by_path = ["--approvals", &annas, "--approvals", &sent];
    scene.refused(four("rosa", &by_path[..2]), "plan.four_eyes", "no signature of its maker");
    let done = four("rosa", &by_path).exits(0);
    assert_eq!(summary(&scene.bench, &done)["outcomes"]["deleted"], 2);
    let entries = scene.bench.query("SELECT kind, body FROM entries WHERE kind LIKE 'plan_%' ORDER BY seq");
    let kinds: Vec<_> = entries.iter().map(|entry| entry["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["plan_sealed", "plan_signed", "plan_signed", "plan_approved"]);
    // Stock ssh-keygen accepts what is in the journal.
    let text = std::fs::read_to_string(format!("{plan}.approval.txt")).unwrap();
    for (entry, who, namespace) in [(1, "max", "maker@keybatch"), (2, "rosa", "checkpoint@keybatch")] {
        let body: Value = serde_json::from_str(entries[entry]["body"].as_str().unwrap()).unwrap();
        let file = scene.bench.file("signature", body["signature"].as_str().unwrap());
        assert!(stock_accepts(&scene.bench, &scene.signers, who, namespace, &file, &text), "{who}");
    }
    // The report says who signed, by keys as ssh-keygen prints them.
    let report = scene.bench.keybatch(&["report", "latest"]).exits(0).stdout;
    for (role, name) in [("its maker", "max"), ("the session that executes it", "rosa")] {
        let public = scene.bench.home().join(format!("{name}.pub")).display().to_string();
        let printed = scene.bench.command_of("ssh-keygen", &["-l", "-f", &public]).output().unwrap().stdout;
        let printed = String::from_utf8(printed).unwrap();
        let key = printed.split(' ').find(|word| word.starts_with("SHA256:")).unwrap();
        assert!(report.contains(&format!("signed by {role} with {key}")), "{report}");
    }
    invariants(&scene.bench);
    scene.verify(&["--require-approvals", "1", "--four-eyes"]).exits(0);
    scene.verify(&["--four-eyes"]).exits(0);
    scene.verify(&["--require-approvals", "2", "--four-eyes"]).exits(7);
    drop(rosa);
}

// SEMANTICS: P100
fn a_session_that_goes_on_signs_too() {
    let scene = Scene::new();
    let plan = scene.plan("friday", &[]);
    scene.approve(&plan, "anna", "anna");
    let (rosa, anna, ben) = (scene.key("rosa"), scene.key("anna"), scene.key("ben"));
    scene.run(&plan, &["--four-eyes", "--sign-key", &rosa, "--max-deletes", "1", "--concurrency", "1"]).exits(5);
    let resume = |more: &[&str]| scene.bench.keybatch(&[&["resume", "--output", "json"], more].concat());
    for (more, said) in [(&[][..], "nothing signs"), (&["--sign-key", &anna], "anna approved the plan")] {
        let error = resume(more).exits(4).json();
        assert_eq!((&error["code"], &error["sent"]), (&json!("plan.four_eyes"), &json!("nothing")), "{error}");
        assert!(error["message"].as_str().unwrap().contains(said), "{error}");
        assert_eq!(scene.bench.world.arrived("DeleteKeyPair").len(), 1);
    }
    resume(&["--sign-key", &ben]).exits(0);
    assert_eq!(scene.bench.world.arrived("DeleteKeyPair").len(), 2);
    invariants(&scene.bench);
    scene.verify(&["--require-approvals", "1", "--four-eyes"]).exits(0);
    // By a list that gives Anna the key of whoever went on, she does not count.
    let keys = Keys { bench: &scene.bench };
    let people = ["max", "rosa", "anna"].map(|name| (name, scene.bench.home().join(name)));
    let mut lines: Vec<_> = people.iter().map(|(name, key)| (*name, "", key.as_path())).collect();
    let bens = scene.bench.home().join("ben");
    lines.push(("anna", "", &bens));
    let other = keys.signers("other", &lines);
    let args = ["verify", "--allowed-signers", &other, "--require-approvals", "1", "--four-eyes", "--output", "json"];
    let report = scene.bench.keybatch(&args).exits(7).json();
    assert!(report["detail"].as_str().unwrap().contains("0 of the 1 approvals"), "{report}");
}

/// A policy raises what the flag demands, names the list of signers, and lets a rule of it be lifted only where it says so.
// SEMANTICS: P101
fn a_policy_demands_approvals_of_a_plan() {
    let scene = Scene::new();
    let file = |name: &str, text: String| scene.bench.file(name, text).display().to_string();
    let text =
        format!("approvals = 2\nfour_eyes = true\nsigners = \"{}\"\noverridable = [\"four_eyes\"]\n", scene.signers);
    let policy = file("policy.toml", text);
    let manifest = scene.bench.manifest(&["key-01"]).display().to_string();
    let to = scene.bench.home().join("unsigned.plan").display().to_string();
    let unsigned = scene.bench.keybatch(&["plan", &manifest, "-o", &to, "--policy", &policy]).exits(0);
    assert!(unsigned.stderr.contains("four eyes") && unsigned.stderr.contains("--sign-key"), "{unsigned}");
    let plan = scene.plan("friday", &["--policy", &policy]);
    let (rosa, journal) = (scene.key("rosa"), scene.bench.journal().display().to_string());
    // The policy's own list is taken where none is named.
    let run = |plan: &str, more: &[&str]| {
        let base = ["run", plan, "--yes", "--rate", "unlimited", "--output", "json", "--policy", &policy];
        scene.bench.keybatch(&[&base[..], more].concat())
    };
    let signing = ["--sign-key", &rosa];
    scene.approve(&plan, "anna", "anna");
    scene.refused(run(&plan, &signing), "plan.not_approved", "1 of the 2 approvals");
    scene.refused(
        run(&plan, &[&signing[..], &["--require-approvals", "1"]].concat()),
        "plan.not_approved",
        "1 of the 2",
    );
    scene.approve(&plan, "ben", "ben");
    scene.refused(run(&plan, &[]), "plan.four_eyes", "nothing signs");
    scene.refused(
        run(&plan, &[&signing[..], &["--require-approvals", "3"]].concat()),
        "plan.not_approved",
        "2 of the 3",
    );
    let other = file("other-signers", std::fs::read_to_string(&scene.signers).unwrap());
    scene.refused(run(&plan, &[&signing[..], &["--allowed-signers", &other]].concat()), "policy.approvals", "requires");
    run(&plan, &signing).exits(0);
    invariants(&scene.bench);
    let demand = |more: &[&str]| scene.verify(&[&["--policy", &policy], more].concat());
    let report = demand(&[]).exits(0).json();
    assert_eq!(report["demands"][0]["violation_count"], 0, "{report}");
    // The list decides, and it is the reviewer's own.
    let without = scene.bench.keybatch(&["verify", "--policy", &policy]).exits(2);
    assert!(without.stderr.contains("--allowed-signers"), "{without}");
    let annas = Keys { bench: &scene.bench }.signers("annas", &[("anna", "", &scene.bench.home().join("anna"))]);
    let args = ["verify", "--policy", &policy, "--allowed-signers", &annas, "--output", "json"];
    let report = scene.bench.keybatch(&args).exits(7).json();
    assert_eq!(report["demands"][0]["violations"][0]["rule"], "four_eyes", "{report}");
    // Lifted when the plan was made, it is lifted when the plan is executed; the other rule is not.
    let lifted = ["--policy", &policy, "--override", "four_eyes", "--because", "Max is alone today"];
    let second = scene.plan("second", &lifted);
    scene.approve(&second, "anna", "anna");
    let error = run(&second, &[]).exits(4).json();
    assert_eq!(error["code"], "plan.not_approved", "{error}");
    scene.approve(&second, "max", "max");
    run(&second, &[]).exits(0);
    let report = demand(&[]).exits(0).json();
    let overridden = &report["demands"][1]["overridden"][0];
    let expected =
        json!({ "rule": "four_eyes", "why": "Max is alone today", "permitted": true, "by": overridden["by"] });
    assert_eq!(overridden, &expected, "{report}");
    let table = scene.bench.keybatch(&["verify", "--policy", &policy, "--allowed-signers", &scene.signers]).exits(0);
    assert!(table.stdout.contains("overridden: four_eyes") && table.stdout.contains("has what is demanded"), "{table}");
    // What only the flag demands is not lifted by anybody.
    demand(&["--four-eyes"]).exits(7);
    assert!(Path::new(&journal).exists());
}

crate::harness::tests![
    under_four_eyes_neither_maker_nor_runner_counts,
    a_session_that_goes_on_signs_too,
    a_policy_demands_approvals_of_a_plan
];
