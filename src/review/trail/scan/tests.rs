use proptest::prelude::*;

use super::*;

/// What is found in a text that is given in pieces of this length.
fn found(text: &str, piece: usize) -> (Vec<String>, Vec<u64>) {
    let (mut objects, mut broken) = (Vec::new(), Vec::new());
    let mut each = |scanned: Scanned<'_>| match scanned {
        Scanned::Object { at, bytes } => {
            let place = usize::try_from(at).unwrap();
            assert_eq!(&text.as_bytes()[place..place + bytes.len()], bytes);
            objects.push(String::from_utf8(bytes.to_vec()).unwrap());
        }
        Scanned::GoesOn => {}
        Scanned::Broken { at, .. } => broken.push(at),
    };
    let mut scanner = Scanner::default();
    text.as_bytes().chunks(piece).for_each(|piece| scanner.feed(piece, &mut each));
    scanner.end(&mut each);
    (objects, broken)
}

const A: &str = r#"{"a":"\"}{[","b":[{"Records":[1]},[]],"c":{}}"#;
const B: &str = r#"{"b":"ä\\"}"#;

#[test]
fn each_form_gives_its_records_in_any_pieces() {
    for text in [
        A.to_owned() + B,
        format!("{A}\n{B}\n"),
        format!("\u{feff}[{A}, {B}]"),
        format!("{{\"Records\":[{A},{B}]}}\n"),
        format!("{{\"NextToken\":\"Records\",\"Events\" : [ {A} , {B} ], \"x\":[{{}}]}}"),
        format!("{{\"Records\":[{A}]}}\n{{\"Records\":[]}}\n{{\"Events\":[{B}]}}"),
        format!("[{{\"Records\":[{A}]}},{B}]"),
        format!("{{\"Events\":[{A}],\"Records\":[{B}]}}"),
    ] {
        for piece in [1, 2, 3, 7, 1_000] {
            assert_eq!(found(&text, piece), (vec![A.to_owned(), B.to_owned()], vec![]), "{piece} of {text}");
        }
    }
}

#[test]
fn what_is_broken_is_named_with_its_place_and_the_next_line_is_read() {
    for (text, objects, places) in [
        ("{\"a\":\"b\n{\"c\":1}\n", 1, vec![0]),
        ("{\"a\":1\n{\"c\":1}\n", 1, vec![0]),
        ("{\"a\":1,\n{\"c\":1}\n{}", 2, vec![0]),
        ("hello there\n{}\n", 1, vec![0]),
        ("{}\n{\"a\":[}\n{}", 2, vec![3]),
        ("{}\n\"text\" 17 null\n{}", 2, vec![3]),
        ("[{},null,{}]", 2, vec![4]),
        ("{\"Records\":[{},{\"a\":", 1, vec![15]),
        ("{\"Records\":[{}", 1, vec![14]),
        ("]\n{}", 1, vec![0]),
        ("[[[[[[{}]]]]]]\n{}", 1, vec![4]),
        ("", 0, vec![]),
    ] {
        for piece in [1, 4, 1_000] {
            let (found, broken) = found(text, piece);
            assert_eq!((found.len(), &broken), (objects, &places), "{piece} of {text}");
        }
    }
    let deep = format!("{{\"a\":{}}}\n{{}}", "[".repeat(1_000));
    assert_eq!((found(&deep, 64).0.len(), found(&deep, 64).1.len()), (1, 1));
}

#[test]
fn a_record_without_an_end_is_given_up() {
    let long = format!("{{\"a\":\"{}\"}}\n{{}}", "x".repeat(MOST_BYTES + 1));
    for piece in [4_096, MOST_BYTES * 2] {
        let (objects, broken) = found(&long, piece);
        assert_eq!((&*objects, &*broken), (&["{}".to_owned()][..], &[0][..]));
    }
}

proptest! {
    #[test]
    fn pieces_never_matter(text in "[{}\\[\\]\",:\\\\a \n]{0,60}", piece in 1_usize..9) {
        prop_assert_eq!(found(&text, piece), found(&text, 10_000));
    }
}
