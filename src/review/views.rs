//! The views of a journal as `docs/JOURNAL.md` describes them, which is what `views.tsv` is written from.

/// The description: a line is the view, the column (empty for the view itself) and what it is, with tabs between.
const TEXT: &str = include_str!("views.tsv");

/// A view that reviewers query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Its name.
    pub name: &'static str,
    /// What a row of it is.
    pub about: &'static str,
    /// Its columns, in order: name and meaning.
    pub columns: Vec<(&'static str, &'static str)>,
}

/// All views, in the order in which they are described.
#[must_use]
pub fn views() -> Vec<View> {
    let mut views: Vec<View> = Vec::new();
    for line in TEXT.lines() {
        let mut parts = line.splitn(3, '\t');
        let mut part = || parts.next().unwrap_or_default();
        let (view, column, about) = (part(), part(), part());
        match views.last_mut() {
            Some(last) if last.name == view => last.columns.push((column, about)),
            _ => views.push(View { name: view, about, columns: Vec::new() }),
        }
    }
    views
}
