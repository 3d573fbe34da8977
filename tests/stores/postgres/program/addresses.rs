//! Where the journal is said to be, who may use it, and what is said where it cannot be used.

use super::super::guarding::with_roles;
use super::super::pooling::{pooler, until_it_listens};
use super::super::server::{ADMIN, Database, SECRETIVE};
use super::{bench, is_sound};
use crate::harness::tests;
use crate::support::Bench;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

tests![
    an_address_that_cannot_be_used_is_refused;
    async the_journal_is_named_by_a_variable_or_a_file_as_well,
    without_a_schema_the_command_that_makes_it_is_named,
    a_password_comes_from_a_file,
    each_role_can_do_its_part,
    a_pooler_stands_between,
];

/// The error of `run`, which sent nothing at all.
#[track_caller]
fn refused(bench: &Bench, exit: i32) -> String {
    let done = bench.run(&bench.manifest(&["never-there"]), &[]).exits(exit);
    assert!(bench.world.state().log.is_empty(), "{done}");
    let error = done.json();
    assert_eq!(error["sent"], "nothing", "{done}");
    done.said()
}

// SEMANTICS: P142
fn an_address_that_cannot_be_used_is_refused() {
    let mut bench = Bench::new();
    for (address, exit, said) in [
        ("postgres://me:geheim@127.0.0.1:1/db", 2, "it holds a password"),
        ("postgres://me@127.0.0.1:1/db?password=geheim", 2, "it holds a password"),
        ("postgres://me@127.0.0.1:1/db?sslmode=maybe", 2, "sslmode=maybe is not supported"),
        (
            "postgres://me@127.0.0.1:1/db?target_session_attrs=read-only",
            2,
            "target_session_attrs=read-only is not supported",
        ),
        ("mysql://me@127.0.0.1:1/db", 2, "mysql:// is no place of a journal"),
        ("postgres://me@127.0.0.1:1/db", 9, "the server cannot be reached"),
    ] {
        bench.move_journal(address.into());
        let told = refused(&bench, exit);
        assert!(told.contains(said) && !told.contains("geheim"), "{address}: {told}");
    }
    assert!(std::fs::read_dir(bench.home().join("work")).unwrap().next().is_none(), "nothing was made of an address");
}

async fn the_journal_is_named_by_a_variable_or_a_file_as_well() {
    let (mut bench, _database) = bench().await;
    let names = bench.world.keys("key", 2);
    let journal = bench.journal().display().to_string();
    bench.run(&bench.manifest(&names), &[]).exits(0);
    let runs = |bench: &Bench| {
        let done = crate::support::Live::of(bench.command(&["runs", "--output", "json"]).spawn().unwrap()).wait();
        done.exits(0).json().as_array().unwrap().len()
    };
    bench.set("KEYBATCH_JOURNAL", &journal);
    assert_eq!(runs(&bench), 1);
    bench.unset("KEYBATCH_JOURNAL");
    std::fs::create_dir(bench.home().join("config/keybatch")).unwrap();
    bench.file("config/keybatch/keybatch.toml", format!("journal = \"{journal}\"\n"));
    assert_eq!(runs(&bench), 1);
}

// SEMANTICS: P142
async fn without_a_schema_the_command_that_makes_it_is_named() {
    let database = Database::new().await;
    let mut bench = Bench::new();
    bench.move_journal(format!("{}?application_name=a%20b", database.url(ADMIN, database.port)).into());
    let journal = bench.journal().display().to_string();
    let told = refused(&bench, 9);
    assert!(told.contains("has no schema keybatch yet"), "{told}");
    // Quoted, because a shell reads a question mark.
    assert!(told.contains(&format!("keybatch journal migrate --journal '{journal}'")), "{told}");
    let made = bench.keybatch(&["journal", "migrate", "--output", "json"]).exits(0).json();
    let place = database.url(ADMIN, database.port);
    assert_eq!((&made["before"], &made["journal"]), (&0.into(), &place.into()), "{made}");
    bench.run(&bench.manifest(&bench.world.keys("key", 1)), &[]).exits(0);
    bench.move_journal(database.url(ADMIN, database.port).replace(&database.name, "nowhere").into());
    assert!(bench.keybatch(&["runs"]).exits(9).said().contains("the server has no database nowhere"));
}

async fn a_password_comes_from_a_file() {
    let database = Database::with_schema().await;
    let user = format!("{SECRETIVE}_2");
    let role = format!(
        "DO $$ BEGIN CREATE ROLE {user} LOGIN; EXCEPTION WHEN OTHERS THEN END $$; \
                        ALTER ROLE {user} PASSWORD 'ge:heim'; \
                        GRANT USAGE ON SCHEMA keybatch TO {user}; GRANT SELECT ON ALL TABLES IN SCHEMA keybatch TO {user}"
    );
    database.sql(&role).await.unwrap();
    let mut bench = Bench::new();
    bench.move_journal(database.url(&user, database.port).into());
    let told = bench.keybatch(&["runs"]).exits(9).said();
    assert!(told.contains("PGPASSFILE"), "{told}");
    let file = bench.file("passwords", format!("127.0.0.1:{}:*:{user}:ge\\:heim\n", database.port));
    std::fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    bench.set("PGPASSFILE", &file.display().to_string());
    bench.keybatch(&["runs"]).exits(0);
    // A file that others may read is not used.
    std::fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    bench.keybatch(&["runs"]).exits_one_of(&[2, 9]);
    bench.unset("PGPASSFILE");
    bench.set("PGPASSWORD", "ge:heim");
    bench.keybatch(&["runs"]).exits(0);
}

// SEMANTICS: P143
async fn each_role_can_do_its_part() {
    let database = with_roles().await;
    let mut bench = Bench::new();
    let url = |user: &str| database.url(user, database.port).into();
    bench.move_journal(url("rudi"));
    bench.run(&bench.manifest(&bench.world.keys("key", 3)), &[]).exits(0);
    is_sound(&bench);
    bench.keybatch(&["journal", "migrate"]).exits(9);
    assert!(bench.keybatch(&["doctor"]).said().contains("this user can only append, and read"));
    bench.move_journal(url("vera"));
    let before = bench.query("SELECT count(*) AS n FROM entries");
    let out = |name: &str| bench.home().join(name).display().to_string();
    let (checkpoint, proof, report) = (out("c"), out("p"), out("r"));
    for reading in [
        "runs",
        "show latest",
        "show latest 1",
        "show key-02",
        "log",
        "query --name run-sums",
        "query --name deletions-by-person --param person=reviewer",
        "query --name deleted-but-in-use",
        "export latest --output csv",
        "verify",
        "verify latest",
        &format!("checkpoint -o {checkpoint}"),
        &format!("prove latest 1 -o {proof}"),
        &format!("verify {proof} --checkpoint {checkpoint}"),
        &format!("verify --checkpoint {checkpoint}"),
        &format!("report latest -o {report}"),
        "resume",
    ] {
        let words: Vec<_> = reading.split(' ').collect();
        let done = bench.keybatch(&words);
        if reading == "resume" {
            let told = done.exits(9).said();
            assert!(told.contains("the user lacks a right") && told.contains("keybatch_runner"), "{told}");
        } else {
            done.exits(0);
        }
    }
    let other = bench.manifest(&bench.world.keys("other", 1));
    let sent = bench.world.arrived("DeleteKeyPair").len();
    bench.run(&other, &[]).exits(9);
    assert_eq!(bench.world.arrived("DeleteKeyPair").len(), sent);
    assert_eq!(bench.query("SELECT count(*) AS n FROM entries"), before);
    // Who may not read it is told so, and not that it is damaged.
    bench.move_journal(url("nina"));
    for reading in ["runs", "verify", "show latest"] {
        let told = bench.keybatch(&reading.split(' ').collect::<Vec<_>>()).exits(9).said();
        assert!(told.contains("the user lacks a right") && told.contains("keybatch_reviewer"), "{told}");
    }
}

async fn a_pooler_stands_between() {
    let (mut bench, database) = bench().await;
    let pooler = pooler(&database);
    until_it_listens(pooler.port).await;
    bench.move_journal(database.url(ADMIN, pooler.port).into());
    let names = bench.world.keys("key", 30);
    bench.run(&bench.manifest(&names), &["--canary", "2"]).exits(5);
    bench.resume().exits(0);
    is_sound(&bench);
    for reading in ["runs", "show latest", "log", "query --name run-sums", "export latest --output json", "doctor"] {
        bench.keybatch(&reading.split(' ').collect::<Vec<_>>()).exits(0);
    }
}
