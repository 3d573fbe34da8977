use std::collections::BTreeSet;

use super::*;
use crate::journal::stage::{Joined, Stage};

async fn stage() -> Stage {
    Stage::new(sqlite_stage().await)
}

async fn sqlite_stage() -> SqliteStage {
    SqliteStage::create(&std::env::temp_dir(), &uuid::Uuid::new_v4().to_string()).await.unwrap()
}

fn row(row: u64, region: &str, name: &str, named: Option<&str>) -> StageRow {
    let (named, body) = (named.map(str::to_owned), format!(r#"{{"line":{row}}}"#));
    StageRow { row, account: String::new(), region: region.into(), name: name.into(), named, body }
}

fn target(account: &str, region: &str) -> Target {
    Target { account: account.into(), region: region.into() }
}

type Any = Joined<serde_json::Value, serde_json::Value>;

#[tokio::test]
async fn targets_are_in_the_order_of_their_first_rows() {
    let mut stage = stage().await;
    let rows = [("b", "x1"), ("", ""), ("", "x2"), ("a", "x3"), ("b", "x4")];
    let rows: Vec<_> = (1..).zip(rows).map(|(number, (region, name))| row(number, region, name, None)).collect();
    stage.put_rows(&rows).await.unwrap();
    let regions = |stage: &Stage| stage.targets().iter().map(|target| target.region.clone()).collect::<Vec<_>>();
    assert_eq!(regions(&stage), ["b", "", "a"]);
    stage.fill_region("a").await.unwrap();
    assert_eq!(regions(&stage), ["b", "a"]);
    stage.fill_region("c").await.unwrap();
    assert_eq!(regions(&stage), ["b", "a"]);
}

/// Whatever there is none of is not looked for, and everything else is found all the same.
#[tokio::test]
async fn a_row_is_joined_with_all_that_is_known() {
    for (twins, used) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut stage = stage().await;
        let mut rows: Vec<_> =
            ["one", "two", "three"].iter().zip(1..).map(|(name, number)| row(number, "r", name, None)).collect();
        rows.extend(twins.then(|| row(4, "r", "two", Some("a"))));
        rows.push(row(5, "other", "two", None));
        stage.put_rows(&rows).await.unwrap();
        stage.index_rows().await.unwrap();
        let pairs = [("one", "[\"a\"]"), ("two", "[\"b\"]"), ("one", "[\"c\"]"), ("one", "[\"c\"]")];
        let pairs = pairs.map(|(name, body)| (name.to_owned(), body.to_owned()));
        stage.put_seen(&target("", "r"), &pairs[..3]).await.unwrap();
        stage.put_seen(&target("", "r"), &pairs[3..]).await.unwrap();
        if used {
            // A page each, and one without any.
            for instance in ["i\"1", "i2"] {
                stage.put_used(&target("", "r"), &[("two".to_owned(), instance.to_owned())]).await.unwrap();
            }
            stage.put_used(&target("", "r"), &[]).await.unwrap();
        }
        let mut joined: Vec<Any> = stage.joined(0, 2).await.unwrap();
        joined.extend(stage.joined(2, 10).await.unwrap());
        assert!(stage.joined::<serde_json::Value, serde_json::Value>(5, 1).await.unwrap().is_empty());
        let lines: Vec<_> = joined.iter().map(|row| (row.row, row.body["line"].as_u64().unwrap())).collect();
        assert_eq!(lines, rows.iter().map(|row| (row.row, row.row)).collect::<Vec<_>>());
        let find = |number: u64| joined.iter().find(|row| row.row == number);
        let (one, two, three) = (find(1).unwrap(), find(2).unwrap(), find(3).unwrap());
        assert_eq!((one.ambiguous, &one.seen), (true, &None));
        assert_eq!((two.ambiguous, &two.seen), (false, &Some(serde_json::json!(["b"]))));
        assert_eq!((three.ambiguous, &three.seen, &three.used, three.first), (false, &None, &None, 3));
        assert_eq!(two.used, used.then(|| (2, "i\"1".to_owned())));
        assert_eq!(find(4).map(|row| row.first), twins.then_some(2));
        assert_eq!((find(5).unwrap().first, &find(5).unwrap().seen), (5, &None));
        let found = stage.twins(0, 10).await.unwrap();
        let staged = |number: u64| (number, format!(r#"{{"line":{number}}}"#));
        let expected = twins.then(|| Twins { name: "two".into(), first: staged(2), later: staged(4) });
        assert_eq!(found, Vec::from_iter(expected));
    }
}

/// Until it is known whether two rows have the same name, they may.
#[tokio::test]
async fn twins_are_found_before_rows_are_findable() {
    let mut stage = stage().await;
    stage.put_rows(&[row(1, "r", "one", None), row(2, "r", "one", None)]).await.unwrap();
    assert_eq!(stage.twins(0, 10).await.unwrap().len(), 1);
    let joined: Vec<Any> = stage.joined(1, 10).await.unwrap();
    assert_eq!(joined.iter().map(|row| (row.row, row.first)).collect::<Vec<_>>(), [(2, 1)]);
}

/// Else the time that planning takes would grow with the square of the rows.
#[tokio::test]
async fn rows_of_a_name_are_found_without_reading_all_rows() {
    use sqlx::Row as _;
    let mut stage = sqlite_stage().await;
    stage.index_rows().await.unwrap();
    for (statement, searched) in [(JOINED_TWINS, "SEARCH d "), (TWINS, "SEARCH d ")] {
        let plan = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}")));
        let plan = plan.fetch_all(&mut stage.connection).await.unwrap();
        let steps: Vec<String> = plan.iter().map(|step| step.get("detail")).collect();
        let found =
            |step: &&String| step.starts_with(searched) && step.ends_with("(account=? AND region=? AND name=?)");
        let found = steps.iter().find(found);
        assert!(found.is_some_and(|step| !step.contains("AUTOMATIC")), "{statement}: {steps:#?}");
    }
}

#[tokio::test]
async fn nothing_stays_behind_and_what_is_replaced_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let mut stage = Stage::new(SqliteStage::create(directory.path(), "name").await.unwrap());
    use std::os::unix::fs::PermissionsExt as _;
    // Nobody else may read it while it is open, and no name leads to it.
    let opened = std::fs::read_dir("/proc/self/fd").unwrap().map(|fd| fd.unwrap().path());
    let ours = opened.filter(|fd| std::fs::read_link(fd).is_ok_and(|to| to.starts_with(directory.path())));
    let modes: Vec<_> = ours.map(|fd| std::fs::metadata(fd).unwrap().permissions().mode() & 0o777).collect();
    assert_eq!(modes, [0o600]);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    stage.put_rows(&[row(1, "r", "one", Some("theirs")), row(2, "r", "two", Some("ours"))]).await.unwrap();
    stage.index_rows().await.unwrap();
    stage.replace(2, r#"{"line":7}"#).await.unwrap();
    let joined: Vec<Any> = stage.joined(0, 10).await.unwrap();
    assert_eq!(joined.iter().map(|row| row.body["line"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 7]);
    stage.settle_home("ours", &BTreeSet::new()).await.unwrap();
    let suspects: Vec<Any> = stage.suspects(0, 10, Refusing { in_use: false, known: false }).await.unwrap();
    assert_eq!(suspects.iter().map(|row| row.row).collect::<Vec<_>>(), [1], "also where every row names an account");
}

#[tokio::test]
async fn suspects_are_rows_of_another_account_or_in_use() {
    let mut stage = stage().await;
    let accounts = [None, Some("ours"), Some("theirs")];
    let rows: Vec<_> =
        accounts.iter().zip(1..).map(|(account, number)| row(number, "r", &format!("k{number}"), *account)).collect();
    stage.put_rows(&rows[..1]).await.unwrap();
    stage.settle_home("ours", &BTreeSet::new()).await.unwrap();
    stage.put_used(&target("ours", "r"), &[("k1".into(), "i".into())]).await.unwrap();
    for (all, in_use, expected) in
        [(false, false, &[][..]), (false, true, &[1]), (true, false, &[3]), (true, true, &[1, 3])]
    {
        if all && !in_use {
            stage.put_rows(&rows[1..]).await.unwrap();
        }
        let found: Vec<Any> = stage.suspects(0, 10, Refusing { in_use, known: false }).await.unwrap();
        assert_eq!(found.iter().map(|row| row.row).collect::<Vec<_>>(), expected);
    }
}

/// A name in two accounts is two key pairs: nothing that is known of one is said of the other.
#[tokio::test]
async fn a_name_in_two_accounts_is_two_key_pairs() {
    let mut stage = stage().await;
    let of = |number: u64, account: &str, named: Option<&str>| StageRow {
        account: account.into(),
        ..row(number, "r", "k", named)
    };
    let rows = [of(1, "", None), of(2, "b", Some("b")), of(3, "c", Some("c")), of(4, "b", Some("b"))];
    stage.put_rows(&rows).await.unwrap();
    assert_eq!(stage.targets(), [target("", "r"), target("b", "r"), target("c", "r")]);
    stage.index_rows().await.unwrap();
    let twins = stage.twins(0, 10).await.unwrap();
    assert_eq!(twins.iter().map(|twins| (twins.first.0, twins.later.0)).collect::<Vec<_>>(), [(2, 4)]);
    stage.settle_home("a", &BTreeSet::from(["b", "c"])).await.unwrap();
    for account in ["a", "b"] {
        stage.put_seen(&target(account, "r"), &[("k".into(), format!("[\"{account}\"]"))]).await.unwrap();
    }
    stage.put_used(&target("c", "r"), &[("k".into(), "i".into())]).await.unwrap();
    assert_eq!(
        stage.among(r#"[["a","r","k",7],["b","r","k",8],["d","r","k",9],["a","s","k",10]]"#).await.unwrap(),
        "[7,8]"
    );
    stage
        .put_known(
            "run",
            false,
            r#"[["a","r","k",null,"2026-01-01T00:00:00Z"],["c","r","k",null,"2026-01-01T00:00:00Z"]]"#,
        )
        .await
        .unwrap();
    let joined: Vec<Any> = stage.joined(0, 10).await.unwrap();
    let told = joined.iter().map(|row| {
        let seen = row.seen.as_ref().map(|seen| seen[0].as_str().unwrap().to_owned());
        (row.account.as_str(), seen, row.used.is_some(), row.known.len(), row.first)
    });
    let expected = [
        ("a", Some("a".to_owned()), false, 1, 1),
        ("b", Some("b".to_owned()), false, 0, 2),
        ("c", None, true, 1, 3),
        ("b", Some("b".to_owned()), false, 0, 2),
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected);
    let suspects: Vec<Any> = stage.suspects(0, 10, Refusing { in_use: false, known: false }).await.unwrap();
    assert!(suspects.is_empty(), "each is in the account that it names");
}

/// A row that names an account which is not reached is in no target, and is no row of the home account either.
#[tokio::test]
async fn a_row_of_an_account_that_is_not_reached_is_a_suspect() {
    let mut stage = stage().await;
    let of = |number, account: &str| StageRow { account: account.into(), ..row(number, "r", "k", Some(account)) };
    stage.put_rows(&[of(1, "z"), of(2, "a"), of(3, "b")]).await.unwrap();
    stage.index_rows().await.unwrap();
    stage.settle_home("a", &BTreeSet::from(["a", "b"])).await.unwrap();
    assert_eq!(stage.targets(), [target("a", "r"), target("b", "r")]);
    let suspects: Vec<Any> = stage.suspects(0, 10, Refusing { in_use: false, known: false }).await.unwrap();
    assert_eq!(suspects.iter().map(|row| row.row).collect::<Vec<_>>(), [1]);
    let joined: Vec<Any> = stage.joined(0, 10).await.unwrap();
    assert!(joined.iter().all(|row| row.first == row.row), "{joined:?}");
}

/// Only the credentials show that two rows are in the same target, one that names the home account and one that names none.
#[tokio::test]
async fn rows_that_name_the_home_account_are_at_home() {
    let mut stage = stage().await;
    let named = StageRow { account: "a".into(), ..row(2, "r", "k", Some("a")) };
    stage.put_rows(&[row(1, "r", "k", None), named]).await.unwrap();
    stage.index_rows().await.unwrap();
    assert!(stage.twins(0, 10).await.unwrap().is_empty());
    stage.settle_home("a", &BTreeSet::from(["b", "c"])).await.unwrap();
    assert_eq!(stage.targets(), [target("a", "r")]);
    assert_eq!(stage.twins(0, 10).await.unwrap().len(), 1);
    let joined: Vec<Any> = stage.joined(0, 10).await.unwrap();
    assert!(joined.iter().all(|row| row.account == "a" && row.first == 1));
}
