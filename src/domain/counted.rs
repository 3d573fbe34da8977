//! A number with the noun that it counts.

/// `count` with the noun in singular or plural: `1 row`, `2 rows`, `0 rows`.
#[must_use]
pub fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular() {
        let rows = [0, 1, 2].map(|count| counted(count, "row", "rows"));
        assert_eq!(rows, ["0 rows", "1 row", "2 rows"]);
    }
}
