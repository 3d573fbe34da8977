//! The sandbox from outside: its wire forms, every fault of the script, its record and what it refuses.

mod accounts;
mod client;
mod faults;
mod samples;
mod state;
mod wire;
