//! What `--version` says that the program was built from and with, and the build script that determines it.

use std::path::Path;
use std::process::Command;

use super::{read, repository};
use crate::harness::ignore;

fn said(flag: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_keybatch")).arg(flag).env_clear().output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{flag}");
    String::from_utf8(output.stdout).unwrap()
}

/// The value of a line of the long form.
fn line(name: &str) -> String {
    let long = said("--version");
    let line = long.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no line {name} in\n{long}")).trim().to_owned()
}

fn the_short_version_is_one_line_and_the_long_one_begins_alike() {
    let (short, long) = (said("-V"), said("--version"));
    assert_eq!(short.lines().count(), 1, "{short}");
    let (commit, sqlite) = (line("commit"), line("SQLite"));
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(short, format!("keybatch {version} (commit {commit}, SQLite {sqlite})\n"));
    let names: Vec<&str> = long.lines().map(|line| line.split("  ").next().unwrap()).collect();
    assert_eq!(names, [&*format!("keybatch {version}"), "commit", "SQLite", "AWS SDK", "TLS", "features", "build"]);
    assert_eq!(line("TLS"), "rustls with AWS-LC");
}

fn the_commit_is_one_of_this_repository() {
    let commit = line("commit");
    if commit == "unknown" {
        assert!(!repository(".git").exists(), "a repository whose commit was not found");
        return;
    }
    let of = format!("{commit}^{{commit}}");
    let found = Command::new("git").args(["cat-file", "-e", &of]).current_dir(repository(".")).status();
    assert!(found.is_ok_and(|status| status.success()), "{commit} is no commit");
}

/// The versions are those of the lock file, and the features those of `Cargo.toml`.
fn the_parts_are_those_that_are_locked() {
    let sdk = line("AWS SDK").replace(' ', "\"\nversion = \"");
    assert!(read("Cargo.lock").contains(&format!("name = \"{sdk}\"")), "{sdk}");
    let manifest = read("Cargo.toml");
    let asked = manifest.lines().find(|line| line.starts_with("aws-config = ")).unwrap();
    let (_, asked) = asked.split_once("features = [").unwrap();
    let asked = asked.split('"').skip(1).step_by(2).filter(|name| !["default-https-client", "rt-tokio"].contains(name));
    let own = if cfg!(feature = "synchronous-normal") { &["synchronous-normal"][..] } else { &[] };
    assert_eq!(line("features"), asked.chain(own.iter().copied()).collect::<Vec<_>>().join(", "));
}

/// The build script, run for sources in `root`: the commit that it names, and the files that it asks cargo to watch.
fn build_script(program: &Path, root: &Path, commit: Option<&str>) -> (String, Vec<String>) {
    let mut command = Command::new(program);
    command.current_dir(root).env_clear().env("PATH", "/usr/bin:/bin").env("CARGO_MANIFEST_DIR", root);
    command.envs(commit.map(|commit| ("KEYBATCH_COMMIT", commit)));
    let said = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let of = |key: &str| said.lines().filter_map(|line| line.strip_prefix(key)).map(str::to_owned).collect::<Vec<_>>();
    (of("cargo:rustc-env=KEYBATCH_COMMIT=").concat(), of("cargo:rerun-if-changed="))
}

/// An archive of the source has no commit, also inside another repository. A file to watch that is missing would make
/// every build a new one.
fn a_build_outside_a_repository_names_no_commit_and_is_not_always_stale() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("build-script");
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut compile = Command::new(rustc);
    compile.args(["--edition", "2024", "-A", "unknown_lints", "-o"]).arg(&program).arg(repository("build.rs"));
    assert!(compile.status().unwrap().success());
    let archive = folder.path().join("outer/archive");
    std::fs::create_dir_all(&archive).unwrap();
    assert_eq!(build_script(&program, &archive, None), (String::new(), vec!["build.rs".to_owned()]));
    assert_eq!(build_script(&program, &archive, Some("")).0, "");
    assert_eq!(build_script(&program, &archive, Some("0123abc")).0, "0123abc");

    let git = |root: &Path, arguments: &[&str]| {
        let author = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.com"];
        let mut command = Command::new("git");
        let command = command.args(author).args(arguments).current_dir(root).env("GIT_CONFIG_GLOBAL", "/dev/null");
        command.output().is_ok_and(|output| output.status.success())
    };
    let outer = archive.parent().unwrap();
    if !git(outer, &["init", "--quiet"]) {
        ignore("git is not installed: the commit of a build stays untried");
    }
    assert!(git(outer, &["commit", "--quiet", "--allow-empty", "--message", "One"]));
    assert_eq!(build_script(&program, &archive, None).0, "", "it is the outer repository's");
    let (commit, watched) = build_script(&program, outer, None);
    assert_eq!(commit.len(), 12, "{commit}");
    assert_eq!(watched, ["build.rs", ".git/logs/HEAD"]);
    std::fs::remove_dir_all(outer.join(".git/logs")).unwrap();
    let (again, watched) = build_script(&program, outer, None);
    assert_eq!(again, commit);
    assert_eq!(watched[..2], ["build.rs", ".git/HEAD"]);
    assert!(watched.len() == 3 && watched[2].starts_with(".git/refs/heads/") && outer.join(&watched[2]).is_file());
}

crate::harness::tests![
    the_short_version_is_one_line_and_the_long_one_begins_alike,
    the_commit_is_one_of_this_repository,
    the_parts_are_those_that_are_locked,
    a_build_outside_a_repository_names_no_commit_and_is_not_always_stale
];
