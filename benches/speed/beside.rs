//! This build beside another one, in turns, in the same sandbox, and both beside the bare loop.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::Line;
use crate::million::import;
use crate::process::{Cost, KEYBATCH, Server, Trace, command, cpu_between, measure, pinned, trace};
use crate::setting::{Setting, median};

/// The variable that names the other build.
const OTHER: &str = "KEYBATCH_OTHER";

const ROWS: usize = 10_000;
const MANY: usize = 1_000_000;
const ROUNDS: usize = 5;
const IN_FLIGHT: &str = "64";
/// The sandbox has one processor, and what is measured has the other.
const SERVER: &str = "0";
const CLIENT: &str = "1";
/// Names of 20 characters.
const PREFIX_OF_10_000: &str = "key-pair-name-";
const PREFIX_OF_A_MILLION: &str = "key-pair-of-";

/// Seconds from the first request to the last answer, and the CPU seconds in them.
#[derive(Debug, Default)]
struct Deleting {
    seconds: Vec<f64>,
    cpu: Vec<f64>,
}

impl Deleting {
    fn add(&mut self, (from, to): (f64, f64), trace: &Trace) {
        self.seconds.push(to - from);
        self.cpu.push(cpu_between(trace, from, to));
    }
}

/// One build, and what it leaves behind.
struct Build {
    program: PathBuf,
    /// Whether it has a processor of its own, and the sandbox has the other.
    apart: bool,
    journal: PathBuf,
    log: PathBuf,
    deleting: Deleting,
}

impl Build {
    /// This one and the other one, if that is named.
    fn both(setting: &Setting, apart: bool) -> Option<[Self; 2]> {
        let other = PathBuf::from(std::env::var_os(OTHER)?);
        let build = |name: &str, program: PathBuf| Self {
            program,
            apart,
            journal: setting.path(&format!("{name}.db")),
            log: setting.path(name),
            deleting: Deleting::default(),
        };
        Some([build("own", KEYBATCH.into()), build("other", other)])
    }

    fn command(&self, home: &Path, args: &[&str]) -> std::process::Command {
        let mut command = if self.apart { pinned(CLIENT, &self.program, home) } else { command(&self.program, home) };
        command.args(args).arg("--quiet").arg("--journal").arg(&self.journal);
        command
    }

    /// A run of the whole manifest in a new world with a new journal, that ends with `code`.
    fn run(&self, setting: &Setting, more: &[&str], code: i32) -> (Cost, Trace) {
        let server = if self.apart { setting.serve_on(SERVER) } else { setting.serve() };
        self.run_in(&server, setting, more, code)
    }

    /// The same in the world of this server.
    fn run_in(&self, server: &Server, setting: &Setting, more: &[&str], code: i32) -> (Cost, Trace) {
        for suffix in ["", "-wal", "-shm", ".lock"] {
            let mut path = self.journal.clone().into_os_string();
            path.push(suffix);
            let _ = std::fs::remove_file(path);
        }
        let manifest = setting.manifest().display().to_string();
        let common = ["run", &manifest, "--yes", "--output", "json", "--rate", "unlimited", "--concurrency", IN_FLIGHT];
        let mut command = self.command(setting.home(), &[&common, more].concat());
        trace(command.env("AWS_ENDPOINT_URL", &server.url), &self.log, code)
    }

    /// A run of all rows, whose deletions are added.
    fn delete(&mut self, setting: &Setting) -> Cost {
        let (cost, trace) = self.run(setting, &[], 0);
        let text = std::fs::read_to_string(self.log.with_extension("out")).expect("its output");
        let summary: serde_json::Value = serde_json::from_str(&text).expect("a summary");
        assert_eq!(summary["outcomes"]["deleted"], setting.rows);
        let (from, to) = (self.time(setting, "min", "attempt_started"), self.time(setting, "max", "attempt_finished"));
        self.deleting.add((from, to), &trace);
        cost
    }

    /// When the first or last entry of a kind was written, in seconds since 1970.
    fn time(&self, setting: &Setting, which: &str, kind: &str) -> f64 {
        let sql =
            format!("SELECT ({which}(julianday(at)) - 2440587.5) * 86400.0 AS at FROM entries WHERE kind = '{kind}'");
        let output =
            self.command(setting.home(), &["query", "--output", "json", &sql]).output().expect("keybatch starts");
        let rows: serde_json::Value = serde_json::from_slice(&output.stdout).expect("rows");
        rows[0]["at"].as_f64().unwrap_or_else(|| panic!("{sql}: {rows}"))
    }

    fn bytes(&self) -> f64 {
        std::fs::metadata(&self.journal).expect("the journal").len() as f64
    }
}

/// 10,000 deletions.
pub(crate) fn deleting() -> Vec<Line> {
    let setting = Setting::named(PREFIX_OF_10_000, &[("us-east-1", ROWS)], json!({}));
    let Some([mut own, mut other]) = Build::both(&setting, true) else { return skipped() };
    let mut bare = Deleting::default();
    for _ in 0..ROUNDS {
        bare_loop(&setting, &mut bare);
        own.delete(&setting);
        other.delete(&setting);
    }
    let (size, former) = (own.bytes() / ROWS as f64, other.bytes() / ROWS as f64);
    let ratios = |values: &[f64], yardstick: &[f64]| {
        median(values.iter().zip(yardstick).map(|(value, yardstick)| value / yardstick).collect())
    };
    let cpu = [&own, &other].map(|build| ratios(&build.deleting.cpu, &bare.cpu));
    let speed = [&own, &other].map(|build| ratios(&bare.seconds, &build.deleting.seconds));
    let micros = |values: &[f64]| 1e6 * median(values.to_vec()) / ROWS as f64;
    let per_second = |values: &[f64]| ROWS as f64 / median(values.to_vec());
    vec![
        Line::new(
            "journal per deletion: 10,000 rows, names of 20, one attempt each",
            "≤ 0.65 of the other build",
            format!("{:.2}: {:.2} KiB, the other {:.2} KiB", size / former, size / 1024.0, former / 1024.0),
            size / former <= 0.65,
        ),
        Line::new(
            "CPU per deletion from the first to the last delete, 64 in flight",
            "≤ 1.35 of the bare loop",
            format!(
                "{:.2}, the other {:.2}; {:.0}, {:.0} and {:.0} µs",
                cpu[0],
                cpu[1],
                micros(&own.deleting.cpu),
                micros(&other.deleting.cpu),
                micros(&bare.cpu)
            ),
            cpu[0] <= 1.35,
        ),
        Line::new(
            "deletions per second, same run",
            "≥ 0.74 of the bare loop",
            format!(
                "{:.2}, the other {:.2}; {:.0}, {:.0} and {:.0} a second",
                speed[0],
                speed[1],
                per_second(&own.deleting.seconds),
                per_second(&other.deleting.seconds),
                per_second(&bare.seconds)
            ),
            speed[0] >= 0.74,
        ),
    ]
}

fn bare_loop(setting: &Setting, bare: &mut Deleting) {
    let server = setting.serve_on(SERVER);
    let program = std::env::current_exe().expect("the path of this program");
    let mut command = pinned(CLIENT, program, setting.home());
    command.arg("--bare-loop").arg(&server.url).arg(setting.manifest()).arg(IN_FLIGHT);
    let (_, trace) = trace(&mut command, &setting.path("bare"), 0);
    let said = std::fs::read_to_string(setting.path("bare.out")).expect("its output");
    let (from, to) = said.trim().split_once(' ').expect("two times");
    bare.add((from.parse().expect("a time"), to.parse().expect("a time")), &trace);
}

/// A million rows.
pub(crate) fn million() -> Vec<Line> {
    let setting = Setting::named(PREFIX_OF_A_MILLION, &[("us-east-1", MANY)], json!({"page_size": 1000}));
    let Some(mut builds) = Build::both(&setting, false) else { return skipped() };
    let (mut planned, mut verified) = ([vec![], vec![]], [vec![], vec![]]);
    let mut imported = vec![];
    for _ in 0..ROUNDS {
        imported.extend(import(&setting));
        for (build, planned) in builds.iter().zip(&mut planned) {
            build.run(&setting, &["--max-deletes", "1"], 5);
            planned.push(build.time(&setting, "max", "plan_sealed") - build.time(&setting, "min", "session_opened"));
        }
    }
    let mut peaks = [vec![], vec![]];
    for (build, peaks) in builds.iter_mut().zip(&mut peaks) {
        let most = (MANY - 1).to_string();
        let server = setting.serve();
        let (run, _) = build.run_in(&server, &setting, &["--max-deletes", &most], 5);
        let mut resume = build.command(setting.home(), &["resume", "--output", "json"]);
        let resume = measure(resume.env("AWS_ENDPOINT_URL", &server.url), &build.log);
        peaks.extend([run.peak, resume.peak]);
    }
    for _ in 0..ROUNDS {
        for ((build, verified), peaks) in builds.iter().zip(&mut verified).zip(&mut peaks) {
            let cost = measure(&mut build.command(setting.home(), &["verify"]), &build.log);
            verified.push(cost.wall.as_secs_f64());
            peaks.truncate(2);
            peaks.push(cost.peak);
        }
    }
    for (build, peaks) in builds.iter().zip(&mut peaks) {
        let export = &["export", "latest", "--output", "csv"];
        peaks.push(measure(&mut build.command(setting.home(), export), &build.log).peak);
    }
    let [planned, formerly] = planned.map(median);
    let [verified, former] = verified.map(|seconds| MANY as f64 / median(seconds));
    let import =
        if imported.is_empty() { String::new() } else { format!(", {:.1} times .import", planned / median(imported)) };
    let list = |peaks: &[u64]| {
        peaks.iter().map(|peak| format!("{:.0}", *peak as f64 / 1_048_576.0)).collect::<Vec<_>>().join(", ")
    };
    vec![
        Line::new(
            "a million rows: ingest, observe and seal",
            "≤ 0.6 of the other build's time",
            format!("{:.2}: {planned:.1} s, the other {formerly:.1} s{import}", planned / formerly),
            planned / formerly <= 0.6,
        ),
        Line::new(
            "verify, deletions per second, on a million",
            "≥ 1.6 of the other build",
            format!("{:.2}: {verified:.0}, the other {former:.0}", verified / former),
            verified / former >= 1.6,
        ),
        Line::new(
            "peak memory of run, resume, verify, export of a million rows",
            "not more than the other build",
            format!("{} MiB, the other {} MiB", list(&peaks[0]), list(&peaks[1])),
            peaks[0].iter().zip(&peaks[1]).all(|(own, other)| own <= other),
        ),
    ]
}

fn skipped() -> Vec<Line> {
    vec![Line::skipped("this build beside another one", "", &format!("{OTHER} names no other build"))]
}
