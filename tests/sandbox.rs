//! The sandbox from outside: its wire forms, every fault of the script, its record and what it refuses.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

#[path = "sandbox/client.rs"]
mod client;
#[path = "sandbox/faults.rs"]
mod faults;
#[path = "sandbox/samples.rs"]
mod samples;
#[path = "sandbox/state.rs"]
mod state;
#[path = "sandbox/wire.rs"]
mod wire;
