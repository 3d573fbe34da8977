//! Patterns as people write them: `*` stands for any text, `?` for one character, and everything else for itself. Case counts.

use std::fmt;

/// A pattern.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Glob(String);

impl Glob {
    /// The pattern that is written like this. Every text is one.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the whole of `text` is like this.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let (pattern, text): (Vec<char>, Vec<char>) = (self.0.chars().collect(), text.chars().collect());
        let (mut p, mut t) = (0, 0);
        // The last asterisk, and where the text after what it stands for begins. Only the last one is ever tried again, so that
        // this takes at most as many steps as the two lengths multiplied.
        let mut retry: Option<(usize, usize)> = None;
        while t < text.len() {
            match pattern.get(p) {
                Some('*') => {
                    retry = Some((p, t));
                    p += 1;
                }
                Some(wanted) if *wanted == '?' || *wanted == text[t] => {
                    p += 1;
                    t += 1;
                }
                _ => {
                    let Some((star, from)) = retry else { return false };
                    retry = Some((star, from + 1));
                    p = star + 1;
                    t = from + 1;
                }
            }
        }
        pattern[p..].iter().all(|rest| *rest == '*')
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_as_people_write_them() {
        for (pattern, text, is_like) in [
            ("prod-*", "prod-web", true),
            ("prod-*", "prod-", true),
            ("prod-*", "prod", false),
            ("prod-*", "Prod-web", false),
            ("*-prod", "web-prod", true),
            ("*-prod", "web-prod-2", false),
            ("*prod*", "my-prod-key", true),
            ("web-?", "web-1", true),
            ("web-?", "web-12", false),
            ("a*b*c", "aXbXbXc", true),
            ("a*b*c", "aXbXbX", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("?", "é", true),
            ("**", "a", true),
        ] {
            assert_eq!(Glob::new(pattern).matches(text), is_like, "{pattern} {text}");
        }
    }

    /// Says it once more, as slowly as it is obvious.
    fn plainly(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|from| plainly(rest, &text[from..])),
            Some((wanted, rest)) => {
                text.split_first().is_some_and(|(c, after)| (*wanted == '?' || wanted == c) && plainly(rest, after))
            }
        }
    }

    proptest! {
        #[test]
        fn any_pattern_and_any_text(pattern in "[ab*?]{0,7}", text in "[abc]{0,9}") {
            let (p, t): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
            prop_assert_eq!(Glob::new(&pattern).matches(&text), plainly(&p, &t));
        }
    }

    #[test]
    fn a_pattern_that_is_meant_to_be_slow_is_not() {
        let pattern = "a*".repeat(200) + "b";
        assert!(!Glob::new(&pattern).matches(&"a".repeat(5_000)));
    }
}
