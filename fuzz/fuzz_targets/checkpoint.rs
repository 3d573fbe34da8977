//! Checkpoint texts: whatever is read can be printed and read again, and the last of all is the last one.

#![no_main]

use keybatch::record::checkpoint::Checkpoint;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let last = Checkpoint::parse_last(text);
    if let Ok(checkpoint) = &last {
        let printed = checkpoint.to_text();
        assert_eq!(printed.lines().count(), 3, "three lines: {printed:?}");
        assert_eq!(Checkpoint::parse_last(&printed).as_ref(), Ok(checkpoint), "printed, it reads the same");
        assert_eq!(Checkpoint::parse_all(&printed), Ok((vec![checkpoint.clone()], 0)));
    }
    if let Ok((all, torn)) = Checkpoint::parse_all(text) {
        assert!(!all.is_empty(), "where nothing is whole, nothing is read");
        match &last {
            Ok(checkpoint) => assert_eq!(all.last(), Some(checkpoint), "both agree on the last one"),
            Err(_) => assert!(torn > 0, "the last one is not whole"),
        }
        let printed: String = all.iter().map(Checkpoint::to_text).collect();
        assert_eq!(Checkpoint::parse_all(&printed), Ok((all, 0)), "printed one after the other, they read the same");
    }
});
