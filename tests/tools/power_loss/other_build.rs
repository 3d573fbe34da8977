//! Builds the binary that does not wait for the disk, with what `cargo test` has built already: an example has the same
//! dependencies as a test, down to their features, so that only this crate is compiled once more.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Enough for everything, on a slow machine, should the tests be of another profile.
const LIMIT: Duration = Duration::from_secs(1800);

pub(crate) fn not_durable() -> PathBuf {
    let scratch = tempfile::tempdir().expect("a temporary directory");
    let told = scratch.path().join("told");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the directory that everything is built in");
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--locked", "--offline", "--example", "not_durable", "--features", "synchronous-normal"]);
    command.args(["--message-format", "json", "--target-dir"]).arg(target).current_dir(env!("CARGO_MANIFEST_DIR"));
    // Errors of the compiler are among the messages; what else cargo says is for whoever waits for it.
    command.stdin(Stdio::null()).stdout(File::create(&told).expect("a file")).stderr(Stdio::inherit());
    let mut child = command.spawn().expect("cargo, which built this test");
    let start = Instant::now();
    // `cargo test` holds no lock while tests run, but another cargo may hold it.
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child") {
            break status;
        }
        if start.elapsed() > LIMIT {
            let _gone = child.kill();
            panic!("cargo does not end: does another one hold {}?", target.display());
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let told = std::fs::read_to_string(&told).expect("what cargo told");
    let messages: Vec<serde_json::Value> = told.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let anew = messages.iter().filter(|message| message["fresh"] == false).count();
    super::say(&format!("power loss: another build: {anew} targets compiled anew, {:?}", start.elapsed()));
    let built = messages.iter().filter(|message| message["target"]["name"] == "not_durable");
    let path = built.filter_map(|message| message["executable"].as_str().map(PathBuf::from)).next_back();
    path.filter(|_| status.success()).unwrap_or_else(|| panic!("it was not built: {status}\n{told}"))
}
