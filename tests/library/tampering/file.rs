//! The file itself: random bytes changed, pages exchanged, the file cut or grown. What `verify` calls sound is sound:
//! everything in the database is what it was.

use std::collections::BTreeMap;
use std::path::Path;

use keybatch::journal::PROJECTIONS;
use keybatch::verify::Verdict;
use sqlx::{Connection as _, Row as _};

use super::sample::{Copy, raw, run, sample, whole};
use crate::campaign;

/// Everything that anybody can read in the database.
async fn content(path: &Path) -> Result<Vec<String>, sqlx::Error> {
    let mut connection = raw(path).await;
    let mut all = Vec::new();
    let mut queries = vec![
        // Of the migrator's own table nothing is promised.
        "SELECT type || name || tbl_name || coalesce(sql, '') FROM sqlite_schema \
         WHERE tbl_name <> '_sqlx_migrations' ORDER BY name"
            .to_owned(),
        "SELECT 'id ' || application_id FROM pragma_application_id".to_owned(),
        "SELECT 'version ' || user_version FROM pragma_user_version".to_owned(),
    ];
    for table in PROJECTIONS.into_iter().chain(["entry", "head"]) {
        let names: Vec<String> = sqlx::query("SELECT name FROM pragma_table_info(?)")
            .bind(table)
            .fetch_all(&mut connection)
            .await?
            .iter()
            .map(|row| format!("quote({})", row.get::<String, _>(0)))
            .collect();
        queries.push(format!("SELECT {} FROM {table}", names.join(" || ',' || ")));
    }
    for query in queries {
        let rows = sqlx::query(sqlx::AssertSqlSafe(query)).fetch_all(&mut connection).await?;
        for row in rows {
            all.push(row.try_get(0)?);
        }
    }
    connection.close().await?;
    Ok(all)
}

/// Bytes of a page of a database, by its header.
fn page_size(file: &[u8]) -> usize {
    usize::from(u16::from_be_bytes([file[16], file[17]]))
}

#[test]
fn damage_is_found_or_does_none() {
    let (file, original) = (&sample().file, run(content(&Copy::new().path())).unwrap());
    let size = page_size(file);
    let seed = std::env::var("KEYBATCH_TAMPER_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_124);
    let mut random = fastrand::Rng::with_seed(seed);
    let cases = if whole() { 20_000 } else { campaign::size(60, 300) };
    let copy = Copy::new();
    let mut counts = BTreeMap::<&str, usize>::new();
    for case in 0..cases {
        let mut damaged = file.clone();
        match case % 10 {
            // A stretch that is overwritten, two pages exchanged, the file cut, the file grown.
            0 => {
                let at = random.usize(..damaged.len());
                let end = (at + random.usize(1..600)).min(damaged.len());
                damaged[at..end].fill_with(|| random.u8(..));
            }
            1 => {
                let pages = damaged.len() / size;
                let (a, b) = (random.usize(..pages), random.usize(..pages));
                let page = damaged[a * size..][..size].to_vec();
                damaged.copy_within(b * size..(b + 1) * size, a * size);
                damaged[b * size..][..size].copy_from_slice(&page);
            }
            2 => damaged.truncate(random.usize(..damaged.len())),
            3 => damaged.extend(std::iter::repeat_n(0, random.usize(1..9000))),
            // The header and the page of the schema more often than others.
            4 => damaged[random.usize(..100)] ^= 1 << random.u8(..8),
            5 => damaged[random.usize(100..size)] ^= 1 << random.u8(..8),
            _ => {
                let at = random.usize(..damaged.len());
                damaged[at] ^= 1 << random.u8(..8);
            }
        }
        copy.put(&damaged);
        let report = run(copy.verify());
        *counts.entry(report.verdict.as_str()).or_default() += 1;
        if report.verdict == Verdict::SelfConsistent {
            let now = run(content(&copy.path()));
            let same = now.as_ref().is_ok_and(|now| *now == original);
            let differs = now
                .as_ref()
                .map(|now| now.iter().zip(&original).filter(|(now, was)| now != was).take(3).collect::<Vec<_>>());
            assert!(same, "seed {seed}, case {case}: sound, but not what it was: {report:?}, {differs:?}");
        }
    }
    eprintln!("damaged {cases} times (seed {seed}): {counts:?}");
}

/// Where entries stand in another order than their numbers, there is no end to be reached by going on from the last one.
#[test]
fn no_bit_of_an_inner_page_makes_it_run_for_ever() {
    use std::time::Duration;
    let file = &sample().file;
    let copy = Copy::new();
    let mut counts = BTreeMap::<&str, usize>::new();
    // Interior pages of tables: which child holds which numbers stands in the cells at their end.
    let size = page_size(file);
    let inner = (1..file.len() / size).filter(|page| file[page * size] == 5);
    let step = if whole() { 1 } else { campaign::size(53, 7) };
    let places = inner.flat_map(|page| page * size..(page + 1) * size).filter(|at| file[*at] != 0);
    for (case, at) in places.enumerate().filter(|(case, _)| case % step == 0) {
        let mut damaged = file.clone();
        damaged[at] ^= 1 << (case % 8);
        copy.put(&damaged);
        let report = run(async { tokio::time::timeout(Duration::from_secs(60), copy.verify()).await });
        let report = report.unwrap_or_else(|_| panic!("byte {at}, bit {}: it does not end", case % 8));
        *counts.entry(report.verdict.as_str()).or_default() += 1;
    }
    assert!(counts.values().sum::<usize>() > 5, "{counts:?}");
    eprintln!("inner pages: {counts:?}");
}

/// The children of an inner page exchanged: SQLite then gives entries that are not those asked for.
#[test]
fn children_in_another_order_are_damage() {
    use std::time::Duration;
    let file = &sample().file;
    let copy = Copy::new();
    let mut cases = 0;
    let size = page_size(file);
    for page in (1..file.len() / size).filter(|page| file[page * size] == 5) {
        let begin = page * size;
        let count = usize::from(u16::from_be_bytes([file[begin + 3], file[begin + 4]]));
        for cell in 1..count {
            let at = |cell: usize| begin + 12 + 2 * cell;
            let mut damaged = file.clone();
            damaged.copy_within(at(cell)..at(cell) + 2, at(0));
            damaged[at(cell)..at(cell) + 2].copy_from_slice(&file[at(0)..at(0) + 2]);
            copy.put(&damaged);
            let report = run(async { tokio::time::timeout(Duration::from_secs(60), copy.verify()).await });
            let report = report.unwrap_or_else(|_| panic!("page {page}, cell {cell}: it does not end"));
            assert!(!report.verdict.is_sound(), "page {page}, cell {cell}: {report:?}");
            cases += 1;
        }
    }
    assert!(cases > 0);
}

/// Neither a cut nor other bytes at its beginning make a file one that cannot be judged: it is damaged.
#[test]
fn a_file_without_its_beginning_is_damaged() {
    let copy = Copy::new();
    let mut other = sample().file.clone();
    other[0] ^= 0x20;
    for damaged in [&sample().file[..50], &sample().file[..512], &sample().file[..page_size(&sample().file)], &other] {
        copy.put(damaged);
        let report = run(copy.verify());
        assert_eq!(report.verdict, Verdict::Corrupt, "{} bytes: {report:?}", damaged.len());
    }
}
