//! Lists of patterns (PATTERNS in ssh_config(5)): `*` for any text, `?` for one character, `!` before what must not match.

/// Whether a pattern of the list matches and none with `!` does. Letters' case counts.
pub(super) fn matches_list(list: &str, text: &str) -> bool {
    let mut matched = false;
    for pattern in list.split(',') {
        match pattern.strip_prefix('!') {
            Some(negated) if matches(negated.as_bytes(), text.as_bytes()) => return false,
            Some(_) => {}
            None => matched = matched || matches(pattern.as_bytes(), text.as_bytes()),
        }
    }
    matched
}

/// The members of the list that are names and not patterns.
pub(super) fn names(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').filter(|pattern| !pattern.is_empty() && !pattern.contains(['*', '?', '!']))
}

/// Compares from the last star again where it goes wrong: the time is at most the product of both lengths.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while seen < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(expected) if *expected == b'?' || *expected == text[seen] => {
                at += 1;
                seen += 1;
            }
            _ => match star {
                Some((place, from)) => {
                    star = Some((place, from + 1));
                    at = place + 1;
                    seen = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|rest| *rest == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_matches_where_one_does_and_no_negated_one() {
        for (list, text, expected) in [
            ("alice@example.com", "alice@example.com", true),
            ("alice@example.com", "Alice@example.com", false),
            ("*@example.com", "bob@example.com", true),
            ("*@example.com", "bob@example.com.evil", false),
            ("!mallory@example.com,*@example.com", "mallory@example.com", false),
            ("*@example.com,!mallory@example.com", "mallory@example.com", false),
            ("*@example.com,!mallory@example.com", "bob@example.com", true),
            ("!mallory", "bob", false),
            ("b?b", "bob", true),
            ("b?b", "bb", false),
            ("*", "", true),
            ("", "", true),
            ("a*b*c", "aXbXbc", true),
            ("a*b*c", "aXbXb", false),
            ("x,bob", "bob", true),
        ] {
            assert_eq!(matches_list(list, text), expected, "{list:?} {text:?}");
        }
        assert!(!matches(&b"*a".repeat(500), &b"a".repeat(4_000)[..3_999].iter().map(|_| b'b').collect::<Vec<_>>()));
        assert_eq!(names("a,*,!b,c?,d").collect::<Vec<_>>(), ["a", "d"]);
    }
}
