//! The descriptions of the views, which `query --schema` and Datasette show, are those of `docs/JOURNAL.md`; and Datasette's files
//! in `contrib/datasette` have the shipped questions.

use keybatch::review::questions::{Parameter, Question, questions};
use keybatch::review::views;

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

/// A text in YAML's double quotes, which are JSON's.
fn text(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}

/// The canned queries of the database `journal`.
fn queries() -> String {
    questions().iter().map(query).collect::<String>()
}

fn query(question: &Question) -> String {
    let about = |parameter: &Parameter| {
        let optional = if parameter.required { "" } else { " (optional)" };
        format!(" {}{optional}: {}.", parameter.name, parameter.about)
    };
    let about = format!("{}{}", question.about, question.parameters.iter().map(about).collect::<String>());
    let names: Vec<_> = question.parameters.iter().map(|parameter| parameter.name).collect();
    let sql: String = question.sql.lines().map(|line| format!("          {line}\n")).collect();
    format!(
        "      {}:\n        title: {}\n        description: {}\n        params: [{}]\n        sql: |-\n{sql}",
        question.name,
        text(question.title),
        text(&about),
        names.join(", ")
    )
}

const WRITTEN: &str = "# Written by keybatch's tests (UPDATE_DOCS=1 cargo test --test docs -- questions); docs/READERS.md says how it is used.\n";

/// Descriptions, and for the stable version of Datasette the questions.
fn metadata() -> String {
    let mut yaml = format!("{WRITTEN}title: {}\n", text("Journal of keybatch"));
    yaml += "description: \"What was asked of Amazon Lightsail, and what became of it. Rehearsals have 1 in the column sandbox.\"\n";
    yaml += "databases:\n  journal:\n    tables:\n";
    for view in views() {
        yaml += &format!("      {}:\n        description: {}\n        columns:\n", view.name, text(view.about));
        yaml += &view
            .columns
            .iter()
            .map(|(name, about)| format!("          {name}: {}\n", text(about)))
            .collect::<String>();
    }
    yaml + "    queries:\n" + &queries()
}

fn the_files_of_datasette_have_the_questions() {
    generated("contrib/datasette/metadata.yaml", &metadata());
    // 1.0 drops the queries of metadata.yaml without a word.
    let settings = "settings:\n  sql_time_limit_ms: 60000\n  max_returned_rows: 10000\n";
    let yaml = format!("{WRITTEN}{settings}databases:\n  journal:\n    queries:\n{}", queries());
    generated("contrib/datasette/datasette.yaml", &yaml);
}

crate::harness::tests![the_views_are_described_as_in_the_document, the_files_of_datasette_have_the_questions];
