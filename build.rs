//! Names the commit that is built, so that a journal and `--version` can say what wrote them. Where there is no git, or no
//! repository, nothing is named. `KEYBATCH_COMMIT` names one where only an archive of the source is at hand.

#![expect(clippy::disallowed_methods, reason = "cargo reads standard output, and passes its values in variables")]

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-env-changed=KEYBATCH_COMMIT");
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var_os("KEYBATCH_COMMIT").is_some() {
        return;
    }
    // Only a repository of this source itself: an archive may lie inside another one.
    let root = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    if git(&["rev-parse", "--show-toplevel"]).is_none_or(|top| top != root) {
        return;
    }
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else { return };
    println!("cargo:rustc-env=KEYBATCH_COMMIT={commit}");
    // This file grows with each commit, and with each change of the branch.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo:rerun-if-changed={log}");
    }
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
