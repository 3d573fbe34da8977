//! Says what is built, so that a journal and `--version` can say what wrote them: the commit, the target and the compiler.
//! Where there is no git, or no repository of this source, the commit is unknown. `KEYBATCH_COMMIT` names it where only an
//! archive of the source is at hand; empty, it counts as unset.

#![expect(clippy::disallowed_methods, reason = "cargo reads standard output, and passes its values in variables")]

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-env-changed=KEYBATCH_COMMIT");
    println!("cargo:rerun-if-changed=build.rs");
    let named = std::env::var("KEYBATCH_COMMIT").ok().filter(|commit| !commit.is_empty());
    println!("cargo:rustc-env=KEYBATCH_COMMIT={}", named.or_else(commit).unwrap_or_default());
    println!("cargo:rustc-env=KEYBATCH_TARGET={}", std::env::var("TARGET").unwrap_or_default());
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let version = output(&rustc, &["--version"]).unwrap_or_default();
    println!("cargo:rustc-env=KEYBATCH_RUSTC={}", version.split(' ').take(2).collect::<Vec<_>>().join(" "));
}

/// The commit that is checked out, of a repository of this source itself: an archive may lie inside another one.
fn commit() -> Option<String> {
    let root = std::fs::canonicalize(std::env::var("CARGO_MANIFEST_DIR").ok()?).ok()?;
    if Path::new(&git(&["rev-parse", "--show-toplevel"])?) != root {
        return None;
    }
    // The log of HEAD grows with each commit and each change of the branch. Where it is not kept, one of the others changes.
    // A file that is missing must not be named: cargo would build anew every time.
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]).unwrap_or_default();
    for name in ["logs/HEAD", "HEAD", &branch, "packed-refs"] {
        let path = git(&["rev-parse", "--git-path", name]).filter(|path| Path::new(path).is_file());
        let Some(path) = path else { continue };
        println!("cargo:rerun-if-changed={path}");
        if name == "logs/HEAD" {
            break;
        }
    }
    git(&["rev-parse", "--short=12", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    output("git", arguments)
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
