//! A disk of its own for the journal: one that is too small, and one that became read-only.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::{ends_in_order, fails_in_order, words};
use crate::strace::{self, Scene};

/// A small file system in memory, gone with the value.
struct Disk(PathBuf);

impl Disk {
    /// Nothing, and a loud line, where this may not be done.
    fn new(at: &Path, options: &str, what: &str) -> Option<Self> {
        std::fs::create_dir_all(at).expect("a folder");
        let path = at.display().to_string();
        match mount(&["-t", "tmpfs", "-o", options, "keybatch-test", &path]) {
            Ok(()) => Some(Self(at.to_owned())),
            Err(why) => {
                strace::say(&format!("SKIPPED: {what}: {why}"));
                None
            }
        }
    }

    /// The same place seen once more, which can be made read-only by itself.
    fn bind(at: &Path, what: &str) -> Option<Self> {
        let path = at.display().to_string();
        match mount(&["--bind", &path, &path]) {
            Ok(()) => Some(Self(at.to_owned())),
            Err(why) => {
                strace::say(&format!("SKIPPED: {what}: {why}"));
                None
            }
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
/// planning, at each of the commits of the run, and at its end. A page is 8 KiB.
fn sizes_in_kib() -> Vec<usize> {
    (8..544).step_by(48).chain((544..800).step_by(8)).collect()
}

// SEMANTICS: P52
#[test]
fn a_disk_that_fills_up() {
    let tally = strace::in_parallel(&sizes_in_kib(), |size| {
        let mut scene = Scene::of_five();
        let at = scene.bench.home().join("disk");
        let Some(disk) = Disk::new(&at, &format!("size={size}k"), "a disk that fills up") else { return "skipped" };
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
    assert!(tally.of("skipped") == tally.trials() || tally.of("stopped while deleting") >= 5, "{tally:?}");
    assert!(tally.of("skipped") == tally.trials() || tally.of("stopped before") >= 5, "{tally:?}");
}

/// A run of which two key pairs were asked for, its journal on a file system of its own.
fn begun(what: &str) -> Option<(Scene, Disk)> {
    let mut scene = Scene::of_five();
    let at = scene.bench.home().join("disk");
    let disk = Disk::new(&at, "size=64m", what)?;
    scene.bench.move_journal(at.join("journal.db"));
    let mut args = scene.run_args();
    args.extend(["--max-deletes".to_owned(), "2".to_owned()]);
    scene.bench.keybatch(&words(&args)).exits(5);
    Some((scene, disk))
}

#[test]
fn a_directory_that_became_read_only() {
    let Some((scene, disk)) = begun("a read-only directory") else { return };
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

#[test]
fn a_journal_file_that_became_read_only() {
    let Some((scene, _disk)) = begun("a read-only journal") else { return };
    let before = scene.bench.world.state().log.len();
    let file = Disk::bind(&scene.bench.journal(), "a read-only journal");
    let Some(file) = file else { return };
    file.again("bind,ro");
    let done = scene.bench.keybatch(&words(&Scene::resume_args())).exits(9);
    ends_in_order(&done);
    assert!(done.stderr.contains("cannot be opened for writing"), "{done}");
    assert_eq!(scene.bench.world.state().log.len(), before, "nothing was sent\n{done}");
    scene.verify();
    drop(file);
    assert_eq!(fails_in_order(&scene, &done), "stopped in order");
}
