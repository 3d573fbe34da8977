//! The manifest reader: faults lie inside the file, rows hold only what may go into a request, everything is counted.

#![no_main]

use std::convert::Infallible;

use keybatch::manifest::{Item, MAX_KEPT_FAULTS, Options, ReadError, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((first, input)) = data.split_first() else { return };
    let options = Options { allow_default_key_pair: first & 1 == 1, ..Options::default() };
    let mut items = Vec::new();
    let take = |item: Item| {
        items.push(item);
        Ok::<_, Infallible>(())
    };
    // In odd pieces, too: what is read must not depend on how it arrives.
    let result = match usize::from(first >> 1) {
        0 => read("m.csv", input, &options, take),
        size => read("m.csv", Pieces { input, size }, &options, take),
    };
    let faults = match result {
        Ok(ingested) => {
            assert_eq!(ingested.bytes, input.len() as u64);
            assert_eq!(ingested.rows, items.len() as u64);
            let invalid = items.iter().filter(|item| matches!(item, Item::Invalid(_))).count() as u64;
            assert_eq!(ingested.invalid_rows, invalid);
            assert_eq!(ingested.faults.is_empty(), invalid == 0, "a row is invalid for a reason that is reported");
            ingested.faults
        }
        Err(ReadError::Refused(faults)) => {
            assert!(faults.are_of_file());
            faults
        }
        Err(ReadError::Input { .. } | ReadError::Sink(_)) => unreachable!("neither fails"),
    };
    assert_eq!(faults.kept().len() as u64, faults.total().min(MAX_KEPT_FAULTS as u64));
    let lines = input.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
    for fault in faults.kept() {
        let place = fault.place();
        assert!(place.offset <= input.len() as u64, "{place:?} in {} bytes", input.len());
        assert!((1..=lines).contains(&place.line), "{place:?} in {lines} lines");
        assert!((1..=input.len() as u64 + 1).contains(&place.column), "{place:?}");
        let shown = format!("{}{}", fault.one_line(), fault.hint());
        assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "a terminal cannot be steered: {shown:?}");
    }
    let mut last = 0;
    for item in &items {
        let place = match item {
            Item::Row(row) => {
                let name = &row.name;
                assert!((2..=255).contains(&name.len()), "{name:?}");
                assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'), "{name:?}");
                row.place
            }
            Item::Invalid(row) => row.place,
        };
        assert!(place.row > last && place.start <= place.end && place.end <= input.len() as u64, "{place:?}");
        last = place.row;
    }
});

struct Pieces<'a> {
    input: &'a [u8],
    size: usize,
}

impl std::io::Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let size = self.size.min(buffer.len()).min(self.input.len());
        let (now, later) = self.input.split_at(size);
        buffer[..size].copy_from_slice(now);
        self.input = later;
        Ok(size)
    }
}
