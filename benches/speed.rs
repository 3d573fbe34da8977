//! Speed and memory as ratios, each measured against its yardstick in the same run.
//!
//!     cargo bench                      all of it, most of an hour
//!     cargo bench -- deleting million  some of it
//!     KEYBATCH_OTHER=/path/to/keybatch cargo bench -- beside beside-million
//!                                      this build beside another one
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a bench prints, reads its environment and the clock, and stops where it cannot be set up"
)]

#[path = "speed/bare.rs"]
mod bare;
#[path = "speed/beside.rs"]
mod beside;
#[path = "speed/clients.rs"]
mod clients;
#[path = "speed/deleting.rs"]
mod deleting;
#[path = "speed/million.rs"]
mod million;
#[path = "speed/pace.rs"]
mod pace;
#[path = "speed/process.rs"]
mod process;
#[path = "speed/setting.rs"]
mod setting;

/// A line of the table.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) what: String,
    pub(crate) target: String,
    pub(crate) measured: String,
    /// Nothing where it could not be measured.
    pub(crate) reached: Option<bool>,
}

impl Line {
    pub(crate) fn new(what: &str, target: &str, measured: String, reached: bool) -> Self {
        Self { what: what.into(), target: target.into(), measured, reached: Some(reached) }
    }

    pub(crate) fn skipped(what: &str, target: &str, why: &str) -> Self {
        eprintln!("SKIPPED: {what}: {why}");
        Self { what: what.into(), target: target.into(), measured: format!("skipped: {why}"), reached: None }
    }
}

type Section = (&'static str, fn() -> Vec<Line>);

const SECTIONS: [Section; 8] = [
    ("deleting", deleting::measure),
    ("alone", deleting::alone),
    ("clients", clients::measure),
    ("pace", pace::measure),
    ("regions", pace::regions),
    ("million", million::measure),
    ("beside", beside::deleting),
    ("beside-million", beside::million),
];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if let [flag, url, csv, concurrency] = args.as_slice()
        && flag == "--bare-loop"
    {
        return bare::delete_all(url, csv, concurrency.parse().expect("a number"));
    }
    let unknown = args.iter().find(|arg| SECTIONS.iter().all(|(name, _)| name != arg));
    if let Some(unknown) = unknown {
        let names: Vec<_> = SECTIONS.iter().map(|(name, _)| *name).collect();
        eprintln!("there is no section {unknown:?}; there are: {}", names.join(", "));
        std::process::exit(2);
    }
    println!("| what | must reach | measured | reached |\n|---|---|---|---|");
    for (name, section) in SECTIONS {
        if args.is_empty() || args.iter().any(|arg| arg == name) {
            for line in section() {
                let reached = line.reached.map_or("–", |reached| if reached { "yes" } else { "**no**" });
                println!("| {} | {} | {} | {reached} |", line.what, line.target, line.measured);
            }
        }
    }
}
