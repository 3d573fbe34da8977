//! The descriptions of the views, which `query --schema` and Datasette show, are those of `docs/JOURNAL.md`.

use super::{generated, quoted, read, table};

/// The views as the document describes them: a line for each view and column, its parts with tabs between.
fn described(document: &str) -> String {
    let mut lines = String::new();
    let plain = |text: &str| text.replace('`', "");
    let names = document.lines().filter_map(|line| line.strip_prefix("### View "));
    for name in names.map(|name| name.trim_matches('`')) {
        let heading = format!("### View `{name}`");
        let below = document.lines().skip_while(|line| *line != heading).skip(1);
        let paragraph: Vec<&str> = below
            .skip_while(|line| line.is_empty())
            .take_while(|line| !line.is_empty() && !line.starts_with('#'))
            .collect();
        lines += &format!("{name}\t\t{}\n", plain(&paragraph.join(" ")));
        // What is wrong is what attempts are, and there they are described.
        let of = if name == "errors" { "### View `attempts`" } else { &heading };
        for row in table(document, of) {
            lines += &format!("{name}\t{}\t{}\n", quoted(&row[0]), plain(&row[1]));
        }
    }
    lines
}

fn the_views_are_described_as_in_the_document() {
    let lines = described(&read("docs/JOURNAL.md"));
    for line in lines.lines() {
        assert!(line.split('\t').count() == 3 && !line.ends_with('\t'), "says nothing: {line:?}");
    }
    generated("src/review/views.tsv", &lines);
}

crate::harness::tests![the_views_are_described_as_in_the_document];
