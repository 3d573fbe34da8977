//! What a session does when the machine fails: each call on the journal's files fails in turn, the disk fills up or becomes read-only,
//! the process meets its limits, standard streams are closed, or something that is not a journal is in its place. Each time, the session
//! must end clearly with the right exit code and must have sent nothing that is not recorded, and once the cause is gone, `resume` must
//! settle every row.
//!
//! `KEYBATCH_IO_FAULTS` is the number of hits of each call that are made to fail, or `all`: every hit, with every error,
//! once and for good.

pub(crate) mod calls;
pub(crate) mod disk;
pub(crate) mod limits;
pub(crate) mod strange;
pub(crate) mod streams;

use crate::strace::Scene;
use crate::support::Done;

/// What a session that could not go on must say of what was and was not done.
const SAID: [&str; 4] = ["nothing was sent", "only read requests were sent", "keybatch resume", FINISHED];

/// Where only what follows the end of the run could not be written.
const FINISHED: &str = "nothing of the run is missing: it is finished";

/// A session under a fault: either it was right all the same, or it says what is wrong and what was not done. Then,
/// with the cause gone, the run is finished and everything is looked at.
#[track_caller]
fn fails_in_order(scene: &Scene, done: &Done) -> &'static str {
    ends_in_order(done);
    let unharmed = done.code == Some(0);
    scene.verify();
    if unharmed {
        assert!(scene.next_args().is_none(), "it says that all is done\n{done}");
    }
    scene.finish();
    scene.audit();
    if unharmed { "unharmed" } else { "stopped in order" }
}

/// No panic, no signal, and an exit code and words as the contract has them.
#[track_caller]
fn ends_in_order(done: &Done) {
    assert!(!done.stderr.contains("panicked"), "a panic\n{done}");
    assert!(!done.said().contains("was changed"), "a fault is taken for tampering\n{done}");
    assert!(matches!(done.code, Some(0 | 5 | 9)), "neither done nor stopped\n{done}");
    if done.code == Some(0) {
        return;
    }
    let error = done.stderr.lines().any(|line| line.starts_with("error: ") || line.starts_with("stopped: "));
    assert!(error, "does not say what is wrong\n{done}");
    assert!(SAID.iter().any(|said| done.stderr.contains(said)), "does not say what was not done\n{done}");
    if !done.stdout.trim().is_empty() {
        let object = done.json();
        if object["schema"] == "keybatch.error/1" {
            assert_eq!(object["exit"].as_i64(), done.code.map(i64::from), "{done}");
            let finished = done.stderr.contains(FINISHED);
            assert!(finished || object["sent"] != "deletes", "a run that goes on has a summary\n{done}");
            return;
        }
        let finished = done.stderr.contains(FINISHED);
        assert_eq!(object["state"], if finished { "finished" } else { "stopped" }, "{done}");
        assert!(!finished || !done.stderr.contains("nothing was sent"), "{done}");
    }
}

/// The words of a command line.
fn words(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}
