//! The recipes of `docs/CHECKPOINTS.md`, run as they stand there: a git repository, an authority for time stamps of the test's own,
//! and a directory that is only added to.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::shell;
use crate::support::{Bench, invariants};

/// The commands of the recipe with this name.
fn recipe(name: &str) -> String {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/CHECKPOINTS.md")).unwrap();
    let (_, rest) =
        page.split_once(&format!("<!-- recipe: {name} -->\n```sh\n")).expect("the recipe is in the document");
    rest.split_once("```").unwrap().0.to_owned()
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/anchors")
}

/// A bench in which a shell finds keybatch, with three key pairs to delete.
fn bench() -> Bench {
    let mut bench = Bench::new();
    let names = bench.world.keys("key", 3);
    bench.manifest(&names);
    let programs = bench.home().join("bin");
    std::fs::create_dir(&programs).unwrap();
    symlink(crate::support::binary(), programs.join("keybatch")).unwrap();
    bench.set("PATH", &format!("{}:/usr/local/bin:/usr/bin:/bin", programs.display()));
    let journal = bench.journal().display().to_string();
    bench.set("KEYBATCH_JOURNAL", &journal);
    bench
}

/// Runs the recipe with its places put into the bench's home; what it printed.
#[track_caller]
fn follow(bench: &Bench, name: &str, more: &[(&str, &str)]) -> String {
    let home = bench.home().display().to_string();
    let mut script = recipe(name);
    for (from, to) in more {
        script = script.replace(from, to);
    }
    script = script.replace("/srv/", &format!("{home}/"));
    script = script.replace("contrib/anchors", &scripts().display().to_string());
    script = script.replace("deletions.csv", &format!("{home}/deletions.csv"));
    run(bench, "sh", &["-eu", "-c", &script])
}

#[track_caller]
fn run(bench: &Bench, program: &str, args: &[&str]) -> String {
    let output = bench.command_of(program, args).output().unwrap();
    let [out, said] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
    assert!(output.status.success(), "{program} {args:?}: {}\n{out}\n{said}", output.status);
    out
}

fn anchored(bench: &Bench) -> Vec<Value> {
    let rows = bench.query("SELECT body FROM entries WHERE kind = 'checkpoint_anchored' ORDER BY seq");
    let entries: Vec<Value> =
        rows.iter().map(|row| serde_json::from_str(row["body"].as_str().unwrap()).unwrap()).collect();
    assert!(entries.len() >= 2 && entries.iter().all(|entry| entry["failure"].is_null()), "{entries:?}");
    entries
}

/// Feeds a script of ours; whether it ended well.
fn feed(bench: &Bench, script: &str, args: &[&str], text: &[u8]) -> bool {
    let script = scripts().join(script).display().to_string();
    let child = bench.command_of(&script, args).stdin(Stdio::piped()).spawn().unwrap();
    shell::given(child, text).status.success()
}

#[track_caller]
fn is_verified(told: &str) {
    assert!(told.contains("VERIFIED: ") && told.contains("3 of 3 deletions covered; end covered"), "{told}");
}

fn a_git_repository_keeps_each_checkpoint_as_a_commit() {
    shell::needs("git");
    let bench = bench();
    is_verified(&follow(&bench, "git", &[]));
    assert!(bench.world.state().keys.is_empty());
    invariants(&bench);
    let audit = bench.home().join("audit").display().to_string();
    let commits = run(&bench, "git", &["-C", &audit, "log", "--format=%H", "--reverse"]);
    let receipts: String = anchored(&bench).iter().map(|entry| entry["receipt"].as_str().unwrap().to_owned()).collect();
    assert_eq!(receipts, commits, "each receipt is the commit");
    // A remote that somebody rewrote is a failure, and not overwritten.
    let remote = bench.home().join("remote.git").display().to_string();
    run(&bench, "git", &["init", "-q", "--bare", &remote]);
    let text = b"keybatch/a\n3\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n";
    assert!(feed(&bench, "git-anchor", &[&audit, &remote], text));
    let head = run(&bench, "git", &["-C", &remote, "log", "-1", "--format=%H", "--all"]);
    let rewrite = format!(
        "cd '{audit}' && git -c user.name=x -c user.email=x@localhost commit -q --amend -m other && git log -1 --format=%H"
    );
    run(&bench, "sh", &["-eu", "-c", &rewrite]);
    assert!(!feed(&bench, "git-anchor", &[&audit, &remote], text), "it was pushed by force");
    assert_eq!(run(&bench, "git", &["-C", &remote, "log", "-1", "--format=%H", "--all"]), head);
    assert!(!feed(&bench, "git-anchor", &["/no/such/directory"], text));
}

/// An authority that stamps what it gets, on a port of 127.0.0.1, for as many requests as come.
fn authority(bench: &Bench) -> String {
    let home = bench.home().join("tsa");
    std::fs::create_dir(&home).unwrap();
    let set_up = format!(
        "cd '{}'
         new='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
         openssl req -x509 $new -keyout ca.key -out authority.pem -subj /CN=authority -days 2
         openssl req $new -keyout tsa.key -out tsa.csr -subj /CN=tsa
         echo 'extendedKeyUsage = critical,timeStamping' > ext.cnf
         openssl x509 -req -in tsa.csr -CA authority.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext.cnf -out tsa.pem
         echo 01 > serial
         printf '%s\\n' '[t]' 'serial = serial' 'signer_cert = tsa.pem' 'signer_key = tsa.key' 'signer_digest = sha256' \
             'default_policy = 1.2.3.4.1' 'digests = sha256' 'accuracy = secs:1' > tsa.cnf",
        home.display()
    );
    run(bench, "sh", &["-eu", "-c", &set_up]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten().take(100) {
            // A client that goes away is its own affair.
            let _ = stamp(stream, &home);
        }
    });
    address
}

/// One request: the body is a query, and the answer a stamp.
fn stamp(mut stream: TcpStream, home: &Path) -> std::io::Result<()> {
    stream.set_read_timeout(Some(std::time::Duration::from_secs(10)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut length, mut line) = (0, String::new());
    while reader.read_line(&mut line)? > 2 {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        line.clear();
    }
    let mut query = vec![0; length.min(65_536)];
    reader.read_exact(&mut query)?;
    std::fs::write(home.join("q.tsq"), query)?;
    let args = ["ts", "-reply", "-config", "tsa.cnf", "-section", "t", "-queryfile", "q.tsq", "-out", "r.tsr"];
    let made = std::process::Command::new("openssl").args(args).current_dir(home).output()?;
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let reply = std::fs::read(home.join("r.tsr"))?;
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/timestamp-reply\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        reply.len()
    );
    stream.write_all(&[head.as_bytes(), &reply].concat())
}

fn an_authority_stamps_each_checkpoint_with_the_time() {
    ["openssl", "curl"].into_iter().for_each(shell::needs);
    let bench = bench();
    let address = authority(&bench);
    let certificate = bench.home().join("tsa/authority.pem").display().to_string();
    let told = follow(&bench, "rfc3161", &[("https://tsa.example/", &address), ("authority.pem", &certificate)]);
    is_verified(&told);
    invariants(&bench);
    let entries = anchored(&bench);
    assert_eq!(told.matches("Verification: OK").count(), entries.len(), "{told}");
    for entry in &entries {
        let name = format!("stamps/{:020}.tsr", entry["size"].as_u64().unwrap());
        let kept = std::fs::read(bench.home().join(name)).unwrap();
        assert_eq!(
            STANDARD.decode(entry["receipt_base64"].as_str().unwrap()).unwrap(),
            kept,
            "the receipt is the stamp"
        );
    }
    // A stamp of one checkpoint is none of another.
    let sizes: Vec<_> = entries.iter().map(|entry| entry["size"].as_u64().unwrap()).collect();
    let of = |size: u64, kind: &str| bench.home().join(format!("stamps/{size:020}.{kind}")).display().to_string();
    let (data, stamp) = (of(sizes[0], "txt"), of(sizes[1], "tsr"));
    let args = ["ts", "-verify", "-data", &data, "-in", &stamp, "-CAfile", &certificate];
    assert!(!bench.command_of("openssl", &args).output().unwrap().status.success());
    // Where nobody answers, there is no receipt.
    let stamps = bench.home().join("stamps").display().to_string();
    let text = b"keybatch/a\n3\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n";
    assert!(!feed(&bench, "rfc3161-anchor", &[&stamps, "http://127.0.0.1:9/"], text));
    let left = std::fs::read_dir(&stamps).unwrap().count();
    assert_eq!(left, 2 * entries.len(), "nothing half done is left");
}

fn a_directory_is_only_added_to() {
    let bench = bench();
    is_verified(&follow(&bench, "append-only", &[]));
    invariants(&bench);
    let seen = bench.home().join("seen");
    let files: Vec<_> = std::fs::read_dir(&seen).unwrap().map(|item| item.unwrap().path()).collect();
    let entries = anchored(&bench);
    assert_eq!(files.len(), entries.len());
    for file in &files {
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o444);
        let (before, name) = (std::fs::read(file).unwrap(), file.file_name().unwrap().to_str().unwrap());
        assert!(entries.iter().any(|entry| entry["receipt"].as_str().unwrap().contains(name)), "{name}");
        // A checkpoint of the same size, even another one, replaces nothing.
        let seen = seen.display().to_string();
        let other = String::from_utf8(before.clone()).unwrap().replace('=', "A");
        assert!(!feed(&bench, "append-only-anchor", &[&seen], other.as_bytes()));
        assert_eq!(std::fs::read(file).unwrap(), before);
        for wrong in ["", "keybatch/../../x\n3\nroot\n\n", "keybatch/a\n3;x\nroot\n\n"] {
            assert!(!feed(&bench, "append-only-anchor", &[&seen], wrong.as_bytes()), "{wrong:?}");
        }
    }
    assert_eq!(std::fs::read_dir(&seen).unwrap().count(), files.len());
    // Where the file system and our rights permit it, nothing can be removed either.
    let place = seen.display().to_string();
    let mark =
        |flag: &str| bench.command_of("chattr", &[flag, &place]).output().is_ok_and(|done| done.status.success());
    if mark("+a") {
        let removed = std::fs::remove_file(&files[0]);
        let text = b"keybatch/a\n3\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n";
        let added = feed(&bench, "append-only-anchor", &[&place], text);
        assert!(mark("-a"));
        assert!(removed.is_err() && added, "{removed:?}");
    }
}

crate::harness::tests![
    a_git_repository_keeps_each_checkpoint_as_a_commit,
    an_authority_stamps_each_checkpoint_with_the_time,
    a_directory_is_only_added_to
];
