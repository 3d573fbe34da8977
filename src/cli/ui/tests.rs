use super::*;

#[test]
fn a_long_last_column_wraps_and_the_table_stays() {
    let long = "a finding that says what was found, what follows from it, and what to do about it ".repeat(4);
    let rows: Vec<Vec<Option<String>>> = [["lock", "good", "free"], ["credentials", "BAD", long.trim()]]
        .map(|row| row.map(|cell| Some(cell.to_owned())).to_vec())
        .to_vec();
    for width in [60, 100, 200] {
        let text = table(&["check", "health", "finding"], &rows, true, Some(width));
        let widest = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
        assert!(widest <= width && widest + 15 > width, "{width}: {widest}\n{text}");
        assert!(
            text.contains("credentials") && text.lines().any(|line| line.contains("lock") && line.contains("free")),
            "{text}"
        );
    }
}
