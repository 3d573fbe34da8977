//! Executing a plan: sending what was decided, at a rate the target bears.

pub mod pace;
pub mod rate;
