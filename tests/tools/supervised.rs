//! What supervises keybatch: systemd reads the unit as it is meant, and a container's process 1 drains on SIGTERM.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::ignore;
use crate::shell;
use crate::support::{Act, Bench, Live, binary, invariants, summary, wait_until};

const PROGRAM: &str = "/usr/local/bin/keybatch";

/// Has systemd check the unit, with the program that there is here.
fn analyzed(unit: &str, arguments: &[&str]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("keybatch@march.service"), unit.replace(PROGRAM, binary())).unwrap();
    let mut command = Command::new("systemd-analyze");
    command.args(arguments).arg("./keybatch@march.service").current_dir(directory.path()).output().unwrap()
}

fn unit() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/systemd/keybatch@.service")).unwrap()
}

// SEMANTICS: P140
fn systemd_has_nothing_to_say_against_the_unit() {
    shell::needs("systemd-analyze");
    let check = |unit: &str| {
        let output = analyzed(unit, &["verify", "--man=no"]);
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        // Of other units of this machine it may say more.
        let own: Vec<_> = said.lines().filter(|line| line.contains("keybatch")).map(str::to_owned).collect();
        (output.status.success(), own)
    };
    assert_eq!(check(&unit()), (true, Vec::new()));
    let wrong = unit().replace("TimeoutStopSec=", "TimeoutStopSecs=");
    assert!(!check(&wrong).1.is_empty(), "it sees what is wrong");
}

fn the_unit_permits_little() {
    shell::needs("systemd-analyze");
    // Of 100 at most: 2.0 and better.
    let least = ["security", "--offline=true", "--threshold=20"];
    let output = analyzed(&unit(), &least);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let open: String = unit().lines().filter(|line| !line.contains("yes")).map(|line| format!("{line}\n")).collect();
    assert!(!analyzed(&open, &least).status.success(), "it sees what is permitted");
}

/// What a filter of system calls stands for.
fn calls(filter: &str) -> BTreeSet<String> {
    let output = Command::new("systemd-analyze").args(["syscall-filter", filter]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().filter(|line| line.starts_with("    ")).map(str::trim);
    let of = lines.filter(|line| !line.starts_with('#'));
    of.flat_map(|line| if line.starts_with('@') { calls(line) } else { BTreeSet::from([line.to_owned()]) }).collect()
}

/// With its metrics and its socket, keybatch makes no system call that the unit does not permit.
fn a_session_needs_no_call_that_the_unit_forbids() {
    for program in ["systemd-analyze", "strace"] {
        shell::needs(program);
    }
    let mut permitted = BTreeSet::new();
    for line in unit().lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")) {
        match line.strip_prefix('~') {
            Some(denied) => {
                let denied: BTreeSet<_> = denied.split(' ').flat_map(calls).collect();
                permitted.retain(|call| !denied.contains(call));
            }
            None => permitted.extend(line.split(' ').flat_map(calls)),
        }
    }
    assert!(permitted.len() > 200 && !permitted.contains("mount"), "{permitted:?}");
    let bench = Bench::new();
    let (trace, metrics) = (bench.home().join("trace"), bench.home().join("keybatch.prom").display().to_string());
    let mut arguments = vec!["-f".to_owned(), "-qq".to_owned(), "-o".to_owned(), trace.display().to_string()];
    arguments.push(binary().to_owned());
    let flags = ["--yes", "--metrics-file", &metrics, "--metrics-listen", "127.0.0.1:0", "--attempt-timeout", "10s"];
    arguments.extend(Bench::run_args(&bench.manifest(&bench.world.keys("key", 3)), &flags));
    arguments.extend(["--journal".to_owned(), bench.journal().display().to_string()]);
    let done = Live::of(bench.command_of("strace", &arguments).spawn().unwrap()).wait();
    if done.code != Some(0) && done.stderr.contains("strace:") {
        ignore("no process may be traced here");
    }
    done.exits(0);
    let trace = std::fs::read_to_string(&trace).unwrap();
    let made = trace.lines().filter_map(|line| line.split_once(' ')?.1.trim_start().split_once('('));
    // A call that a thread's end cut short before strace read its number is traced as `???`.
    let made: BTreeSet<_> = made.map(|(call, _)| call).filter(|call| !call.contains([' ', '?'])).collect();
    assert!(made.contains("fsync") && made.len() > 30, "{made:?}");
    // SQLite gives its files to the owner of the database where it is root, which the service is not.
    let forbidden: Vec<_> = made.iter().filter(|call| !permitted.contains(**call) && **call != "fchown").collect();
    assert!(forbidden.is_empty(), "{forbidden:?}");
}

/// The kernel hands a signal to process 1 of a container only if that handles it. What is in flight is settled, as ever.
// SEMANTICS: P140
fn keybatch_as_process_1_drains_on_sigterm() {
    shell::needs("unshare");
    let apart = ["--pid", "--fork", "--mount-proc", "--kill-child"];
    let may = Command::new("unshare").args(apart).arg("true").output().unwrap();
    if !may.status.success() {
        ignore("a process may not get a space of process ids of its own here");
    }
    let bench = Bench::new();
    let names = bench.world.keys("key", 40);
    bench.world.always("DeleteKeyPair", "*", Act::ok().after(Duration::from_millis(200)));
    let mut arguments: Vec<String> = apart.iter().map(|&flag| flag.to_owned()).collect();
    arguments.push(binary().to_owned());
    let flags = ["--yes", "--concurrency", "2", "--attempt-timeout", "5s"];
    arguments.extend(Bench::run_args(&bench.manifest(&names), &flags));
    arguments.extend(["--journal".to_owned(), bench.journal().display().to_string()]);
    let live = Live::of(bench.command_of("unshare", &arguments).spawn().unwrap());
    bench.world.wait_for_deletes(4);
    let children = format!("/proc/{pid}/task/{pid}/children", pid = live.pid());
    let child = std::fs::read_to_string(&children).unwrap();
    let child: i32 = child.split_whitespace().next().unwrap().parse().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{child}/status")).unwrap();
    let ids = status.lines().find(|line| line.starts_with("NSpid:")).unwrap();
    assert_eq!(ids.split_whitespace().last(), Some("1"), "{ids}");
    kill_process(Pid::from_raw(child).unwrap(), Signal::TERM).unwrap();
    let done = live.wait().exits(5);
    let summary = summary(&bench, &done);
    assert_eq!((&summary["stopped_by"], &summary["outcomes"]["in_doubt"]), (&"signal".into(), &0.into()), "{done}");
    assert!(summary["outcomes"]["not_attempted"].as_u64().is_some_and(|left| left > 0), "{done}");
    wait_until("it is gone", || !Path::new(&format!("/proc/{child}")).exists());
    invariants(&bench);
}

crate::harness::tests![
    systemd_has_nothing_to_say_against_the_unit,
    the_unit_permits_little,
    a_session_needs_no_call_that_the_unit_forbids,
    keybatch_as_process_1_drains_on_sigterm
];
