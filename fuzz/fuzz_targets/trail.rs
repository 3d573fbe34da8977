//! CloudTrail's records: however a text is cut into pieces, the same records are found in it, each at its place; and whatever
//! is read of one takes no harm.

#![no_main]

use keybatch::review::trail::{Glancer, Scanned, Scanner, TrailEvent};
use libfuzzer_sys::fuzz_target;

fn found(data: &[u8], piece: usize) -> Vec<(u64, Option<Vec<u8>>)> {
    let mut all = Vec::new();
    let mut each = |scanned: Scanned<'_>| match scanned {
        Scanned::Object { at, bytes } => all.push((at, Some(bytes.to_vec()))),
        Scanned::Broken { at, .. } => all.push((at, None)),
        Scanned::GoesOn => {}
    };
    let mut scanner = Scanner::default();
    data.chunks(piece).for_each(|piece| scanner.feed(piece, &mut each));
    scanner.end(&mut each);
    all
}

fuzz_target!(|data: &[u8]| {
    let all = found(data, data.len().max(1));
    assert_eq!(all, found(data, 3), "pieces do not matter");
    let glancer = Glancer::default();
    for (at, bytes) in all {
        let Some(bytes) = bytes else { continue };
        let place = usize::try_from(at).unwrap_or(usize::MAX);
        assert!(data[place..].starts_with(&bytes), "it is where it is said to be");
        let glance = glancer.glance(&bytes);
        if let Ok(Some(event)) = TrailEvent::read(&bytes) {
            assert!(glance.may_be_delete, "no delete is passed over");
            let _run = event.run();
        }
    }
});
