//! What the contract tests share: an independent Lightsail stand-in, a hermetic home for the binary, and the checks
//! that must hold after every run. Nothing here uses the keybatch library: the tests know the contract alone.

#![expect(dead_code, unused_imports, reason = "the contract tests and the campaigns each use their part")]

mod answers;
mod audit;
mod bench;
mod http;
mod nasty;
mod script;
mod server;
mod stand_in;
mod world;

use std::time::{Duration, Instant};

pub(crate) use self::{
    audit::{OUTCOMES, Row, count, intents, invariants, row, safety, summary},
    bench::{ACCESS_KEY_ID, Bench, Done, Live, SECRET_CANARY, TOKEN_CANARY, binary},
    nasty::{NASTY, steers},
    script::{Act, Effect},
    stand_in::StandIn,
    world::{ACCOUNT, Arrival, DEFAULT_KEY_PAIR, Gone, HOME, KeyPair, NotFound, Operation, Place, State, now_us},
};

/// Polls until something holds; panics after 30 seconds.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(30), "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
