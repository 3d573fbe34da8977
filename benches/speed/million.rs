//! A million rows: planning, memory, verifying, resuming.

use std::process::Command;

use serde_json::json;

use crate::Line;
use crate::process::{Cost, measure as run, measure_ending, seconds_since_epoch};
use crate::setting::Setting;

const FEW: usize = 10_000;
const MANY: usize = 1_000_000;
const QUICKLY: [&str; 4] = ["--rate", "unlimited", "--concurrency", "64"];

/// Peak memory of each command, and what it took.
struct Whole {
    run: Cost,
    verify: Cost,
    export: Cost,
    resume: Cost,
    entries: f64,
    first_request: f64,
}

pub(crate) fn measure() -> Vec<Line> {
    let few = Setting::new(&[("us-east-1", FEW)], json!({"page_size": 1000}));
    let many = Setting::new(&[("us-east-1", MANY)], json!({"page_size": 1000}));
    let (small, large) = (whole(&few), whole(&many));
    let planning = many.seconds("session_opened", "plan_sealed");
    let peaks = |whole: &Whole| [whole.run, whole.resume, whole.verify, whole.export].map(|cost| cost.peak);
    let (small_peaks, large_peaks) = (peaks(&small), peaks(&large));
    let mib = |bytes: &u64| *bytes as f64 / 1_048_576.0;
    let worst = large_peaks.iter().map(mib).fold(0.0, f64::max);
    let growth = large_peaks.iter().zip(&small_peaks).map(|(many, few)| mib(many) / mib(few)).fold(0.0, f64::max);
    let list = |peaks: &[u64]| peaks.iter().map(|peak| format!("{:.0}", mib(peak))).collect::<Vec<_>>().join(", ");
    let per_second = |whole: &Whole| whole.entries / whole.verify.wall.as_secs_f64();
    let linear = per_second(&small) / per_second(&large);
    vec![
        plan(planning, import(&many)),
        Line::new(
            "a million rows: peak memory of run, resume, verify, export",
            "≤ 96 MiB, and within 1.5 of ten thousand rows",
            format!("{} MiB; ten thousand: {} MiB; at most {growth:.2} times", list(&large_peaks), list(&small_peaks)),
            worst <= 96.0 && growth <= 1.5,
        ),
        Line::new(
            "resume of a journal with a million settled rows and one open",
            "first request within 2 s",
            format!("{:.1} s", large.first_request),
            large.first_request <= 2.0,
        ),
        Line::new(
            "verify",
            "≥ 300,000 entries per second, cost linear",
            format!("{:.0} a second; {linear:.2} times those of ten thousand rows", per_second(&large)),
            per_second(&large) >= 300_000.0 && linear <= 1.3,
        ),
    ]
}

fn plan(planning: f64, import: Option<f64>) -> Line {
    let (what, target) = ("a million rows: ingest, observe and seal", "≤ 5 times `sqlite3 .import` of the same file");
    let Some(import) = import else { return Line::skipped(what, target, "there is no sqlite3") };
    let measured = format!("{:.1} times ({planning:.0} s against {import:.1} s)", planning / import);
    Line::new(what, target, measured, planning / import <= 5.0)
}

/// Runs all rows but one, verifies and exports, and resumes for the last.
fn whole(setting: &Setting) -> Whole {
    let server = setting.serve();
    let most = (setting.rows - 1).to_string();
    setting.forget_journal();
    let manifest = setting.manifest().display().to_string();
    let args = [&["run", &manifest, "--yes", "--output", "json", "--max-deletes", &most], &QUICKLY[..]].concat();
    let mut command = setting.keybatch(&args);
    // Stopped by its limit, resumable.
    let cost = measure_ending(command.env("AWS_ENDPOINT_URL", &server.url), &setting.path("run"), 5);
    let mut resume = setting.keybatch(&["resume", "--output", "json"]);
    let began = seconds_since_epoch();
    let resume = run(resume.env("AWS_ENDPOINT_URL", &server.url), &setting.path("resume"));
    let first_request = setting.query(
        "SELECT max(julianday(at)) AS at FROM entries WHERE kind = 'attempt_started' AND seq > \
         (SELECT max(seq) FROM entries WHERE kind = 'session_opened')",
    );
    // From Julian days to seconds since 1970.
    let first_request = (first_request - 2_440_587.5) * 86_400.0 - began;
    let entries = setting.query("SELECT count(*) AS entries FROM entry");
    let verify = run(&mut setting.keybatch(&["verify"]), &setting.path("verify"));
    let export = run(&mut setting.keybatch(&["export", "latest", "--output", "csv"]), &setting.path("export"));
    // Of all formats, the one that takes the most.
    let export = ["jsonl", "parquet", "sqlite", "xlsx"].iter().fold(export, |most, format| {
        let file = setting.path(&format!("rows.{format}")).display().to_string();
        let export = ["export", "latest", "--output", format, "-o", &file];
        let cost = run(&mut setting.keybatch(&export), &setting.path("export"));
        let _old = std::fs::remove_file(&file);
        let _old = std::fs::remove_file(format!("{file}.checkpoint"));
        if cost.peak > most.peak { cost } else { most }
    });
    Whole { run: cost, verify, export, resume, entries, first_request }
}

/// How long `sqlite3 .import` of the manifest takes.
pub(crate) fn import(setting: &Setting) -> Option<f64> {
    let database = setting.path("import.db");
    let _ = std::fs::remove_file(&database);
    let import = format!(".import --csv {} rows", setting.manifest().display());
    let began = std::time::Instant::now();
    let status = Command::new("sqlite3").arg(&database).arg(import).status().ok()?;
    status.success().then(|| began.elapsed().as_secs_f64())
}
