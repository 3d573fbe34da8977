//! Hostile and very large manifests.

use std::io::Write as _;
use std::time::{Duration, Instant};

use super::watch::{BOUND_KIB, harmless, shown_everywhere, watched};
use crate::support::{Bench, NASTY};

/// Names, annotations and header names of strangers, kept in the journal by `--skip-invalid`, shown in every place.
#[test]
fn what_a_manifest_says_is_shown_harmlessly() {
    let bench = Bench::new();
    bench.world.key("key-01");
    let nasty = NASTY.replace('"', "");
    let text = format!(
        "key_pair_name,\"{nasty}\",=HYPERLINK(1),reason,ticket\nkey-01,\"{nasty}\",=1+1,\"{nasty}\",-2\n\"{nasty}\",@x,\
         \"\r\n=1\",\"\t=1\",+3\n=cmd,\"a\nb\",\"{nasty}\",x,y\n"
    );
    let manifest = bench.file("hostile.csv", text);
    let refused = bench.run(&manifest, &[]);
    harmless("refused", &refused);
    assert_eq!(refused.code, Some(4), "{refused}");
    let (done, _) = watched(bench.spawn_run(&manifest, &["--skip-invalid"]), Duration::from_secs(60));
    harmless("run", &done);
    assert_eq!(done.code, Some(3), "{done}");
    shown_everywhere(&bench, "a manifest");
    for row in ["2", "3"] {
        harmless("a skipped row", &bench.keybatch(&["show", "latest", row]));
    }
    for args in [["show", "latest", NASTY], ["show", NASTY, "1"], ["log", NASTY, "--last"], ["query", NASTY, "--quiet"]]
    {
        harmless("an argument", &bench.keybatch(&args));
    }
    // The file's own name.
    let strange = bench.file("m\u{1b}[31m\u{202e}=x.csv", "key_pair_name\n\u{1b}[31m\n");
    let done = bench.run(&strange, &[]);
    harmless("a file's name", &done);
    assert_eq!(done.code, Some(4), "{done}");
    shown_everywhere(&bench, "a file's name");
}

/// What is too large is refused in bounded memory, with a place; what is merely large is taken.
#[test]
fn large_cells_and_many_columns() {
    let columns: String = (0..10_000).map(|n| format!(",c{n}")).collect();
    let cells: String = (0..10_000).map(|n| format!(",{n}")).collect();
    let cases: Vec<(&str, String, i32)> = vec![
        ("a field of 100 MB", format!("name,x\nkey-01,{}\n", "x".repeat(100_000_000)), 4),
        ("a quoted field of 100 MB", format!("name,x\nkey-01,\"{}\"\n", "x\n".repeat(50_000_000)), 4),
        ("a name of 1 MB", format!("name\n{}\n", "n".repeat(1_000_000)), 4),
        ("a header of 100 MB", format!("name,{}\nkey-01,\n", "h".repeat(100_000_000)), 4),
        ("ten thousand columns", format!("name{columns}\nkey-01{cells}\n"), 0),
        ("a million columns", format!("name{}\nkey-01\n", ",c".repeat(1_000_000)), 4),
        ("nothing but quotes", "\"".repeat(10_000_000), 4),
        ("nothing but line ends", "\n".repeat(50_000_000), 4),
        ("nothing but NUL", "\0".repeat(10_000_000), 4),
        ("200,000 bad rows", format!("name\n{}", "?\n".repeat(200_000)), 4),
    ];
    for (what, text, code) in cases {
        let bench = Bench::new();
        bench.world.key("key-01");
        let manifest = bench.file("large.csv", text);
        let (done, peak) = watched(bench.spawn_run(&manifest, &["--dry-run"]), Duration::from_secs(300));
        harmless(what, &done);
        assert_eq!(done.code, Some(code), "{what}\n{done}");
        assert!((1..BOUND_KIB).contains(&peak), "{what}: {peak} KiB");
        eprintln!("{what}: exit {code}, {} MiB", peak / 1024);
    }
}

/// As many rows as there are wanted, streamed: memory does not grow with them.
#[test]
fn rows_without_end_take_bounded_memory() {
    let rows: u64 = std::env::var("KEYBATCH_HOSTILE_ROWS")
        .ok()
        .and_then(|rows| rows.parse().ok())
        .unwrap_or(crate::campaign::size(20_000, 200_000));
    let mut peaks = Vec::new();
    for rows in [rows / 10, rows] {
        let bench = Bench::new();
        bench.world.key("key-0000001");
        let path = bench.home().join("rows.csv");
        let mut file = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
        writeln!(file, "key_pair_name,reason,owner").unwrap();
        for row in 0..rows {
            writeln!(file, "key-{row:07},no longer in use,somebody with a name").unwrap();
        }
        file.into_inner().unwrap();
        let began = Instant::now();
        let limit = Duration::from_secs(600 + rows / 1_000);
        let (done, peak) = watched(bench.spawn_run(&path, &["--dry-run"]), limit);
        assert_eq!(done.code, Some(0), "{done}");
        assert!((1..BOUND_KIB).contains(&peak), "{rows} rows: {peak} KiB");
        eprintln!("{rows} rows, dry run: {} MiB in {:.1} s", peak / 1024, began.elapsed().as_secs_f64());
        peaks.push(peak);
    }
    let grown = peaks[1].saturating_sub(peaks[0]);
    assert!(grown < BOUND_KIB / 3, "ten times as many rows take {grown} KiB more");
}
