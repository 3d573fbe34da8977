//! A separate disk for the journal: one that is too small, and one that becomes read-only.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::{ends_in_order, fails_in_order, words};
use crate::campaign::size;
use crate::harness::ignore;
use crate::sample::one_in;
use crate::strace::{self, Scene};

/// A small file system in memory, gone with the value.
struct Disk(PathBuf);

impl Disk {
    fn new(at: &Path, options: &str) -> Self {
        std::fs::create_dir_all(at).expect("a folder");
        let path = at.display().to_string();
        mount(&["-t", "tmpfs", "-o", options, "keybatch-test", &path]).expect("what was mounted before, smaller");
        Self(at.to_owned())
    }

    /// Ends the test as ignored where nothing may be mounted.
    fn needed() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path().display().to_string();
        match mount(&["-t", "tmpfs", "-o", "size=64k", "keybatch-test", &at]) {
            Ok(()) => drop(Self(folder.path().to_owned())),
            Err(why) => ignore(format!("nothing may be mounted: {why}")),
        }
    }

    /// The same place seen once more, which can be made read-only by itself. Ends the test as ignored where this may not be
    /// done.
    fn bind(at: &Path) -> Self {
        let path = at.display().to_string();
        match mount(&["--bind", &path, &path]) {
            Ok(()) => Self(at.to_owned()),
            Err(why) => ignore(format!("nothing may be bound to itself: {why}")),
        }
    }

    fn again(&self, options: &str) {
        let path = self.0.display().to_string();
        mount(&["-o", &format!("remount,{options}"), &path]).expect("what was mounted can be mounted again");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _gone = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn mount(args: &[&str]) -> Result<(), String> {
    match Command::new("mount").args(args).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(format!("mount: {error}")),
    }
}

/// Disks of these sizes, so that they fill up at different moments: before there is a journal, while it is made, while
/// planning, at each of the commits of the run, and at its end. A page is 16 KiB.
fn sizes_in_kib() -> Vec<usize> {
    one_in(2, (16..880).step_by(96).chain((880..1_240).step_by(8)))
}

// SEMANTICS: P52
fn a_disk_that_fills_up() {
    Disk::needed();
    let tally = strace::in_parallel(&sizes_in_kib(), |size| {
        let mut scene = Scene::of_five();
        let at = scene.bench.home().join("disk");
        let disk = Disk::new(&at, &format!("size={size}k"));
        scene.bench.move_journal(at.join("journal.db"));
        let done = scene.bench.keybatch(&words(&scene.run_args()));
        let asked = !scene.bench.world.arrived("DeleteKeyPair").is_empty();
        ends_in_order(&done);
        // What can be read of a full disk is read; nothing that was recorded is lost.
        scene.verify();
        disk.again("size=64m");
        match (fails_in_order(&scene, &done), asked) {
            ("unharmed", _) => "large enough",
            (_, true) => "stopped while deleting",
            (_, false) => "stopped before",
        }
    });
    tally.report("small disks");
    let enough = size(2, 5);
    assert!(tally.of("stopped while deleting") >= enough && tally.of("stopped before") >= enough, "{tally:?}");
}

/// A run of which two key pairs were asked for, its journal on a file system of its own.
fn begun() -> (Scene, Disk) {
    Disk::needed();
    let mut scene = Scene::of_five();
    let at = scene.bench.home().join("disk");
    let disk = Disk::new(&at, "size=64m");
    scene.bench.move_journal(at.join("journal.db"));
    let mut args = scene.run_args();
    args.extend(["--max-deletes".to_owned(), "2".to_owned()]);
    scene.bench.keybatch(&words(&args)).exits(5);
    (scene, disk)
}

fn a_directory_that_became_read_only() {
    let (scene, disk) = begun();
    disk.again("ro");
    let before = scene.bench.world.state().log.len();
    let done = scene.bench.keybatch(&words(&Scene::resume_args())).exits(9);
    ends_in_order(&done);
    assert_eq!(scene.bench.world.state().log.len(), before, "nothing was sent\n{done}");
    // Reviewers need no more than to read.
    scene.verify();
    assert_eq!(scene.bench.query("SELECT state FROM runs")[0]["state"], "stopped");
    disk.again("rw");
    assert_eq!(fails_in_order(&scene, &done), "stopped in order");
}

fn a_journal_file_that_became_read_only() {
    let (scene, _disk) = begun();
    let before = scene.bench.world.state().log.len();
    let file = Disk::bind(&scene.bench.journal());
    file.again("bind,ro");
    let done = scene.bench.keybatch(&words(&Scene::resume_args())).exits(9);
    ends_in_order(&done);
    assert!(done.stderr.contains("cannot be opened for writing"), "{done}");
    assert_eq!(scene.bench.world.state().log.len(), before, "nothing was sent\n{done}");
    scene.verify();
    drop(file);
    assert_eq!(fails_in_order(&scene, &done), "stopped in order");
}

crate::harness::tests![a_disk_that_fills_up, a_directory_that_became_read_only, a_journal_file_that_became_read_only];
