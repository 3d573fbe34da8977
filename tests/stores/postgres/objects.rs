//! What a journal's schema consists of, and that anything else is told.

use std::collections::BTreeMap;
use std::path::Path;

use keybatch::journal::open;
use keybatch::journal::postgres::objects::{LISTING, Object, hash, read};
use keybatch::journal::{Reservation, SchemaDifference};

use super::server::{Database, run};
use crate::harness::tests;

tests![; async the_list_of_objects_is_that_of_a_new_journal, whatever_is_not_as_it_was_made_is_told];

const FILE: &str = "src/journal/postgres/objects.txt";

/// What `objects.txt` has to say: what is in the schema of this server, together with how other servers write the views.
///
/// After a change of the migrations, `UPDATE_DOCS=1` writes it anew; then the texts of views of other servers are missing, until the same is
/// done with each of them.
async fn the_list_of_objects_is_that_of_a_new_journal() {
    let database = Database::with_schema().await;
    let mut connection = database.connect(super::server::ADMIN).await;
    run(&mut connection, "SET search_path = pg_catalog, pg_temp").await.unwrap();
    let rows = run(&mut connection, LISTING).await.unwrap();
    let found: Vec<Object> = rows.iter().map(|row| read(row).unwrap()).collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let before = std::fs::read_to_string(&path).unwrap();
    let after = listed(&before, &found);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &after).unwrap();
    }
    assert_eq!(before, after, "UPDATE_DOCS=1 writes {FILE}");
}

fn listed(before: &str, found: &[Object]) -> String {
    // Those that make views: the others have no text that another server writes differently.
    let migrations = ["0001_journal", "0002_append", "0003_views"].map(|name| {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/postgres").join(name).with_extension("sql");
        std::fs::read_to_string(file).unwrap()
    });
    let migrations = format!("# migrations\t{}", hash(&migrations.concat()));
    let mut majors = vec![found[0].major];
    let mut hashes: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    if before.lines().next() == Some(&migrations) {
        for line in before.lines().skip(1) {
            let parts: Vec<_> = line.split('\t').collect();
            if parts[0] == "# servers" {
                majors.extend(parts[1].split(' ').map(|major| major.parse::<i64>().unwrap()));
            } else if parts[0] == "view" {
                hashes.insert((parts[0], parts[1]), parts[2..].to_vec());
            }
        }
    }
    for object in found {
        hashes.entry((&object.kind, &object.name)).or_default().push(&object.hash);
    }
    majors.sort_unstable();
    majors.dedup();
    let majors: Vec<_> = majors.iter().map(i64::to_string).collect();
    let mut lines = vec![migrations, format!("# servers\t{}", majors.join(" "))];
    lines.extend(hashes.into_iter().map(|((kind, name), mut hashes)| {
        hashes.sort_unstable();
        hashes.dedup();
        format!("{kind}\t{name}\t{}", hashes.join("\t"))
    }));
    lines.join("\n") + "\n"
}

async fn told(database: &Database) -> Vec<String> {
    let mut snapshot = open::snapshot(database.location()).await.unwrap();
    snapshot.begin().await.unwrap();
    let told = snapshot.schema_differences().await.unwrap().iter().map(SchemaDifference::told).collect();
    snapshot.end().await;
    told
}

async fn whatever_is_not_as_it_was_made_is_told() {
    let errors = "CREATE VIEW keybatch.errors AS SELECT 'x'::text AS run_id";
    for (statement, expected) in [
        ("SELECT 1", ""),
        ("DROP VIEW keybatch.errors", "the view errors was removed"),
        (&*format!("DROP VIEW keybatch.errors; {errors}"), "the view errors was changed"),
        ("DROP TRIGGER head_not_removed ON keybatch.head", "the trigger head_not_removed on head was removed"),
        (
            "ALTER TABLE keybatch.entry DISABLE TRIGGER entry_not_changed",
            "the trigger entry_not_changed on entry was changed",
        ),
        (
            "ALTER TABLE keybatch.entry ENABLE TRIGGER entry_not_changed",
            "the trigger entry_not_changed on entry was changed",
        ),
        ("ALTER TABLE keybatch.attempt DISABLE TRIGGER ALL", "the table attempt was changed"),
        ("CREATE TABLE keybatch.more (a int)", "the table more was added"),
        ("CREATE RULE r AS ON INSERT TO keybatch.entry DO INSTEAD NOTHING", "the rule r on entry was added"),
        ("ALTER TABLE keybatch.entry SET UNLOGGED", "the table entry was changed"),
        ("ALTER TABLE keybatch.attempt ENABLE ROW LEVEL SECURITY", "the table attempt was changed"),
        ("ALTER TABLE keybatch.entry ALTER COLUMN leaf DROP NOT NULL", "the table entry was changed"),
        ("CREATE POLICY p ON keybatch.run", "the policy p on run was added"),
        ("CREATE FUNCTION keybatch.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "the function f was added"),
        ("CREATE DOMAIN keybatch.d AS text", "the type d was added"),
        (
            "CREATE OR REPLACE FUNCTION keybatch.refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
            "the function refuse was changed",
        ),
        (
            "DROP INDEX keybatch.milestone_by_run; CREATE INDEX milestone_by_run ON keybatch.attempt (run_no)",
            "the index milestone_by_run was changed",
        ),
        (
            "CREATE TABLE public.more (a int); CREATE FUNCTION public.count(text) RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "",
        ),
        ("ALTER ROLE postgres SET search_path = keybatch", ""),
        (
            "ALTER TABLE keybatch.entry RESET (fillfactor); ALTER TABLE keybatch.entry SET (autovacuum_enabled = off)",
            "",
        ),
    ] {
        let database = Database::with_schema().await;
        let changed = database.sql(statement).await;
        // What another database keeps is in the way: unlogged tables must not be referred to.
        if let Err(error) = changed {
            assert!(statement.contains("UNLOGGED"), "{statement}: {error}");
            continue;
        }
        assert_eq!(told(&database).await.join("; "), expected, "{statement}");
        let reader = open::reader(database.location()).await.unwrap();
        let reservations = reader.reservations().await.unwrap();
        let expected = (!expected.is_empty()).then(|| Reservation::Changed { what: expected.into() });
        assert_eq!(reservations, Vec::from_iter(expected), "{statement}");
        database.sql("ALTER ROLE postgres RESET search_path").await.unwrap();
    }
}
