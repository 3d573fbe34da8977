//! A hostile database file: the bytes themselves, or patches to the file of a sound journal.
//!
//! The first byte: bit 0, patches; bit 1, with a checkpoint; bit 2, with projections. A patch is three bytes of offset,
//! a length, and as many bytes; a length of 255 cuts the file there.

#![no_main]

use std::sync::{LazyLock, Mutex};

use keybatch::verify::Verdict;
use keybatch_fuzz::Base;
use libfuzzer_sys::fuzz_target;

static BASE: LazyLock<Mutex<Base>> = LazyLock::new(|| Mutex::new(Base::new()));

fuzz_target!(|data: &[u8]| {
    let Some((flags, data)) = data.split_first() else { return };
    let base = BASE.lock().unwrap();
    let file = if flags & 1 == 0 { data.to_vec() } else { patched(&base.file, data) };
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let _absent = std::fs::remove_file(format!("{}{suffix}", base.path().display()));
    }
    std::fs::write(base.path(), &file).unwrap();
    let report = base.verify(flags & 2 != 0, flags & 4 != 0).expect("there is a file");
    if file == base.file {
        assert!(report.verdict.is_sound(), "{report:?}");
    }
    if report.verdict == Verdict::Verified {
        assert_eq!(report.proved_up_to, Some(base.checkpoint.size));
        assert!(report.entries >= base.checkpoint.size);
    }
});

fn patched(file: &[u8], mut patches: &[u8]) -> Vec<u8> {
    let mut file = file.to_vec();
    while let [a, b, c, length, rest @ ..] = patches {
        let offset = usize::try_from(u32::from_le_bytes([*a, *b, *c, 0])).unwrap() % (file.len() + 1);
        if *length == 255 {
            file.truncate(offset);
            patches = rest;
            continue;
        }
        let length = usize::from(*length).min(rest.len()).min(file.len() - offset);
        let (bytes, after) = rest.split_at(length);
        file[offset..offset + length].copy_from_slice(bytes);
        patches = after;
    }
    file
}
