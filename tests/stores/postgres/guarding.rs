//! What keeps a journal's entries as they are: durability that nobody's settings undo, triggers, and roles.

use keybatch::journal::postgres::{Hold, PostgresStore, Power, excess, migrate};
use keybatch::journal::{EntryStore as _, JournalError, ServerTrouble};
use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use super::server::{ADMIN, Database, run};
use super::{clock, holder};
use crate::conformance::histories::{closed, created, history, write};
use crate::harness::tests;

const ROLES: &str = include_str!("../../../contrib/postgres/roles.sql");

tests![; async
    a_commit_is_durable_whatever_the_role_or_the_database_sets,
    entries_and_checkpoints_are_never_changed_or_removed,
    a_body_that_is_not_that_of_its_leaf_is_refused,
    a_runner_appends_by_the_functions_and_can_do_nothing_else,
    a_reviewer_reads_everything_and_writes_nothing,
    somebody_without_a_role_can_do_nothing,
    a_role_that_can_do_more_than_it_should_is_named
];

/// Users for the roles, once a server.
const USERS: &str = "DO $$ BEGIN \
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'olga') THEN \
    CREATE ROLE olga LOGIN; CREATE ROLE rudi LOGIN; CREATE ROLE vera LOGIN; CREATE ROLE nina LOGIN; \
    GRANT keybatch_owner TO olga; GRANT keybatch_runner TO rudi; GRANT keybatch_reviewer TO vera; END IF; END $$";

/// A journal as roles.sql makes it: olga may migrate, rudi run, vera review, and nina nothing.
pub(super) async fn with_roles() -> Database {
    let database = Database::new().await;
    // Roles belong to the whole server, and tests run side by side.
    let lock = "BEGIN; SELECT pg_advisory_xact_lock(1)";
    let mut admin = database.connect_to("postgres", ADMIN).await;
    run(&mut admin, lock).await.unwrap();
    database.sql(ROLES).await.unwrap();
    // Roles that another database of the server has do no harm.
    database.sql(ROLES).await.unwrap();
    run(&mut admin, USERS).await.unwrap();
    run(&mut admin, "COMMIT").await.unwrap();
    assert_eq!(migrate(&database.address_of("olga")).await.unwrap(), 0);
    database
}

async fn a_commit_is_durable_whatever_the_role_or_the_database_sets() {
    for (set, kept) in [
        ("ALTER DATABASE {} SET synchronous_commit = off", "on"),
        ("ALTER DATABASE {} SET synchronous_commit = local", "on"),
        ("ALTER ROLE postgres IN DATABASE {} SET synchronous_commit = off", "on"),
        // More than what is needed is left alone.
        ("ALTER DATABASE {} SET synchronous_commit = remote_apply", "remote_apply"),
    ] {
        let database = Database::with_schema().await;
        // What holds at the commit itself.
        let watch = "CREATE TABLE at_commit (setting text, lock_timeout text); \
             CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN INSERT INTO public.at_commit \
             VALUES (current_setting('synchronous_commit'), current_setting('lock_timeout')); RETURN NULL; END $$; \
             CREATE CONSTRAINT TRIGGER watches AFTER INSERT ON keybatch.entry DEFERRABLE INITIALLY DEFERRED \
             FOR EACH ROW EXECUTE FUNCTION watch()";
        database.sql(watch).await.unwrap();
        database.sql(&set.replace("{}", &database.name)).await.unwrap();
        let hold = Hold::take(&database.address(), &holder("run")).await.unwrap();
        let mut store = PostgresStore::open(&database.address(), hold.epoch(), clock()).await.unwrap();
        store.append(vec![created()], None).await.unwrap();
        store.append(vec![closed(1)], None).await.unwrap();
        let rows = database.sql("SELECT setting FROM at_commit").await.unwrap();
        let seen: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
        assert_eq!(seen, [kept, kept], "{set}");
        // Nothing of that stays behind for whoever uses a pooled connection next.
        let mut plain = database.connect(ADMIN).await;
        run(&mut plain, &format!("SELECT * FROM keybatch.renew_hold({})", 1)).await.unwrap();
        let left = run(&mut plain, "SHOW lock_timeout").await.unwrap();
        assert_eq!(left[0].get::<&str, _>(0), "0");
    }
}

async fn entries_and_checkpoints_are_never_changed_or_removed() {
    let database = Database::with_schema().await;
    let hold = Hold::take(&database.address(), &holder("run")).await.unwrap();
    let mut store = PostgresStore::open(&database.address(), hold.epoch(), clock()).await.unwrap();
    store.append(vec![created(), keybatch::journal::checkpoint_draft()], None).await.unwrap();
    let refused = async |settings: &str| {
        for statement in [
            "UPDATE keybatch.entry SET body = body",
            "DELETE FROM keybatch.entry",
            "TRUNCATE keybatch.entry CASCADE",
            "INSERT INTO keybatch.entry (seq, body, leaf) VALUES (7, '{}', sha256('x'))",
            "UPDATE keybatch.checkpoint SET size = 0",
            "DELETE FROM keybatch.checkpoint",
            "TRUNCATE keybatch.checkpoint",
            "DELETE FROM keybatch.head",
            "TRUNCATE keybatch.head",
        ] {
            let error = database.sql(&format!("{settings} {statement}")).await.unwrap_err();
            let code = error.as_database_error().and_then(|error| error.code().map(String::from));
            assert_eq!(code.as_deref(), Some("23000"), "{settings} {statement}: {error}");
        }
    };
    refused("").await;
    refused("SET session_replication_role = replica;").await;
    assert_eq!(database.sql("SELECT 1 FROM keybatch.entry").await.unwrap().len(), 2);
}

async fn a_body_that_is_not_that_of_its_leaf_is_refused() {
    let database = Database::with_schema().await;
    let hold = Hold::take(&database.address(), &holder("run")).await.unwrap();
    let epoch: i64 = database.sql("SELECT epoch FROM keybatch.holder").await.unwrap()[0].get(0);
    let append = |leaf: &str| {
        format!(
            "SELECT said FROM keybatch.append({epoch}, 0, sha256(''), 1, sha256('x'), sha256('x'), NULL, NULL, ARRAY['{{}}'], \
             ARRAY[{leaf}])"
        )
    };
    let error = database.sql(&append("sha256('y')")).await.unwrap_err();
    assert_eq!(error.as_database_error().and_then(|error| error.code()).as_deref(), Some("KB001"));
    assert_eq!(database.sql("SELECT 1 FROM keybatch.entry").await.unwrap().len(), 0);
    let said = database.sql(&append("sha256('\\x00'::bytea || '{}')")).await.unwrap();
    assert_eq!(said[0].get::<&str, _>(0), "taken");
    hold.release().await;
}

/// That each statement is refused for lack of a right.
async fn are_denied(connection: &mut PgConnection, statements: &[&str]) {
    for statement in statements {
        let error = run(connection, statement).await.expect_err(statement);
        let code = error.as_database_error().and_then(|error| error.code().map(String::from));
        assert_eq!(code.as_deref(), Some("42501"), "{statement}: {error}");
    }
}

const WRITING: [&str; 21] = [
    "INSERT INTO keybatch.entry (seq, body, leaf) VALUES (0, '{}', sha256('x'))",
    "UPDATE keybatch.entry SET body = ''",
    "DELETE FROM keybatch.entry",
    "TRUNCATE keybatch.entry",
    "UPDATE keybatch.head SET size = 0",
    "SELECT 1 FROM keybatch.head FOR UPDATE",
    "UPDATE keybatch.holder SET epoch = 7",
    "UPDATE keybatch.intent SET outcome = 'deleted'",
    "UPDATE keybatch.run SET state = 'finished'",
    "INSERT INTO keybatch.checkpoint VALUES (0, 0, '', '')",
    "UPDATE keybatch.schema_version SET version = 99",
    "SELECT keybatch.change('{}')",
    "SELECT keybatch.settings()",
    "CREATE TABLE keybatch.mine ()",
    "DROP TABLE keybatch.entry",
    "ALTER TABLE keybatch.entry DISABLE TRIGGER ALL",
    "DROP TRIGGER entry_not_changed ON keybatch.entry",
    "CREATE OR REPLACE FUNCTION keybatch.refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "SET session_replication_role = replica",
    "SET ROLE keybatch_owner",
    "DROP SCHEMA keybatch CASCADE",
];

/// What a runner may do.
const FUNCTIONS: [&str; 14] = [
    "SELECT keybatch.append(1, 0, sha256(''), 0, sha256(''), '', NULL, NULL, '{}', '{}')",
    "SELECT keybatch.take_hold('')",
    "SELECT keybatch.renew_hold(1)",
    "SELECT keybatch.end_hold(1)",
    "SELECT keybatch.join('', interval '1 minute')",
    "SELECT keybatch.lock_head(0)",
    "SELECT keybatch.claim(1, 1, 1, 1, 1, 1)",
    "SELECT keybatch.reserve(1, '{}', '{}', '{}', '{}', '{}', '{}')",
    "SELECT keybatch.may_finish(1, 1)",
    "SELECT keybatch.listen(1, 1)",
    "SELECT keybatch.hear(1)",
    "SELECT keybatch.reply(1, 1, '', true)",
    "SELECT keybatch.ask(1, '', '')",
    "SELECT keybatch.answers(1)",
];

async fn a_runner_appends_by_the_functions_and_can_do_nothing_else() {
    let database = with_roles().await;
    let address = database.address_of("rudi");
    let hold = Hold::take(&address, &holder("run")).await.unwrap();
    let mut store = PostgresStore::open(&address, hold.epoch(), clock()).await.unwrap();
    let head = write(&mut store, history(1)).await;
    // A session that knows earlier runs only from the tables.
    let mut again = PostgresStore::open(&address, hold.epoch(), clock()).await.unwrap();
    assert_eq!(again.head().await.unwrap().mark(), head);
    write(&mut again, history(2)).await;
    let mut rudi = database.connect("rudi").await;
    are_denied(&mut rudi, &WRITING).await;
    let owners = "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relnamespace = 'keybatch'::regnamespace";
    let rows = run(&mut rudi, owners).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.get(0)).collect::<Vec<&str>>(), ["keybatch_owner"]);
    // What a runner puts in a schema of its own is not found before what the functions mean.
    let trap = "CREATE TEMP TABLE head AS SELECT 0 AS id, 0::bigint AS size; CREATE TEMP TABLE entry ()";
    run(&mut rudi, trap).await.unwrap();
    assert!(matches!(
        migrate(&address).await,
        Err(JournalError::Server { trouble: ServerTrouble::NoRight { .. }, .. })
    ));
    hold.release().await;
}

async fn a_reviewer_reads_everything_and_writes_nothing() {
    let database = with_roles().await;
    let mut vera = database.connect("vera").await;
    let views = "SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'keybatch'::regnamespace AND relkind IN ('r', 'v')";
    let views = run(&mut vera, views).await.unwrap();
    assert!(views.len() >= 20, "{}", views.len());
    for view in &views {
        run(&mut vera, &format!("SELECT * FROM {}", view.get::<&str, _>(0))).await.unwrap();
    }
    are_denied(&mut vera, &WRITING).await;
    let others = ["SELECT * FROM keybatch.head FOR UPDATE", "SELECT * FROM keybatch.take_hold('')"];
    are_denied(&mut vera, &others).await;
    are_denied(&mut vera, &FUNCTIONS).await;
    let refused = Hold::take(&database.address_of("vera"), &holder("run")).await;
    assert!(matches!(refused, Err(JournalError::Server { trouble: ServerTrouble::NoRight { .. }, .. })), "{refused:?}");
}

async fn somebody_without_a_role_can_do_nothing() {
    let database = with_roles().await;
    let mut nina = database.connect("nina").await;
    are_denied(&mut nina, &WRITING).await;
    are_denied(&mut nina, &FUNCTIONS).await;
    are_denied(&mut nina, &["SELECT version FROM keybatch.schema", "SELECT * FROM keybatch.take_hold('')"]).await;
    let refused = Hold::take(&database.address_of("nina"), &holder("run")).await;
    assert!(matches!(refused, Err(JournalError::Server { trouble: ServerTrouble::NoRight { .. }, .. })), "{refused:?}");
}

async fn a_role_that_can_do_more_than_it_should_is_named() {
    let database = with_roles().await;
    let of = async |user: &str| excess(&database.address_of(user)).await.unwrap();
    assert_eq!([of("rudi").await, of("vera").await], [[], []]);
    assert!(of(ADMIN).await.contains(&Power::Superuser));
    assert!(of("olga").await.starts_with(&[Power::Owner, Power::Tables]), "{:?}", of("olga").await);
    let name = format!("greedy_{}", database.name);
    let newer: bool =
        database.sql("SELECT current_setting('server_version_num')::int >= 150000").await.unwrap()[0].get(0);
    database.sql(&format!("CREATE ROLE {name} LOGIN; GRANT keybatch_runner TO {name}")).await.unwrap();
    for (grant, revoke, power) in [
        ("ALTER ROLE {} CREATEROLE", "ALTER ROLE {} NOCREATEROLE", Power::CreateRole),
        ("ALTER ROLE {} REPLICATION", "ALTER ROLE {} NOREPLICATION", Power::Replication),
        ("GRANT INSERT ON keybatch.entry TO {}", "REVOKE INSERT ON keybatch.entry FROM {}", Power::Tables),
        ("GRANT TRIGGER ON keybatch.intent TO {}", "REVOKE TRIGGER ON keybatch.intent FROM {}", Power::Tables),
        ("GRANT UPDATE (size) ON keybatch.head TO {}", "REVOKE UPDATE (size) ON keybatch.head FROM {}", Power::Tables),
        ("GRANT pg_write_all_data TO {}", "REVOKE pg_write_all_data FROM {}", Power::Tables),
        ("GRANT CREATE ON SCHEMA keybatch TO {}", "REVOKE CREATE ON SCHEMA keybatch FROM {}", Power::Schema),
        ("GRANT pg_execute_server_program TO {}", "REVOKE pg_execute_server_program FROM {}", Power::Server),
        (
            "GRANT SET ON PARAMETER session_replication_role TO {}",
            "REVOKE SET ON PARAMETER session_replication_role FROM {}",
            Power::Triggers,
        ),
    ] {
        if power == Power::Triggers && !newer {
            continue;
        }
        database.sql(&grant.replace("{}", &name)).await.unwrap();
        assert_eq!(of(&name).await, [power], "{grant}");
        database.sql(&revoke.replace("{}", &name)).await.unwrap();
        assert_eq!(of(&name).await, [], "{revoke}");
    }
    database.sql(&format!("GRANT keybatch_owner TO {name}")).await.unwrap();
    assert!(of(&name).await.contains(&Power::Owner));
    database.sql(&format!("DROP ROLE {name}")).await.unwrap();
}
