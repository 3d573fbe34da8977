//! The campaigns of `docs/RELIABILITY.md` that need nothing from outside: whole lives under a simulated clock, and small
//! worlds in every order of events.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

#[path = "../support/campaign.rs"]
mod campaign;
#[path = "../support/sample.rs"]
mod sample;
mod simulation;
mod small_scope;
