//! Text from a manifest or a service that becomes part of a page, of Markdown, or of a terminal's lines: all of it is hostile.

use std::fmt::Write as _;

/// Whether a character controls a display or the reading direction, or cannot be seen.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c), 0x61C | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0xFEFF | 0xE0000..=0xE007F)
}

/// The text with each character that steers shown by its number.
pub(super) fn visible(text: &str) -> String {
    if !text.chars().any(steers) {
        return text.to_owned();
    }
    text.chars().fold(String::with_capacity(text.len() + 16), |mut out, c| {
        if steers(c) {
            let _ = write!(out, "\u{27e8}U+{:04X}\u{27e9}", u32::from(c));
        } else {
            out.push(c);
        }
        out
    })
}

/// As text or the value of an attribute in HTML.
pub(super) fn html(text: &str) -> String {
    visible(text).chars().fold(String::with_capacity(text.len() + 16), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
        out
    })
}

/// As a JSON string inside a script element, which nothing in it can end.
pub(super) fn json(text: &str) -> String {
    let quoted = serde_json::Value::from(visible(text)).to_string();
    if !quoted.contains(['<', '>', '&']) {
        return quoted;
    }
    quoted.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// As text in Markdown, also in a cell of a table: nothing in it is markup, a link, or a mention of somebody.
pub(super) fn markdown(text: &str) -> String {
    visible(text).chars().fold(String::with_capacity(text.len() + 16), |mut out, c| {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // Hosts of repositories turn these into mentions, issues and links wherever they stand.
            '@' => out.push_str("&#64;"),
            '#' => out.push_str("&#35;"),
            ':' => out.push_str("&#58;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '+' | '!' | '|' | '~' | '$' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
        out
    })
}

/// As code in Markdown, also in a cell of a table.
pub(super) fn code(text: &str) -> String {
    let clean = visible(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!(
        "<code>{}</code>",
        clean.replace('|', "&#124;").replace('`', "&#96;").replace('*', "&#42;").replace('_', "&#95;")
    )
}

/// A number with commas.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + 4);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "</script><img src=x onerror=\"a('&')\">\u{202e}\u{2028}\u{1b}[31m";

    #[test]
    fn nothing_in_a_text_is_markup_or_steers_the_reading_direction() {
        assert_eq!(
            html(HOSTILE),
            "&lt;/script&gt;&lt;img src=x onerror=&quot;a(&#39;&amp;&#39;)&quot;&gt;⟨U+202E⟩⟨U+2028⟩⟨U+001B⟩[31m"
        );
        let quoted = json(HOSTILE);
        assert!(!quoted.contains(['<', '>', '&', '\u{202e}', '\u{2028}']), "{quoted}");
        assert_eq!(serde_json::from_str::<String>(&quoted).unwrap(), visible(HOSTILE));
        assert_eq!(markdown("|a*b_[x](http://y) @all #1"), r"\|a\*b\_\[x\]\(http&#58;//y\) &#64;all &#35;1");
        assert_eq!(code("a|b`<i>"), "<code>a&#124;b&#96;&lt;i&gt;</code>");
    }

    #[test]
    fn numbers_are_grouped() {
        let all = [0, 12, 123, 1_234, 1_234_567].map(grouped);
        assert_eq!(all, ["0", "12", "123", "1,234", "1,234,567"]);
    }
}
