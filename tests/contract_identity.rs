//! Who asks: what variables mean, whose credentials are used and where they come from, and who the operator is. Nothing
//! here reaches AWS: every address is one of this machine's.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up fails")]

mod support;

#[path = "identity/credentials.rs"]
mod credentials;
#[path = "identity/situations.rs"]
mod situations;
#[path = "identity/variables.rs"]
mod variables;
