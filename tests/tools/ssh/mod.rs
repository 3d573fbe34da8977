//! Signatures, made and verified with real keys of every kind, and always by the stock `ssh-keygen` as well.

pub(crate) mod approvals;
pub(crate) mod checkpoints;
pub(crate) mod four_eyes;
pub(crate) mod proofs;
pub(crate) mod story;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::shell;
use crate::support::Bench;

/// The kinds of keys that people have.
const KINDS: [(&str, &str); 5] =
    [("ed25519", ""), ("ecdsa", "256"), ("ecdsa", "384"), ("ecdsa", "521"), ("rsa", "3072")];

/// Keys in a bench's home, made by `ssh-keygen`.
struct Keys<'a> {
    bench: &'a Bench,
}

impl<'a> Keys<'a> {
    fn new(bench: &'a Bench) -> Self {
        shell::needs("ssh-keygen");
        shell::needs("ssh-agent");
        Self { bench }
    }

    /// The file of a private key with that name, made now.
    fn make(&self, name: &str, kind: &str, bits: &str, passphrase: &str) -> PathBuf {
        let path = self.bench.home().join(name);
        let mut args = vec!["-q", "-t", kind, "-N", passphrase, "-C", name, "-f"];
        let text = path.display().to_string();
        args.push(&text);
        if !bits.is_empty() {
            args.extend(["-b", bits]);
        }
        self.run("ssh-keygen", &args);
        path
    }

    fn ed25519(&self, name: &str) -> PathBuf {
        self.make(name, "ed25519", "", "")
    }

    #[track_caller]
    fn run(&self, program: &str, args: &[&str]) -> String {
        let output = self.bench.command_of(program, args).output().unwrap();
        assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The two words of a public key.
    fn public(&self, key: &Path) -> String {
        let text = std::fs::read_to_string(format!("{}.pub", key.display())).unwrap();
        text.split(' ').take(2).collect::<Vec<_>>().join(" ")
    }

    fn fingerprint(&self, key: &Path) -> String {
        let text = self.run("ssh-keygen", &["-l", "-f", &key.display().to_string()]);
        text.split(' ').nth(1).unwrap().to_owned()
    }

    /// A list of signers: principal, options, key.
    fn signers(&self, name: &str, lines: &[(&str, &str, &Path)]) -> String {
        let line = |(who, options, key): &(&str, &str, &Path)| format!("{who} {options} {}\n", self.public(key));
        let text: String = lines.iter().map(line).collect();
        self.bench.file(name, text).display().to_string()
    }

    /// An agent that has this key alone; the file of the key is removed.
    fn agent(&self, key: &Path) -> Agent {
        let socket = self.bench.home().join(format!("agent-{}", key.file_name().unwrap().to_string_lossy()));
        let text = socket.display().to_string();
        let child = self.bench.command_of("ssh-agent", &["-D", "-a", &text]).spawn().unwrap();
        let agent = Agent { child, socket: text };
        crate::support::wait_until("the agent listens", || socket.exists());
        let mut add = self.bench.command_of("ssh-add", &["-q", &key.display().to_string()]);
        assert!(add.env("SSH_AUTH_SOCK", &agent.socket).status().unwrap().success());
        std::fs::remove_file(key).unwrap();
        agent
    }
}

struct Agent {
    child: std::process::Child,
    socket: String,
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// What the stock program says of a signature: whether it is accepted.
fn stock_accepts(bench: &Bench, signers: &str, principal: &str, namespace: &str, signature: &Path, text: &str) -> bool {
    let args = ["-Y", "verify", "-f", signers, "-I", principal, "-n", namespace, "-s"];
    let mut args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    args.push(signature.display().to_string());
    let child = bench.command_of("ssh-keygen", &args).stdin(Stdio::piped()).spawn().unwrap();
    shell::given(child, text.as_bytes()).status.success()
}

/// A directory with an `ssh-keygen` of ours, to be put before the others in PATH.
fn instead_of_ssh_keygen(bench: &Bench, script: &str) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = bench.home().join("instead");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("ssh-keygen");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    folder.display().to_string()
}

/// `ssh-keygen` is not there, and nothing else is missing that keybatch needs.
fn without_ssh_keygen(bench: &mut Bench) {
    let empty = bench.home().join("empty");
    std::fs::create_dir_all(&empty).unwrap();
    bench.set("PATH", &empty.display().to_string());
}
