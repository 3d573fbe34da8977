//! The reviewer's views: exactly the columns of the contract, in that order, readable with the plain `sqlite3` shell
//! of Debian (3.40), with sane values.

use crate::shell;
use crate::support::{ACCOUNT, Act, Bench, Effect};

/// Views whose columns the contract lists.
const VIEWS: [(&str, &str); 5] = [
    (
        "runs",
        "run_id, state, stopped_by, started_at, finished_at, sessions, manifest, manifest_sha256, plan_root, \
         account_id, principal_arn, operator, endpoint, sandbox, reason, ticket, rows, deleted, gone, absent, \
         skipped, failed, in_doubt, not_attempted, unsettled, targets",
    ),
    (
        "intents",
        "run_id, row_no, line, key_pair_name, account_id, region, expected_fingerprint, arn, fingerprint, \
         created_at, verdict, outcome, evidence, detail, attempts, operation_id, request_id, error_code, \
         error_message, settled_at, annotations, sandbox, reason, ticket, attempted_at, operator, endpoint, \
         settled_outcome, resolved_by",
    ),
    (
        "attempts",
        "run_id, row_no, attempt, key_pair_name, account_id, region, started_at, finished_at, class, http_status, \
         request_id, operation_id, error_type, error_code, error_message, error_docs, error_tip, raw_body, sandbox, \
         session",
    ),
    (
        "operations",
        "run_id, row_no, source, operation_id, resource_name, resource_type, created_at, availability_zone, \
         region_name, is_terminal, operation_details, operation_type, status, status_changed_at, error_code, \
         error_details, request_id, sandbox, session",
    ),
    ("entries", "seq, at, run_id, row_no, kind, body, sandbox, session"),
];

/// A finished run with a bit of everything.
fn finished() -> Bench {
    shell::needs("sqlite3");
    let bench = Bench::new();
    let names = bench.world.keys("key", 6);
    bench.world.script("DeleteKeyPair", &names[1], [Act::throttle(), Act::cut().with(Effect::Delete)]);
    bench.world.always("DeleteKeyPair", &names[2], Act::denied());
    bench.world.script("DeleteKeyPair", &names[3], [Act::slow(2, "Succeeded")]);
    bench.world.script("DeleteKeyPair", &names[4], [Act::failed_operation()]);
    let mut rows = names;
    rows.push("never-was".to_owned());
    let flags = ["--reason", "old ones", "--ticket", "OPS-1", "--operation-timeout", "20s"];
    bench.run(&bench.manifest(&rows), &flags).exits(3);
    bench
}

/// "Views for reviewers (documented, stable, readable with a plain sqlite3 shell of 3.40)".
fn the_views_have_the_listed_columns() {
    let bench = finished();
    for (view, columns) in VIEWS {
        let sql =
            format!("SELECT group_concat(name, ', ') FROM (SELECT name FROM pragma_table_info('{view}') ORDER BY cid)");
        assert_eq!(shell::read(&bench.journal(), &sql), columns, "{view}");
        let kind = shell::read(&bench.journal(), &format!("SELECT type FROM sqlite_master WHERE name = '{view}'"));
        assert_eq!(kind, "view", "{view}");
    }
}

/// Every view can be read to its last row by the plain shell, also those without listed columns.
fn every_view_can_be_read() {
    let bench = finished();
    let views =
        ["runs", "intents", "attempts", "operations", "errors", "approvals", "overrides", "checkpoints", "entries"];
    for view in views {
        let rows = shell::read(&bench.journal(), &format!("SELECT count(*) FROM (SELECT * FROM {view})"));
        assert!(rows.parse::<u64>().is_ok(), "{view}: {rows}");
        shell::read(&bench.journal(), &format!("SELECT * FROM {view}"));
    }
}

/// "All times are RFC 3339 UTC text."
fn all_times_are_rfc_3339_utc() {
    let bench = finished();
    let columns = [
        ("runs", "started_at"),
        ("runs", "finished_at"),
        ("intents", "created_at"),
        ("intents", "settled_at"),
        ("attempts", "started_at"),
        ("attempts", "finished_at"),
        ("operations", "created_at"),
        ("operations", "status_changed_at"),
        ("entries", "at"),
    ];
    for (view, column) in columns {
        let sql = format!("SELECT {column} FROM {view} WHERE {column} IS NOT NULL");
        let text = shell::read(&bench.journal(), &sql);
        assert!(!text.is_empty(), "{view}.{column} is never set");
        for value in text.lines() {
            assert!(value.ends_with('Z') && value.as_bytes().get(10) == Some(&b'T'), "{view}.{column} = {value}");
            assert!(value.parse::<jiff::Timestamp>().is_ok(), "{view}.{column} = {value}");
        }
    }
    let odd = shell::read(&bench.journal(), "SELECT count(*) FROM entries WHERE length(at) != 27");
    assert_eq!(odd, "0", "entries carry microseconds");
}

/// The view `runs`: who, where, what, and counts that add up.
fn the_run_is_described() {
    let bench = finished();
    let read = |column: &str| shell::read(&bench.journal(), &format!("SELECT {column} FROM runs"));
    assert_eq!(read("state"), "finished");
    assert_eq!(read("stopped_by IS NULL"), "1");
    assert_eq!(read("sessions"), "1");
    assert!(read("manifest").ends_with("deletions.csv"));
    assert_eq!(read("length(manifest_sha256)"), "64", "hexadecimal");
    assert!(!read("plan_root").is_empty());
    assert_eq!(read("account_id"), ACCOUNT);
    assert_eq!(read("principal_arn"), format!("arn:aws:iam::{ACCOUNT}:user/tester"));
    // Not from USER, which says `reviewer` here (`USER=ceo keybatch run` recorded the operator as ceo in 0.1.0).
    let me = std::process::Command::new("id").arg("-un").output().unwrap();
    assert!(read("operator").contains(String::from_utf8(me.stdout).unwrap().trim()), "{}", read("operator"));
    assert_eq!(read("sandbox"), "0");
    assert_eq!((read("reason").as_str(), read("ticket").as_str()), ("old ones", "OPS-1"));
    assert_eq!(read("rows"), "7");
    assert_eq!(
        read("rows = deleted + gone + absent + skipped + failed + in_doubt + unsettled + not_attempted"),
        "1",
        "I10"
    );
    assert_eq!(read("deleted || ' ' || absent || ' ' || failed"), "5 1 1");
}

/// The view `intents`: the observed identity, the manifest's position, and what became of each row.
fn the_intents_are_described() {
    let bench = finished();
    let read = |sql: &str| shell::read(&bench.journal(), sql);
    assert_eq!(read("SELECT group_concat(row_no || ':' || line) FROM intents"), "1:2,2:3,3:4,4:5,5:6,6:7,7:8");
    assert_eq!(
        read("SELECT DISTINCT account_id || ' ' || region FROM intents WHERE outcome != 'absent'"),
        "123456789012 us-east-1"
    );
    let identity = read("SELECT arn || ' ' || fingerprint FROM intents WHERE key_pair_name = 'key-01'");
    let gone = bench.world.state().gone.iter().find(|gone| gone.place.1 == "key-01").unwrap().arn.clone();
    assert!(identity.starts_with(&gone), "{identity}");
    let failed =
        read("SELECT outcome || ' ' || error_code || ' ' || attempts FROM intents WHERE key_pair_name = 'key-03'");
    assert_eq!(failed, "failed AccessDenied 1");
    assert_eq!(
        read("SELECT count(*) FROM intents WHERE outcome IS NULL OR evidence IS NULL OR settled_at IS NULL"),
        "0"
    );
    assert_eq!(read("SELECT count(*) FROM intents WHERE outcome = 'deleted' AND operation_id IS NULL"), "0");
    assert_eq!(read("SELECT count(*) FROM intents WHERE settled_outcome <> outcome OR settled_outcome IS NULL"), "0");
    assert_eq!(read("SELECT count(*) FROM intents WHERE resolved_by IS NOT NULL"), "0");
}

/// What a session wrote names it, in each view that lists single entries.
fn the_session_is_named() {
    let bench = finished();
    let read = |sql: &str| shell::read(&bench.journal(), sql);
    let sessions = read("SELECT seq FROM entries WHERE kind = 'session_opened'");
    assert_eq!(sessions.lines().count(), 1, "{sessions}");
    for view in ["attempts", "errors", "operations", "checkpoints"] {
        assert_eq!(read(&format!("SELECT DISTINCT session FROM {view}")), sessions, "{view}");
    }
    assert_eq!(
        read("SELECT group_concat(seq) FROM entries WHERE session IS NULL"),
        "0",
        "the entry that made the journal"
    );
    assert_eq!(read("SELECT DISTINCT session FROM entries WHERE session IS NOT NULL"), sessions);
}

/// The views `attempts` and `errors`: one row for each request, those with an error listed again.
fn the_attempts_are_described() {
    let bench = finished();
    let read = |sql: &str| shell::read(&bench.journal(), sql);
    let arrived = bench.world.arrived("DeleteKeyPair").len();
    assert_eq!(read("SELECT count(*) FROM attempts"), arrived.to_string());
    assert_eq!(read("SELECT count(*) FROM attempts WHERE started_at > finished_at OR finished_at IS NULL"), "0");
    assert_eq!(read("SELECT group_concat(attempt) FROM attempts WHERE key_pair_name = 'key-02'"), "1,2");
    let ids = read("SELECT request_id FROM attempts WHERE request_id IS NOT NULL");
    for id in ids.lines() {
        assert!(bench.world.arrived("DeleteKeyPair").iter().any(|arrival| arrival.request_id == id), "{id}");
    }
    assert_eq!(read("SELECT count(*) FROM attempts WHERE raw_body LIKE '%aFieldOfTheFuture%'"), "5", "raw bodies");
    let errors = read("SELECT count(*) FROM errors").parse::<u64>().unwrap();
    assert!(errors >= 3, "throttled, cut, denied: {errors}");
    let error = |name: &str| {
        let columns =
            ["type", "code", "message", "docs", "tip"].map(|of| format!("ifnull(error_{of}, '-')")).join(" || '|' || ");
        read(&format!("SELECT {columns} FROM attempts WHERE key_pair_name = '{name}' ORDER BY attempt"))
    };
    let denied = error("key-03");
    assert!(denied.starts_with("AccessDeniedException|AccessDenied|") && !denied.contains("|-"), "{denied}");
    let [throttled, cut] =
        <[String; 2]>::try_from(error("key-02").lines().map(str::to_owned).collect::<Vec<_>>()).unwrap();
    assert!(throttled.starts_with("ThrottlingException|ThrottlingException|"), "{throttled}");
    assert!(cut.starts_with("-|-|") && cut.ends_with("|-|-") && cut.len() > 10, "{cut}");
    assert_eq!(error("key-01"), "-|-|-|-|-", "a success has no error");
    // Nothing is stored twice.
    assert_eq!(
        read("SELECT count(*) FROM entry WHERE body -> '$.json' IS NOT NULL AND body -> '$.error' IS NOT NULL"),
        "0"
    );
    assert_ne!(read("SELECT count(*) FROM entry WHERE body -> '$.error' IS NOT NULL"), "0");
}

/// The view `operations`: what DeleteKeyPair answered, what polls and the history showed.
fn the_operations_are_described() {
    let bench = finished();
    let read = |sql: &str| shell::read(&bench.journal(), sql);
    assert_eq!(read("SELECT DISTINCT operation_type FROM operations"), "DeleteKeyPair");
    assert_eq!(read("SELECT DISTINCT resource_type || ' ' || region_name FROM operations"), "KeyPair us-east-1");
    assert!(read("SELECT count(DISTINCT source) FROM operations").parse::<u64>().unwrap() >= 2, "answers and others");
    assert_ne!(read("SELECT count(*) FROM operations WHERE status = 'Failed' AND error_code IS NOT NULL"), "0");
    let unknown = read("SELECT DISTINCT operation_id FROM operations");
    for id in unknown.lines() {
        assert!(bench.world.state().operations.iter().any(|operation| operation.id == id), "{id}");
    }
}

/// The views can be read while a session is writing.
fn the_views_can_be_read_during_a_session() {
    shell::needs("sqlite3");
    let bench = Bench::new();
    let names = bench.world.keys("key", 3);
    bench.world.script("DeleteKeyPair", "*", [Act::ok().after(std::time::Duration::from_secs(2))]);
    let live = bench.spawn_run(&bench.manifest(&names), &["--concurrency", "1", "--attempt-timeout", "20s"]);
    bench.world.wait_for_deletes(1);
    assert_eq!(shell::read(&bench.journal(), "SELECT state FROM runs"), "running");
    let dangling = "SELECT count(*) FROM attempts WHERE finished_at IS NULL";
    assert_eq!(shell::read(&bench.journal(), dangling), "1", "the attempt is in the journal before its answer");
    live.wait().exits(0);
}

crate::harness::tests![
    the_views_have_the_listed_columns,
    every_view_can_be_read,
    all_times_are_rfc_3339_utc,
    the_run_is_described,
    the_intents_are_described,
    the_session_is_named,
    the_attempts_are_described,
    the_operations_are_described,
    the_views_can_be_read_during_a_session
];
