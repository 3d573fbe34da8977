//! Catches what a library panics with, without its text on standard error: the caller has an error of its own to report.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// Whether a panic in this thread is expected, and says nothing.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

static HOOKED: Once = Once::new();

/// What `work` returns; none if it panics. What it worked on may be in any state then, and is best dropped.
pub(super) fn caught<T>(work: impl FnOnce() -> T) -> Option<T> {
    // Other panics, of this thread later and of other threads, say what they always say.
    HOOKED.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                usual(panic);
            }
        }));
    });
    let before = QUIET.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work)).ok();
    QUIET.set(before);
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_nothing_and_only_while_it_is_expected_it_says_nothing() {
        assert_eq!(caught(|| 7), Some(7));
        assert!(!QUIET.get());
        let said = caught(|| {
            assert!(QUIET.get());
            panic!("the disk is full");
        });
        assert_eq!(said, None::<()>);
        assert!(!QUIET.get(), "the next panic is heard");
    }
}
