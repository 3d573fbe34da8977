//! `contrib/systemd` and `contrib/container`: both wait longer than draining takes, and do what the README says.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use super::{read, repository};

/// The value of a key in a unit.
fn value(unit: &str, key: &str) -> String {
    let values: Vec<_> = unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect();
    assert_eq!(values.len(), 1, "{key}: {values:?}");
    values[0].to_owned()
}

fn unit() -> String {
    read("contrib/systemd/keybatch@.service")
}

/// How long the program itself takes to settle what is in flight, at most, in seconds.
fn drain() -> u64 {
    let help = Command::new(env!("CARGO_BIN_EXE_keybatch")).args(["run", "--help"]).env_clear().output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let (_, after) = help.split_once("--drain-timeout <TIME>").unwrap();
    let (_, default) = after.split_once("[default: ").unwrap();
    default.split_once("s]").unwrap().0.parse().unwrap()
}

// SEMANTICS: P140
fn whoever_supervises_keybatch_waits_longer_than_it_drains() {
    let drain = drain();
    assert!((10..=600).contains(&drain), "{drain}");
    let unit = unit();
    let stop: u64 = value(&unit, "TimeoutStopSec").parse().unwrap();
    assert!(stop > drain, "{stop} s are not longer than {drain} s");
    assert_eq!((value(&unit, "KillSignal"), value(&unit, "KillMode")), ("SIGTERM".into(), "mixed".into()));
    let said = read("contrib/container/README.md");
    let graces = ["--stop-timeout ", "docker stop -t ", "terminationGracePeriodSeconds: "];
    for (text, what) in graces.iter().flat_map(|what| said.split(what).skip(1).map(move |rest| (rest, what))) {
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        assert!(digits.parse::<u64>().unwrap() > drain, "{what}{digits}");
    }
    assert!(read("README.md").contains(&format!("TimeoutStopSec={stop}")), "the README says the same");
    assert!(read("contrib/systemd/README.md").contains(&format!("within {stop} s")));
}

/// Each exit code is one after which the unit starts again, or one after which a person must look.
// SEMANTICS: P140
fn a_unit_starts_again_only_where_nobody_has_to_look_first() {
    let unit = unit();
    let codes = |key: &str| value(&unit, key).split(' ').map(|code| code.parse().unwrap()).collect::<BTreeSet<u8>>();
    let (never, fine) = (codes("RestartPreventExitStatus"), codes("SuccessExitStatus"));
    assert_eq!(value(&unit, "Restart"), "on-failure");
    let table = super::table(&read("README.md"), "## Exit codes");
    let all: BTreeSet<u8> = table.iter().filter_map(|row| row[0].trim_matches('`').parse().ok()).collect();
    assert!(all.len() >= 13, "{all:?}");
    let again: Vec<_> =
        all.iter().filter(|code| **code != 0 && !never.contains(code) && !fine.contains(code)).collect();
    assert_eq!(again, [&8, &9], "the journal is locked, the environment is not ready");
    assert!(never.is_subset(&all) && fine.is_subset(&all) && never.is_disjoint(&fine));
}

/// What the image is built from: the instructions, each in one line.
fn instructions() -> Vec<String> {
    let file = read("contrib/container/Containerfile").replace("\\\n", " ");
    file.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

fn copied() -> Vec<String> {
    let instructions = instructions();
    let copies = instructions.iter().filter_map(|line| line.strip_prefix("COPY "));
    let from_here = copies.filter(|arguments| !arguments.starts_with("--"));
    from_here.flat_map(|arguments| arguments.rsplit_once(' ').unwrap().0.split(' ').map(str::to_owned)).collect()
}

fn link(from: &Path, to: &Path) {
    std::os::unix::fs::symlink(from, to).unwrap();
}

/// Cargo is satisfied with what the image copies, and so is every file that the sources include.
fn an_image_is_built_from_what_is_there_by_the_command_of_the_readme() {
    let copied = copied();
    let directory = tempfile::tempdir().unwrap();
    for name in &copied {
        assert!(repository(name).exists(), "there is no {name}");
        link(&repository(name), &directory.path().join(name));
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut metadata = Command::new(cargo);
    metadata.args(["metadata", "--no-deps", "--offline", "--locked", "--format-version", "1"]);
    let output = metadata.current_dir(directory.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let readme = read("README.md");
    let install = readme.lines().map(str::trim).find(|line| line.starts_with("cargo install --path")).unwrap();
    let run = format!("RUN {install} --root /built");
    assert!(instructions().contains(&run), "{run}");
    let included: BTreeSet<_> = included(&repository("src"));
    assert!(included.len() > 5, "{included:?}");
    for path in included {
        let of = copied.iter().any(|name| path.starts_with(repository(name).canonicalize().unwrap()));
        assert!(of, "{} is compiled in, and not copied", path.display());
    }
}

/// The files that sources include by a plain name, those of tests aside.
fn included(folder: &Path) -> BTreeSet<std::path::PathBuf> {
    let mut found = BTreeSet::new();
    for item in std::fs::read_dir(folder).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() {
            found.extend(included(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let own = text.split("#[cfg(test)]").next().unwrap();
            let names = own.split("include_str!(\"").skip(1).filter_map(|rest| rest.split('"').next());
            found.extend(names.map(|name| path.parent().unwrap().join(name).canonicalize().unwrap()));
        }
    }
    // Tables that only tests read lie in files of their own.
    found.retain(|path| !path.ends_with("docs/RECOVERY.md") && !path.ends_with("samples/allowed_signers"));
    found
}

fn an_image_has_the_pinned_toolchain_and_does_not_run_as_root() {
    let instructions = instructions();
    let gate = read(".ci/run");
    let (_, after) = gate.split_once("toolchain=${KEYBATCH_TOOLCHAIN:-").unwrap();
    let pinned = after.split_once('}').unwrap().0;
    assert!(instructions[0].starts_with(&format!("FROM rust:{pinned}-slim-")), "{}", instructions[0]);
    let last = |what: &str| instructions.iter().rev().find_map(|line| line.strip_prefix(what)).unwrap();
    let user = last("USER ").split(':').next().unwrap();
    assert!(user.parse::<u32>().is_ok_and(|user| user > 0), "{user}");
    assert!(last("FROM ").ends_with("-slim"));
    assert_eq!((last("ENTRYPOINT "), last("STOPSIGNAL ")), ("[\"/usr/local/bin/keybatch\"]", "SIGTERM"));
    let command = "podman build -f contrib/container/Containerfile";
    assert!(
        read("contrib/container/README.md").contains(command)
            && read("contrib/container/Containerfile").contains(command)
    );
}

crate::harness::tests![
    whoever_supervises_keybatch_waits_longer_than_it_drains,
    a_unit_starts_again_only_where_nobody_has_to_look_first,
    an_image_is_built_from_what_is_there_by_the_command_of_the_readme,
    an_image_has_the_pinned_toolchain_and_does_not_run_as_root
];
