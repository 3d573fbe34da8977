//! One request while it is handled.

use super::call::Call;
use super::callers::Caller;
use super::clock::Micros;
use super::effect::Effect;

/// What is known about the request until it is answered.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    pub(super) call: &'a Call,
    pub(super) caller: Caller,
    pub(super) seq: u64,
    pub(super) at: Micros,
    pub(super) request_id: String,
    pub(super) effects: Vec<Effect>,
}

/// The part of a region that belongs to one account, by the account's place in the world.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) account: usize,
    pub(super) region: &'a str,
}

impl<'a> Turn<'a> {
    /// Where the request acts: in the caller's account, in the region of its signature.
    pub(super) fn place(&self) -> Place<'a> {
        Place { account: self.caller.account, region: &self.call.region }
    }
}
