//! One request while it is handled.

use super::call::Call;
use super::clock::Micros;
use super::effect::Effect;

/// What is known about the request until it is answered.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    pub(super) call: &'a Call,
    pub(super) seq: u64,
    pub(super) at: Micros,
    pub(super) request_id: String,
    pub(super) effects: Vec<Effect>,
}
