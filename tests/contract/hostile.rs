//! Hostile data from both sides: what a stranger may have written into a manifest, and what an endpoint may answer. It leads to a clear
//! error or is shown in a harmless form, and memory stays bounded.
//!
//! `KEYBATCH_HOSTILE_ROWS` is the number of rows of the large manifest: 200,000 in the gate; 10,000,000 is the whole
//! size.

#![expect(
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a campaign says what it did, and how large it is to be"
)]

mod answers;
mod mallory;
mod manifests;
mod watch;
