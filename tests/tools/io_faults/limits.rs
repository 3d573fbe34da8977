//! Limits of the process: the size of a file, and the number of open ones.

use super::fails_in_order;
use crate::{
    campaign::size,
    sample::one_in,
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
    let sizes = one_in(2, (0..FILE_SIZES).map(|index| SMALLEST_FILE + index * FILE_STEP));
    let tally = strace::in_parallel(&sizes, |bytes| {
        let scene = Scene::of_five();
        let done = limited(&scene, &format!("--fsize={bytes}")).wait();
        fails_in_order(&scene, &done)
    });
    tally.report("limits of a file's size");
    assert!(tally.of("stopped in order") >= size(2, 5) && tally.of("unharmed") >= 1, "{tally:?}");
}

/// Whatever cannot be opened: from less than the program needs to begin, to as much as it needs.
fn few_files_may_be_open() {
    shell::needs("prlimit");
    let numbers = one_in(2, 4_u32..=40);
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
