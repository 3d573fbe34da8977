//! Tables, indexes, triggers, views and the marks of the file.

use keybatch::domain::SystemClock;
use keybatch::verify::Verdict;

use super::sample::{Copy, column, run, sample};

/// Verifies after `statements`, which must be found to have altered the journal, and says by which word.
fn altered(copy: &Copy, statements: &str, names: &str) {
    copy.put(&sample().file);
    run(copy.raw(statements));
    let report = run(copy.verified(None, false));
    assert_eq!(report.verdict, Verdict::Altered, "{statements}: {report:?}");
    assert!(report.detail.contains(names), "{statements}: {report:?}");
}

fn named(copy: &Copy, kind: &str) -> Vec<(String, String)> {
    let of = |what: &str| {
        let sql = format!(
            "SELECT {what} FROM sqlite_schema WHERE type = '{kind}' AND name NOT LIKE '\\_sqlx%' ESCAPE '\\' \
             AND sql IS NOT NULL ORDER BY name"
        );
        run(column(&copy.path(), &sql))
    };
    of("name").into_iter().zip(of("sql")).collect()
}

#[test]
fn every_trigger_is_compared() {
    let copy = Copy::new();
    let triggers = named(&copy, "trigger");
    assert!(triggers.len() >= 6);
    for (name, sql) in &triggers {
        altered(&copy, &format!("DROP TRIGGER {name}"), name);
        let defused = sql.replacen("BEGIN", "WHEN 0 BEGIN", 1).replacen("WHEN NEW.seq", "WHEN 0 AND NEW.seq", 1);
        let defused = if sql.contains("WHEN") { sql.replacen("WHEN ", "WHEN 0 AND ", 1) } else { defused };
        altered(&copy, &format!("DROP TRIGGER {name}; {defused}"), name);
        altered(&copy, &format!("DROP TRIGGER {name}; {}", sql.replace("ABORT", "FAIL")), name);
    }
    eprintln!("{} triggers", triggers.len());
}

#[test]
fn every_view_is_compared() {
    let copy = Copy::new();
    let views = named(&copy, "view");
    assert!(views.len() >= 10);
    for (name, sql) in &views {
        altered(&copy, &format!("DROP VIEW {name}"), name);
        altered(&copy, &format!("DROP VIEW {name}; {sql} LIMIT 1"), name);
        altered(&copy, &format!("DROP VIEW {name}; CREATE VIEW {name} AS SELECT 1 AS one"), name);
        altered(&copy, &format!("DROP VIEW {name}; CREATE TABLE {name} (one)"), name);
    }
    eprintln!("{} views", views.len());
}

#[test]
fn every_table_and_index_is_compared() {
    let copy = Copy::new();
    let tables = named(&copy, "table");
    assert!(tables.len() >= 10);
    for (name, _) in &tables {
        altered(&copy, &format!("ALTER TABLE {name} ADD COLUMN extra TEXT"), name);
        altered(&copy, &format!("CREATE INDEX extra ON {name} (1)"), "extra");
        altered(&copy, &format!("CREATE TRIGGER extra AFTER INSERT ON {name} BEGIN SELECT 1; END"), "extra");
    }
    for (name, _) in named(&copy, "index") {
        altered(&copy, &format!("DROP INDEX {name}"), &name);
        altered(&copy, &format!("DROP INDEX {name}; CREATE INDEX {name} ON milestone (seq)"), &name);
    }
    for statements in ["CREATE TABLE extra (a)", "CREATE VIEW extra AS SELECT 1", "CREATE TABLE sqlite_extra (a)"] {
        if statements.contains("sqlite_") {
            continue;
        }
        altered(&copy, statements, "extra");
    }
    // What the migrator keeps is its own; nothing may be hung onto it.
    altered(&copy, "CREATE TRIGGER extra AFTER INSERT ON _sqlx_migrations BEGIN SELECT 1; END", "extra");
    altered(&copy, "CREATE INDEX extra ON _sqlx_migrations (1)", "extra");
    eprintln!("{} tables", tables.len());
}

/// The names that SQLite keeps for what ANALYZE leaves excuse nothing else; a journal that was analysed is as good as before.
#[test]
fn no_name_hides_a_trigger() {
    let copy = Copy::new();
    let hidden = |name: &str, make: &str| {
        format!(
            "{make}; PRAGMA writable_schema = ON; \
             UPDATE sqlite_schema SET name = '{name}', sql = replace(sql, 'extra', '{name}') WHERE name = 'extra'; \
             PRAGMA writable_schema = RESET"
        )
    };
    for name in ["sqlite_stat1", "sqlite_stat4", "sqlite_stat_extra", "_sqlx_migrations_"] {
        altered(&copy, &hidden(name, "CREATE TRIGGER extra AFTER INSERT ON intent BEGIN SELECT 1; END"), name);
        // No session begins on it.
        let opened = run(keybatch::journal::open::store(&copy.path(), std::sync::Arc::new(SystemClock::start())));
        let refused = opened.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(refused.contains(name) && refused.contains("was changed"), "{name}: {refused}");
        altered(&copy, &hidden(name, "CREATE INDEX extra ON intent (outcome)"), name);
    }
    copy.put(&sample().file);
    run(copy.raw("ANALYZE"));
    assert_eq!(run(copy.verify()).verdict, Verdict::SelfConsistent);
    assert!(run(keybatch::journal::open::store(&copy.path(), std::sync::Arc::new(SystemClock::start()))).is_ok());
}

#[test]
fn a_table_that_was_dropped_is_missed() {
    let copy = Copy::new();
    for (name, _) in named(&copy, "table") {
        copy.put(&sample().file);
        run(copy.raw(&format!("DROP TABLE {name}")));
        let report = run(copy.verify());
        assert!(!report.verdict.is_sound(), "{name}: {report:?}");
    }
}

#[test]
fn the_marks_of_the_file_are_compared() {
    let cases = [
        ("PRAGMA application_id = 0", Verdict::Altered),
        ("PRAGMA application_id = 1", Verdict::CannotVerify),
        ("PRAGMA user_version = 0", Verdict::Altered),
        ("PRAGMA user_version = -1", Verdict::Altered),
        ("PRAGMA user_version = 1", Verdict::Altered),
        ("PRAGMA user_version = 4", Verdict::CannotVerify),
    ];
    let copy = Copy::new();
    for (statements, verdict) in cases {
        copy.put(&sample().file);
        run(copy.raw(statements));
        let report = run(copy.verify());
        assert_eq!(report.verdict, verdict, "{statements}: {report:?}");
    }
}
