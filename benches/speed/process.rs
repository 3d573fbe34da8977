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

/// The same on one processor alone, where there is `taskset`.
pub(crate) fn pinned(core: &str, program: impl AsRef<std::ffi::OsStr>, home: &Path) -> Command {
    let mut pinned = command("taskset", home);
    pinned.args(["-c", core]).arg(program);
    pinned
}

/// Runs `command` to its end. Its output goes to files beside `log`, which are shown where it fails.
pub(crate) fn measure(command: &mut Command, log: &Path) -> Cost {
    measure_ending(command, log, 0)
}

/// The same for a command that ends with `code`.
pub(crate) fn measure_ending(command: &mut Command, log: &Path, code: i32) -> Cost {
    trace(command, log, code).0
}

/// The CPU time that a process had used at a time (seconds since 1970), every few milliseconds.
pub(crate) type Trace = Vec<(f64, Duration)>;

/// The same, and when it used its CPU time.
pub(crate) fn trace(command: &mut Command, log: &Path, code: i32) -> (Cost, Trace) {
    let (out, err) = (log.with_extension("out"), log.with_extension("err"));
    let file = |path: &PathBuf| std::fs::File::create(path).expect("a log file");
    command.stdout(file(&out)).stderr(file(&err));
    let (before, began) = (children_cpu(), Instant::now());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (mut peak, mut trace) = (0, Trace::new());
    let status = loop {
        peak = peak.max(resident_peak(child.id()));
        trace.push((seconds_since_epoch(), cpu_of(&format!("/proc/{}/stat", child.id()), OWN)));
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
    (cost, trace)
}

/// CPU seconds between two times.
pub(crate) fn cpu_between(trace: &Trace, from: f64, to: f64) -> f64 {
    let at = |time: f64| {
        trace.iter().take_while(|(sampled, _)| *sampled <= time).last().map_or(Duration::ZERO, |(_, cpu)| *cpu)
    };
    at(to).saturating_sub(at(from)).as_secs_f64()
}

pub(crate) fn seconds_since_epoch() -> f64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// A server that ends with its value.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
}

impl Server {
    /// Serves the world that `world` describes, by what begins with `command`.
    pub(crate) fn start(mut command: Command, world: &serde_json::Value, home: &Path) -> Self {
        use std::io::BufRead as _;
        let path = home.join("world.json");
        std::fs::write(&path, world.to_string()).expect("a world file");
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
    cpu_of("/proc/self/stat", CHILDREN)
}

/// The places of user and system time behind a process's name, in hundredths of a second: its own, and that of the children
/// that it waited for.
const OWN: usize = 11;
const CHILDREN: usize = 13;

fn cpu_of(stat: &str, place: usize) -> Duration {
    let stat = std::fs::read_to_string(stat).unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(place).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(10 * ticks)
}

fn resident_peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse::<u64>().ok()).unwrap_or(0) * 1024
}
