//! Tampering with a whole journal in every known way, one case at a time, through the library: `verify` finds each of them, with the
//! right verdict and the first bad entry. What nobody can find without a checkpoint from outside is found with one.
//!
//! `KEYBATCH_TAMPER=all` flips every byte of every body, skips nothing, and damages the file 20,000 times. Without
//! it one byte in 97 is flipped, and the file is damaged 300 times in the gate. `KEYBATCH_TAMPER_SEED` starts the random ones.

#![expect(
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a campaign says what it did, and how large it is to be"
)]

mod approvals;
mod bytes;
mod copies;
mod file;
mod history;
mod lies;
mod rows;
mod runner_lies;
mod runners;
pub(crate) mod sample;
mod schema;
mod shared;
mod tables;

use sample as journals;
