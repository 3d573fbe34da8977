//! Says what is built, so that a journal and `--version` can say what wrote them: the commit, the target and the compiler.
//! Where there is no git, or no repository of this source, the commit is unknown. `KEYBATCH_COMMIT` names it where only an
//! archive of the source is at hand; empty, it counts as unset. It also compiles the one function of C that the program has.

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
    one_heap();
}

/// Gives the program, not the library, `src/one_heap.c`. As an object: nothing refers to it, so that a linker would leave it
/// out of an archive. A build without it only needs more memory, so nothing here makes one fail. `cc` is what Rust links with.
fn one_heap() {
    let Some(folder) = std::env::var_os("OUT_DIR") else { return };
    println!("cargo:rerun-if-changed=src/one_heap.c");
    println!("cargo:rerun-if-env-changed=CC");
    let of = |name| std::env::var(name).unwrap_or_default();
    if of("CARGO_CFG_TARGET_ENV") != "gnu" {
        return;
    }
    let object = Path::new(&folder).join("one_heap.o");
    let compiler = std::env::var_os("CC").filter(|compiler| !compiler.is_empty()).unwrap_or_else(|| "cc".into());
    let mut compile = Command::new(compiler);
    compile.args(["-O2", "-fPIC", "-c", "src/one_heap.c", "-o"]).arg(&object);
    // Another machine's compiler has a name that only its owner knows.
    let own = of("HOST") == of("TARGET") || std::env::var_os("CC").is_some();
    if own && compile.status().is_ok_and(|status| status.success()) {
        println!("cargo:rustc-link-arg-bins={}", object.display());
    } else {
        println!("cargo:warning=src/one_heap.c was not compiled: the program will need more memory");
    }
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
