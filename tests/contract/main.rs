//! The binary from outside, against a stand-in that shares no code with the sandbox: what each command promises.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up fails")]

#[path = "../support/campaign.rs"]
mod campaign;
mod binding;
mod cli;
mod crash;
mod hostile;
mod identity;
mod network;
mod outcomes;
mod readers;
mod regions;
mod secrets;
mod sessions;
mod settle;
mod signals;
mod skips;
mod stand_in;
mod stops;
#[path = "../support/mod.rs"]
mod support;
