//! Processes, and what they cost.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The release binary.
pub(crate) const KEYBATCH: &str = env!("CARGO_BIN_EXE_keybatch");

/// What a process cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) wall: Duration,
    /// User and system time.
    pub(crate) cpu: Duration,
    /// The most memory that was resident, in bytes, as seen every few milliseconds.
    pub(crate) peak: u64,
}

/// A command with nothing inherited that could change what it does.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("HOME", home).env("XDG_DATA_HOME", home).env("TMPDIR", home).current_dir(home);
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("AWS_ACCESS_KEY_ID", "SANDBOX").env("AWS_SECRET_ACCESS_KEY", "none").env("AWS_REGION", "us-east-1");
    command.env("AWS_EC2_METADATA_DISABLED", "true").stdin(Stdio::null());
    command
}

/// Runs `command` to its end. Its output goes to files beside `log`, which are shown where it fails.
pub(crate) fn measure(command: &mut Command, log: &Path) -> Cost {
    measure_ending(command, log, 0)
}

/// The same for a command that ends with `code`.
pub(crate) fn measure_ending(command: &mut Command, log: &Path, code: i32) -> Cost {
    let (out, err) = (log.with_extension("out"), log.with_extension("err"));
    let file = |path: &PathBuf| std::fs::File::create(path).expect("a log file");
    command.stdout(file(&out)).stderr(file(&err));
    let (before, began) = (children_cpu(), Instant::now());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut peak = 0;
    let status = loop {
        peak = peak.max(resident_peak(child.id()));
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            break status;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let cost = Cost { wall: began.elapsed(), cpu: children_cpu() - before, peak };
    assert!(
        status.code() == Some(code),
        "{command:?}: {status}\n{}{}",
        std::fs::read_to_string(&out).unwrap_or_default(),
        std::fs::read_to_string(&err).unwrap_or_default()
    );
    cost
}

/// A server that ends with its value.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
}

impl Server {
    /// Serves the world that `world` describes.
    pub(crate) fn start(world: &serde_json::Value, home: &Path) -> Self {
        use std::io::BufRead as _;
        let path = home.join("world.json");
        std::fs::write(&path, world.to_string()).expect("a world file");
        let mut command = command(KEYBATCH, home);
        let mut child = command
            .args(["sandbox", "--quiet", "--listen", "127.0.0.1:0"])
            .arg(&path)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the sandbox starts");
        let mut url = String::new();
        let stdout = child.stdout.take().expect("its output");
        std::io::BufReader::new(stdout).read_line(&mut url).expect("its address");
        Self { child, url: url.trim().to_owned() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// CPU time of all children that were waited for.
fn children_cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the name in parentheses: cutime and cstime are the 14th and 15th, in hundredths of a second.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(13).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(10 * ticks)
}

fn resident_peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse::<u64>().ok()).unwrap_or(0) * 1024
}
