//! The policy of a machine, in a mount namespace of the test: there is no other way to have the program read another one.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::harness::ignore;
use crate::shell;
use crate::support::{Bench, binary};

/// A machine whose `/etc/keybatch/policy.toml` says this.
struct Machine {
    etc: PathBuf,
}

impl Machine {
    /// Ends the test as ignored where nothing may be mounted.
    fn new(bench: &Bench, policy: &[u8]) -> Self {
        ["unshare", "mount", "cp"].into_iter().for_each(shell::needs);
        let etc = bench.home().join("etc");
        let copied = Command::new("cp").args(["-a", "/etc"]).arg(&etc).output().unwrap();
        let may = Command::new("unshare").args(["--mount", "true"]).output().unwrap();
        if !copied.status.success() || !may.status.success() {
            ignore("no mount namespace may be made here, or /etc cannot be copied");
        }
        std::fs::create_dir_all(etc.join("keybatch")).unwrap();
        let machine = Self { etc };
        machine.write(policy);
        machine
    }

    fn policy(&self) -> PathBuf {
        self.etc.join("keybatch/policy.toml")
    }

    fn write(&self, policy: &[u8]) {
        std::fs::write(self.policy(), policy).unwrap();
    }

    /// Runs the program there.
    fn keybatch(&self, bench: &Bench, args: &[&str]) -> (Option<i32>, Value) {
        let script = "mount --bind \"$1\" /etc && shift && exec \"$@\"";
        let etc = self.etc.display().to_string();
        let mut command = bench.command_of("unshare", &["--mount", "sh", "-c", script, "sh", &etc, binary()]);
        let Output { status, stdout, stderr } =
            command.args(args).args(["--output", "json", "--journal"]).arg(bench.journal()).output().unwrap();
        let said = serde_json::from_slice(&stdout);
        let said = said.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&stderr)));
        (status.code(), said)
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

// SEMANTICS: P92
fn the_policy_of_the_machine_always_applies() {
    let bench = Bench::new();
    let machine = Machine::new(&bench, b"maximum_deletes = 2\n");
    let names = bench.world.keys("key", 3);
    let manifest = text(&bench.manifest(&names));
    let own = text(
        &bench.file("own.toml", "maximum_deletes = 9\nminimum_age = \"1d\"\noverridable = [\"maximum_deletes\"]\n"),
    );
    let because = ["--override", "maximum_deletes", "--because", "all of them are old"];
    for more in [vec![], vec!["--policy", &own], [&["--policy", &own], &because[..]].concat()] {
        let (code, error) = machine.keybatch(&bench, &[&["run", &manifest, "--yes"], &more[..]].concat());
        assert_eq!((code, &error["code"]), (Some(4), &json!("policy.maximum_deletes")), "{error}");
    }
    // What the operator's own file lets be lifted, the machine's does not.
    let (code, error) = machine.keybatch(&bench, &[&["run", &manifest, "--yes"], &because[..]].concat());
    assert_eq!((code, &error["code"]), (Some(4), &json!("policy.not_overridable")), "{error}");
    let (_, said) = machine.keybatch(&bench, &["policy", "check", &own]);
    assert_eq!(said["machine"]["file"], "/etc/keybatch/policy.toml", "{said}");
    let deletes = said["rules"].as_array().unwrap().iter().find(|rule| rule["rule"] == "maximum_deletes").unwrap();
    assert!(deletes["says"].as_str().unwrap().contains("more than 2 key pairs"), "{deletes}");
    assert!(deletes["once_overridden"].as_str().unwrap().contains("more than 2 key pairs"), "{deletes}");
    assert!(bench.world.arrived("DeleteKeyPair").is_empty());
}

/// It is journalled, and binds nothing: the run goes on under another one, and where there is none.
// SEMANTICS: P89
fn the_policy_of_the_machine_binds_nothing() {
    let bench = Bench::new();
    let machine = Machine::new(&bench, b"maximum_deletes = 3\n");
    let manifest = text(&bench.manifest(&bench.world.keys("key", 3)));
    let begin = ["run", &manifest, "--yes", "--max-deletes", "1"];
    assert_eq!(machine.keybatch(&bench, &begin).0, Some(5));
    machine.write(b"# nothing\n");
    assert_eq!(machine.keybatch(&bench, &["resume", "--max-deletes", "1"]).0, Some(5));
    bench.resume().exits(0);
    let seen = "SELECT json_extract(body, '$.machine_policy_sha256') AS own FROM entry WHERE json_extract(body, '$.kind') = 'session_opened'";
    let seen = bench.query(seen);
    let digests: Vec<_> = seen.iter().map(|row| row["own"].as_str().map(str::len)).collect();
    assert_eq!(digests, [Some(64), Some(64), None]);
    assert_ne!(seen[0]["own"], seen[1]["own"]);
    bench.verify().exits(0);
}

/// One that cannot be read or understood refuses everything, since nobody knows what it forbids.
// SEMANTICS: P91
fn a_machine_whose_policy_is_faulty_does_nothing() {
    let bench = Bench::new();
    let machine = Machine::new(&bench, b"maximum_delete = 2\n");
    let manifest = text(&bench.manifest(&bench.world.keys("key", 1)));
    let own = text(&bench.file("own.toml", ""));
    let plan = text(&bench.home().join("a.plan"));
    let commands = [
        vec!["run", &manifest, "--yes"],
        vec!["plan", &manifest, "-o", &plan],
        vec!["resume"],
        vec!["policy", "check", &own],
    ];
    for command in &commands {
        let (code, error) = machine.keybatch(&bench, command);
        assert_eq!((code, &error["code"]), (Some(4), &json!("policy.unknown_key")), "{command:?}: {error}");
        assert_eq!(error["faults"][0]["file"], "/etc/keybatch/policy.toml", "{error}");
    }
    std::fs::remove_file(machine.policy()).unwrap();
    std::fs::create_dir(machine.policy()).unwrap();
    for command in &commands {
        let (code, error) = machine.keybatch(&bench, command);
        assert_eq!((code, &error["code"]), (Some(4), &json!("policy.unreadable")), "{command:?}: {error}");
    }
    assert!(bench.world.state().log.is_empty());
}

crate::harness::tests![
    the_policy_of_the_machine_always_applies,
    the_policy_of_the_machine_binds_nothing,
    a_machine_whose_policy_is_faulty_does_nothing
];
