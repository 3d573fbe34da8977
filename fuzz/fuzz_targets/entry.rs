//! Entries: what can be read can be written, what was written is read the same, and its bytes do not change again.

#![no_main]

use keybatch::record::merkle::leaf_hash;
use keybatch::record::{Entry, MAX_INTEGER};
use keybatch::review::one_line;
use keybatch::verify::Sequence;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // As a history of bodies, one a line: judged without a panic.
    let mut sequence = Sequence::default();
    for line in text.lines() {
        if sequence.take(line).is_err() {
            break;
        }
    }
    let Ok(entry) = Entry::parse(text) else { return };
    drop((one_line(&entry), entry.event.kind()));
    let sealed = match entry.seal() {
        Ok(sealed) => sealed,
        // Numbers that JSON has and canonical JSON does not.
        Err(error) => {
            let digits = MAX_INTEGER.to_string().len();
            let long = text.as_bytes().windows(digits).any(|part| part.iter().all(u8::is_ascii_digit));
            let exponent = text.contains(['e', 'E', '-']);
            assert!(long || exponent, "{error}: {text}");
            return;
        }
    };
    assert_eq!(sealed.leaf, leaf_hash(sealed.body.as_bytes()));
    let again = Entry::parse(&sealed.body).expect("what was written can be read");
    let twice = again.seal().expect("and written again");
    assert_eq!(twice.body, sealed.body, "canonical bytes are stable");
    // A class is not stored with an error, so only what is stored is compared; times are stored in microseconds.
    let settled = Entry::parse(&twice.body).unwrap();
    assert_eq!(settled, again, "what is read twice is the same");
    let value: serde_json::Value = serde_json::from_str(&sealed.body).unwrap();
    assert_eq!(serde_json_canonicalizer::to_string(&value).unwrap(), sealed.body, "by the canonicalizer, too");
});
