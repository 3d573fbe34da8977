//! The binary from outside, against a stand-in that shares no code with the sandbox: what each command promises.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up fails")]

#[path = "../support/campaign.rs"]
mod campaign;
mod accounts;
mod anchors;
mod archive;
mod binding;
mod canary;
mod cli;
mod control;
mod crash;
mod demands;
mod doctor;
mod exports;
mod hostile;
mod identity;
mod instances;
mod inventory;
mod look_for;
mod metrics;
mod network;
mod outcomes;
mod plan_file;
mod policies;
mod policy;
mod questions;
mod prove;
mod reconcile;
mod readers;
mod regions;
mod report;
mod report_files;
mod report_live;
mod report_told;
mod resolve;
mod retry;
mod run_plan;
mod secrets;
mod sessions;
mod settings;
mod settle;
mod signals;
mod skips;
mod stand_in;
mod stops;
mod strangers;
mod suggested;
mod watching;
#[path = "../support/mod.rs"]
mod support;

/// Four cases at a time: most of each is waiting for an answer that never comes, or for a timeout.
fn at_once<T: Send>(cases: impl IntoIterator<Item = T, IntoIter: Send>, check: impl Fn(T) + Sync) {
    let cases = std::sync::Mutex::new(cases.into_iter());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let next = cases.lock().unwrap().next();
                    let Some(case) = next else { break };
                    check(case);
                }
            });
        }
    });
}
