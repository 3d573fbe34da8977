//! Tests that need a program that may not be installed, or a right that the process may not have: sqlite3 as a reviewer has it, strace and
//! mount for campaigns of `docs/RELIABILITY.md`, a terminal, other people's clients. If it is missing, the test is ignored.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up fails")]

#[path = "../support/campaign.rs"]
mod campaign;
#[path = "../support/sample.rs"]
mod sample;
mod anchors;
mod archive_kills;
mod certificates;
mod clients;
mod completion;
mod forgeries;
#[path = "../support/harness.rs"]
mod harness;
mod io_faults;
mod kill_points;
mod policy;
#[path = "../stores/postgres/server.rs"]
#[expect(dead_code, reason = "the tests of the store use the rest of it")]
mod postgres;
mod power_loss;
mod prometheus;
mod readers;
mod reviewing;
mod report;
mod shell;
mod ssh;
#[path = "../library/story.rs"]
#[expect(dead_code, reason = "the tests of the library use the rest of it")]
mod story;
mod strace;
mod supervised;
#[path = "../support/mod.rs"]
mod support;
mod terminal;
mod verify;
mod views;

fn main() -> std::process::ExitCode {
    let code = harness::run(&[
        anchors::LIST,
        archive_kills::LIST,
        certificates::LIST,
        clients::LIST,
        completion::LIST,
        forgeries::LIST,
        io_faults::calls::LIST,
        io_faults::disk::LIST,
        io_faults::limits::LIST,
        io_faults::strange::LIST,
        io_faults::streams::LIST,
        kill_points::LIST,
        policy::LIST,
        power_loss::disk::LIST,
        power_loss::lines::LIST,
        power_loss::LIST,
        prometheus::LIST,
        readers::LIST,
        readers::exports::LIST,
        readers::questions::LIST,
        readers::twins::LIST,
        readers::views::LIST,
        reviewing::LIST,
        report::LIST,
        ssh::approvals::LIST,
        ssh::checkpoints::LIST,
        ssh::four_eyes::LIST,
        ssh::proofs::LIST,
        ssh::story::LIST,
        supervised::LIST,
        terminal::LIST,
        verify::LIST,
        views::LIST,
    ]);
    postgres::stop();
    code
}
