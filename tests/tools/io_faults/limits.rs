//! Limits of the process: the size of a file, and the number of open ones.

use super::fails_in_order;
use crate::{
    shell,
    strace::{self, Scene},
    support::{Live, binary},
};

/// Bytes that a file may have; 2 KiB is less than one page of the journal and its header.
const SMALLEST_FILE: u64 = 2 * 1024;
const FILE_STEP: u64 = 80 * 1024;
const FILE_SIZES: u64 = 24;

/// A session of the scene's run under a limit of `prlimit`.
fn limited(scene: &Scene, limit: &str) -> Live {
    let mut args = vec![limit.to_owned(), "--".to_owned(), binary().to_owned()];
    args.extend(scene.run_args());
    args.extend(["--journal".to_owned(), scene.bench.journal().display().to_string()]);
    Live::of(scene.bench.command_of("prlimit", &args).spawn().expect("prlimit starts"))
}

/// A write that makes a file too large raises SIGXFSZ, which ends whoever does not expect it.
fn files_may_not_grow() {
    shell::needs("prlimit");
    let sizes: Vec<u64> = (0..FILE_SIZES).map(|index| SMALLEST_FILE + index * FILE_STEP).collect();
    let tally = strace::in_parallel(&sizes, |size| {
        let scene = Scene::of_five();
        let done = limited(&scene, &format!("--fsize={size}")).wait();
        fails_in_order(&scene, &done)
    });
    tally.report("limits of a file's size");
    assert!(tally.of("stopped in order") >= 5 && tally.of("unharmed") >= 1, "{tally:?}");
}

/// Whatever cannot be opened: from less than the program needs to begin, to as much as it needs.
fn few_files_may_be_open() {
    shell::needs("prlimit");
    let numbers: Vec<u32> = (4..=40).collect();
    let tally = strace::in_parallel(&numbers, |number| {
        let scene = Scene::of_five();
        let done = limited(&scene, &format!("--nofile={number}")).wait();
        // Too few for the dynamic linker or the runtime (1, 127), or for the manifest (4).
        if matches!(done.code, Some(1 | 4 | 127)) {
            assert!(!done.stderr.contains("panicked") && !done.stderr.trim().is_empty(), "{done}");
            assert!(!scene.bench.journal().exists(), "an unexpected error in the middle\n{done}");
            scene.finish();
            scene.audit();
            return "did not begin";
        }
        fails_in_order(&scene, &done)
    });
    tally.report("limits of open files");
    assert!(tally.of("stopped in order") >= 5 && tally.of("unharmed") >= 1, "{tally:?}");
}

crate::harness::tests![files_may_not_grow, few_files_may_be_open];
