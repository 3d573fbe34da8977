use super::*;
use crate::record::plan::{PlanCaller, PlanManifest, Verdict};

fn header(rows: u64) -> PlanHeader {
    PlanHeader {
        schema: PLAN_SCHEMA.into(),
        action: ACTION.into(),
        plan_id: "01929d0e-6f9c-7c2e-8d6a-0d1f8e8f9b11".into(),
        made_at: "2026-11-25T09:00:00.000000Z".into(),
        made_by: "alice@build".into(),
        expires_at: Some("2026-11-28T09:00:00.000000Z".into()),
        ticket: Some("OPS-1".into()),
        reason: None,
        manifest: PlanManifest { name: "d.csv".into(), sha256: "ab".repeat(32), bytes: 99, rows },
        endpoint: "https://lightsail.{region}.amazonaws.com".into(),
        callers: vec![PlanCaller { account: "111122223333".into(), arn: "arn:aws:iam::111122223333:user/a".into() }],
        settings: [("if_in_use".to_owned(), "warn".to_owned())].into(),
        policy_sha256: None,
        version: "0.1.0".into(),
    }
}

fn row(number: u64) -> PlanRow {
    let verdict = [Verdict::Delete, Verdict::Skip, Verdict::Absent][(number % 3) as usize];
    PlanRow::of(number, format!("key-{number}"), "111122223333".into(), "us-east-1".into(), verdict)
}

fn plan(rows: impl IntoIterator<Item = PlanRow>, count: u64) -> Vec<u8> {
    let mut writer = PlanWriter::begin(Vec::new(), header(count)).unwrap();
    rows.into_iter().try_for_each(|row| writer.row(&row).map(drop)).unwrap();
    writer.finish().unwrap().1
}

fn read(bytes: &[u8]) -> Result<(Vec<PlanRow>, PlanSeal), PlanFault> {
    let mut reader = PlanReader::open(bytes)?;
    let mut rows = Vec::new();
    while let Some(row) = reader.next()? {
        rows.push(row);
    }
    assert!(reader.next()?.is_none());
    let seal = reader.seal().cloned().unwrap();
    Ok((rows, seal))
}

#[test]
fn what_was_written_is_read_and_a_writer_would_write_it_again() {
    for count in [0, 1, 2, 3, 8] {
        let rows: Vec<_> = (1..=count).map(row).collect();
        let bytes = plan(rows.clone(), count);
        let (found, seal) = read(&bytes).unwrap();
        assert_eq!((found, seal.rows), (rows, count));
        assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count() as u64, count + 2);
    }
}

#[test]
fn a_plan_with_any_one_byte_changed_is_no_plan() {
    let bytes = plan((1..=3).map(row), 3);
    for place in 0..bytes.len() {
        for value in 0..=255u8 {
            let mut changed = bytes.clone();
            changed[place] = value;
            assert_eq!(read(&changed).is_ok(), value == bytes[place], "byte {place} as {value}");
        }
    }
}

#[test]
fn a_plan_with_any_byte_removed_or_added_is_no_plan() {
    let bytes = plan((1..=3).map(row), 3);
    for place in 0..=bytes.len() {
        assert!(place == bytes.len() || read(&bytes[..place]).is_err(), "cut at {place}");
        for value in [b'\n', b' ', b'\r', b'0', b'"', b'}', 0, 0xff] {
            let mut longer = bytes.clone();
            longer.insert(place, value);
            assert!(read(&longer).is_err(), "{value} at {place}");
        }
        if place < bytes.len() {
            let mut shorter = bytes.clone();
            shorter.remove(place);
            assert!(read(&shorter).is_err(), "without byte {place}");
        }
    }
}

#[test]
fn a_plan_with_any_line_moved_doubled_or_removed_is_no_plan() {
    let bytes = plan((1..=4).map(row), 4);
    let lines: Vec<_> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let refused = |changed: &[&[u8]], how: &str| assert!(read(&changed.concat()).is_err(), "{how}");
    for from in 0..lines.len() {
        let mut removed = lines.clone();
        let line = removed.remove(from);
        refused(&removed, &format!("without line {from}"));
        for to in 0..lines.len() {
            if to != from {
                let mut moved = removed.clone();
                moved.insert(to, line);
                refused(&moved, &format!("line {from} at {to}"));
            }
            let mut doubled = lines.clone();
            doubled.insert(to, line);
            refused(&doubled, &format!("line {from} once more at {to}"));
        }
        refused(&[&lines[..], &[line]].concat(), &format!("line {from} once more at the end"));
    }
}

#[test]
fn a_plan_is_told_what_is_wrong_with_it() {
    let bytes = plan((1..=2).map(row), 2);
    let text = String::from_utf8(bytes).unwrap();
    let fault = |text: String| {
        let fault = read(text.as_bytes()).unwrap_err();
        (fault.line, format!("{:?}", fault.kind).split(['(', ' ', '{']).next().unwrap().to_owned())
    };
    let expect = |text: String, line: u64, kind: &str| assert_eq!(fault(text), (line, kind.to_owned()));
    expect(String::new(), 1, "Empty");
    expect("key_pair_name\na\n".into(), 1, "NoPlan");
    expect("{\"schema\":\"keybatch.plan/2\"}\n".into(), 1, "Version");
    expect(text.replace(ACTION, "ec2:DeleteKeyPair"), 1, "Action");
    expect(text.replace("\"key-1\"", "\"key-9\""), 4, "Seal");
    expect(text.replace("\"key-1\"", "\"key\\u002d1\""), 2, "NotCanonical");
    expect(text.replace("\"name\":\"key-1\"", "\"name\":\"key-1\",\"nome\":1"), 2, "NotCanonical");
    expect(text.replace("\"name\":\"key-1\",", ""), 2, "Shape");
    expect(text.replacen("\"row\":1", "\"row\":3", 1), 2, "OutOfOrder");
    expect(text.trim_end().to_owned(), 4, "Cut");
    expect(text.lines().take(3).map(|line| format!("{line}\n")).collect(), 4, "NoSeal");
    expect(format!("{text}\n"), 5, "Trailing");
    expect(format!("{{\"schema\":\"keybatch.plan/1\",{}\n", " ".repeat(MAX_PLAN_LINE)), 1, "TooLong");
    expect(String::from_utf8(plan((1..=2).map(row), 3)).unwrap(), 4, "Rows");
}

#[test]
fn a_line_that_would_be_too_long_is_not_written() {
    let mut writer = PlanWriter::begin(Vec::new(), header(1)).unwrap();
    let long = PlanRow { reason: Some("x".repeat(MAX_PLAN_LINE)), ..row(1) };
    assert!(matches!(writer.row(&long), Err(PlanFileError::TooLong { line: 2, .. })));
}
