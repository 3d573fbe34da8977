//! Things in the journal's place that are not a journal, or not one that may be used.

use std::{
    fs::{self, File},
    os::unix::fs::symlink,
    path::Path,
};

use super::{ends_in_order, fails_in_order, words};
use crate::{
    shell,
    strace::{self, Scene},
    support::Done,
};

/// `run` is refused with these words, exit 9, and nothing was sent; so is every command that reads, but for the words.
#[track_caller]
fn refused(scene: &Scene, said: &str) {
    let done = scene.bench.keybatch(&words(&scene.run_args())).exits(9);
    ends_in_order(&done);
    assert!(done.stderr.contains(said), "says `{said}`\n{done}");
    assert!(scene.bench.world.state().log.is_empty(), "nothing was sent\n{done}");
    for args in READERS {
        let done: Done = scene.bench.keybatch(args);
        let cannot = args[0] == "verify" && done.code == Some(7);
        assert!(cannot || done.code == Some(9), "{args:?}\n{done}");
        assert!(!done.stderr.contains("panicked"), "{args:?}\n{done}");
    }
}

const READERS: [&[&str]; 6] =
    [&["runs"], &["show", "latest"], &["log"], &["query", "SELECT 1"], &["verify"], &["export", "latest"]];

/// A run of which two key pairs were asked for, its journal closed in order.
fn begun() -> Scene {
    let scene = Scene::of_five();
    let mut args = scene.run_args();
    args.extend(["--max-deletes".to_owned(), "2".to_owned()]);
    scene.bench.keybatch(&words(&args)).exits(5);
    scene
}

/// After the thing is gone, the run goes well.
#[track_caller]
fn then_goes_on(scene: &Scene) {
    scene.finish();
    scene.audit();
}

fn a_directory() {
    let scene = Scene::of_five();
    fs::create_dir(scene.bench.journal()).unwrap();
    refused(&scene, "directory");
    fs::remove_dir(scene.bench.journal()).unwrap();
    then_goes_on(&scene);
}

/// Opening one can block for ever.
fn a_pipe() {
    let scene = Scene::of_five();
    let path = scene.bench.journal();
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    refused(&scene, "not a regular file");
    fs::remove_file(&path).unwrap();
    then_goes_on(&scene);
}

/// A link is not followed: whoever can make one in the directory could have any file overwritten.
fn a_link() {
    let scene = begun();
    let (path, elsewhere) = (scene.bench.journal(), scene.bench.home().join("elsewhere.db"));
    fs::rename(&path, &elsewhere).unwrap();
    symlink(&elsewhere, &path).unwrap();
    let before = scene.bench.world.state().log.len();
    let done = scene.bench.keybatch(&words(&Scene::resume_args())).exits(9);
    ends_in_order(&done);
    assert_eq!(scene.bench.world.state().log.len(), before, "nothing was sent\n{done}");
    fs::remove_file(&path).unwrap();
    fs::rename(&elsewhere, &path).unwrap();
    assert_eq!(fails_in_order(&scene, &done), "stopped in order");
}

/// What a crash right after the file was made leaves: it is completed.
fn an_empty_file() {
    let scene = Scene::of_five();
    File::create(scene.bench.journal()).unwrap();
    for args in READERS {
        let done = scene.bench.keybatch(args);
        assert!(matches!(done.code, Some(7 | 9)), "{args:?}\n{done}");
    }
    then_goes_on(&scene);
}

/// Files that are something else stay as they are, byte for byte.
fn another_file() {
    let png = [b"\x89PNG\r\n\x1a\n".as_slice(), &[7; 5000]].concat();
    for content in [b"deletions of last week\n".as_slice(), &[0; 4096], &[b'x'; 100_000], &png] {
        let scene = Scene::of_five();
        let path = scene.bench.journal();
        fs::write(&path, content).unwrap();
        refused(&scene, "cannot be used");
        assert_eq!(fs::read(&path).unwrap(), content, "it was changed");
        fs::remove_file(&path).unwrap();
        remove_beside(&path);
        then_goes_on(&scene);
    }
}

/// A database of another program.
fn another_database() {
    shell::needs("sqlite3");
    let scene = Scene::of_five();
    let path = scene.bench.journal();
    let (made, said) =
        shell::write(&path, "CREATE TABLE invoice (id INTEGER PRIMARY KEY); INSERT INTO invoice VALUES (1)");
    assert!(made, "{said}");
    let before = fs::read(&path).unwrap();
    refused(&scene, "not a keybatch journal");
    assert_eq!(fs::read(&path).unwrap(), before, "it was changed");
    fs::remove_file(&path).unwrap();
    then_goes_on(&scene);
}

/// A journal that lost its end, from within its header on.
fn a_truncated_file() {
    let tally = strace::in_parallel(&[1, 16, 50, 99, 100, 512, 4095, 4096, 8192, 40_000], |&length: &usize| {
        let scene = begun();
        let path = scene.bench.journal();
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..length]).unwrap();
        let before = scene.bench.world.state().log.len();
        let done = scene.bench.keybatch(&words(&Scene::resume_args()));
        assert!(matches!(done.code, Some(4 | 9)), "{done}");
        assert!(done.stderr.contains("error: ") && !done.stderr.contains("panicked"), "{done}");
        assert!(done.stderr.contains("nothing was sent"), "{done}");
        assert_eq!(scene.bench.world.state().log.len(), before, "nothing was sent\n{done}");
        assert_eq!(fs::read(&path).unwrap().len(), length, "it was changed\n{done}");
        let verified = scene.bench.verify();
        assert!(matches!(verified.code, Some(7 | 9)), "{verified}");
        remove_beside(&path);
        fs::write(&path, &whole).unwrap();
        then_goes_on(&scene);
        "refused"
    });
    tally.report("truncated journals");
}

/// What the tables are compared with needs a place: one that cannot be written is passed over, and the comparison is made
/// elsewhere, at last beside the journal.
fn no_place_where_tmpdir_says() {
    let mut scene = begun();
    scene.bench.set("TMPDIR", "/proc");
    then_goes_on(&scene);
}

/// `user_version` is a big-endian number at offset 60 of the file.
fn a_journal_of_a_newer_version() {
    let scene = begun();
    let path = scene.bench.journal();
    let whole = fs::read(&path).unwrap();
    let mut newer = whole.clone();
    newer[60..64].copy_from_slice(&99_u32.to_be_bytes());
    fs::write(&path, &newer).unwrap();
    let before = scene.bench.world.state().log.len();
    for args in [Scene::resume_args(), scene.run_args()] {
        let done = scene.bench.keybatch(&words(&args)).exits(9);
        ends_in_order(&done);
        assert!(done.stderr.contains("newer keybatch (journal version 99"), "{done}");
    }
    for args in READERS {
        let done = scene.bench.keybatch(args);
        let expected = match args[0] {
            "runs" | "show" | "log" | "query" | "export" => &[0][..],
            "verify" => &[7, 9],
            _ => &[9],
        };
        assert!(done.code.is_some_and(|code| expected.contains(&code)), "{args:?}\n{done}");
        assert!(done.said().contains("newer keybatch"), "{args:?}\n{done}");
    }
    assert_eq!(scene.bench.world.state().log.len(), before, "nothing was sent");
    assert_eq!(fs::read(&path).unwrap(), newer, "it was changed");
    fs::write(&path, &whole).unwrap();
    then_goes_on(&scene);
}

/// The kernel's answer to what file system this is, put in its place by strace: NFS, SMB2 and 9P.
fn a_network_file_system() {
    strace::needed();
    for kind in ["6969000000000000", "424d53fe00000000", "9719020100000000"] {
        // One that is there, and one that would be made.
        for (scene, args) in [(begun(), Scene::resume_args()), of_five_to_run()] {
            let there = scene.bench.journal().exists();
            let before = scene.bench.world.state().log.len();
            let done = inject(&scene, &args, "statfs", &format!("poke_exit=@arg2={kind}"), None).exits(9);
            ends_in_order(&done);
            assert!(done.stderr.contains("write-ahead log is not safe"), "{done}");
            assert_eq!(scene.bench.world.state().log.len(), before, "nothing was sent\n{done}");
            assert_eq!(scene.bench.journal().exists(), there, "{done}");
            assert_eq!(fails_in_order(&scene, &done), "stopped in order");
        }
    }
    // A kernel that does not say what it is.
    let (scene, args) = of_five_to_run();
    inject(&scene, &args, "statfs", "error=ENOSYS", None).exits(0);
    scene.audit();
}

/// The directory of a new journal and those above it are made durable. One that may not be read was not made for it;
/// one that cannot be read, or not be written to the disk, may have been. SQLite's own try does not tell.
fn a_directory_that_cannot_be_synchronised() {
    strace::needed();
    for (above, call, error, code) in
        [(1, "openat", "EACCES", 0), (1, "openat", "EIO", 9), (1, "fsync", "EIO", 9), (0, "fsync", "EIO", 9)]
    {
        let (scene, args) = of_five_to_run();
        let directory = scene.bench.home().ancestors().nth(above);
        let done = inject(&scene, &args, call, &format!("error={error}"), directory).exits(code);
        ends_in_order(&done);
        assert_eq!(done.stderr.contains("its directory cannot be synchronised"), code == 9, "{done}");
        fails_in_order(&scene, &done);
    }
}

fn of_five_to_run() -> (Scene, Vec<String>) {
    let scene = Scene::of_five();
    let args = scene.run_args();
    (scene, args)
}

/// A session in which strace does `what` at each such call, or at those on this path alone.
fn inject(scene: &Scene, args: &[String], call: &str, what: &str, path: Option<&Path>) -> Done {
    let inject = format!("inject={call}:{what}");
    let mut flags: Vec<String> =
        ["-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &inject].map(str::to_owned).into();
    flags.extend(path.into_iter().flat_map(|path| ["-P".to_owned(), path.display().to_string()]));
    strace::spawn(&scene.bench, &flags, args).wait()
}

/// Another session's lock, taken as any program would.
fn a_lock_of_another_session() {
    let scene = begun();
    let lock = File::open(format!("{}.lock", scene.bench.journal().display())).unwrap();
    lock.try_lock().unwrap();
    let before = scene.bench.world.state().log.len();
    for args in [Scene::resume_args(), scene.run_args()] {
        let done = scene.bench.keybatch(&words(&args)).exits(8);
        assert!(done.stderr.contains("error: ") && done.stderr.contains("nothing was sent"), "{done}");
    }
    assert_eq!(scene.bench.world.state().log.len(), before, "nothing was sent");
    // Reading needs no lock.
    scene.verify();
    drop(lock);
    then_goes_on(&scene);
}

/// SQLite's own files beside a database that is none.
fn remove_beside(path: &Path) {
    for suffix in ["-wal", "-shm", "-journal"] {
        let _none = fs::remove_file(format!("{}{suffix}", path.display()));
    }
}

crate::harness::tests![
    a_directory,
    a_pipe,
    a_link,
    an_empty_file,
    another_file,
    another_database,
    a_truncated_file,
    no_place_where_tmpdir_says,
    a_journal_of_a_newer_version,
    a_network_file_system,
    a_directory_that_cannot_be_synchronised,
    a_lock_of_another_session
];
