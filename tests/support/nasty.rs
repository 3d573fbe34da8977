//! Text that would do harm if it were shown unchanged.

/// Text that tries everything at once. No quotes and no backslashes, so that it fits into JSON and CSV as it is.
pub(crate) const NASTY: &str = "=cmd|'/c calc'!A1 <script>alert(1)</script> \u{1b}[31m\u{1b}]0;owned\u{7} \u{9b}2J \u{202e}txt.exe\u{202c} \
     a\u{200b}b\u{feff}c\u{2066}d\u{2069} \u{7f}\u{8} {{7*7}} ${HOME} $(id) %n%s \u{2028}";

/// Characters that steer a terminal, turn the reading direction or hide.
pub(crate) fn steers(c: char) -> bool {
    c.is_control() && c != '\n'
        || matches!(u32::from(c), 0x61C | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0xFEFF)
}
