//! The campaigns of `docs/RELIABILITY.md` that go through whole lives: crashes, lost power, failing calls, and every order
//! of events.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up fails")]

mod io_faults;
mod kill_points;
mod power_loss;
mod simulation;
mod small_scope;
mod strace;
#[path = "../support/mod.rs"]
mod support;
