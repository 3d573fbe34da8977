//! Manifests as a whole: what comes out of a file, what is refused, how it is shown, and that size does not matter.

use std::convert::Infallible;
use std::io::{self, Read};

use keybatch::manifest::{
    Duplicate, Fault, FaultKind, Faults, FirstLine, Ingested, InvalidRow, Item, MAX_KEPT_FAULTS, Meaning, Options,
    ReadError, Row, read,
};
use miette::{GraphicalReportHandler, GraphicalTheme};
use proptest::prelude::*;

const FINGERPRINT: &str = "d0:0d:30:db:4f:ae:4d:9b:fe:3d:d2:21:7b:84:8b:0c";
const ARN: &str = "arn:aws:lightsail:us-east-1:111122223333:KeyPair/05859e3d-331d-48ba-9034-0123456789ab";

fn read_all(input: &[u8]) -> Result<(Ingested, Vec<Item>), Faults> {
    let mut items = Vec::new();
    let ingested = read("deletions.csv", input, &Options::default(), |item| {
        items.push(item);
        Ok::<_, Infallible>(())
    });
    match ingested {
        Ok(ingested) => Ok((ingested, items)),
        Err(ReadError::Refused(faults)) => Err(faults),
        Err(other) => panic!("{other}"),
    }
}

fn rows(input: &str) -> Vec<Row> {
    let (ingested, items) = read_all(input.as_bytes()).unwrap();
    assert!(ingested.faults.is_empty(), "{}", ingested.faults);
    items.into_iter().map(|item| if let Item::Row(row) = item { row } else { panic!("{item:?}") }).collect()
}

/// The faults of a manifest, refused or not.
fn faults(input: &[u8]) -> Faults {
    match read_all(input) {
        Ok((ingested, _)) => ingested.faults,
        Err(faults) => faults,
    }
}

fn codes(input: &str) -> Vec<&'static str> {
    faults(input.as_bytes()).kept().iter().map(|fault| fault.kind().code()).collect()
}

fn render(faults: &Faults) -> String {
    let mut text = String::new();
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(100);
    handler.render_report(&mut text, faults).unwrap();
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_column_arrives() {
    let input = format!(
        "\u{feff}owner,name,region,account_id,fingerprint,arn,created_at,reason,ticket, cost centre \r\n\
         \"O\"\"Neil, A.\",key-1,us-east-1,111122223333,{FINGERPRINT},{ARN},1714566600.5,old,OPS-1,\r\n"
    );
    let (ingested, items) = read_all(input.as_bytes()).unwrap();
    assert_eq!((ingested.rows, ingested.invalid_rows, ingested.bytes), (1, 0, input.len() as u64));
    assert_eq!(ingested.columns[9], " cost centre ");
    assert_eq!(ingested.sha256.len(), 64);
    let [Item::Row(row)] = &items[..] else { panic!("{items:?}") };
    assert_eq!((row.place.row, row.place.line), (1, 2));
    let record = &input.as_bytes()[row.place.start as usize..row.place.end as usize];
    assert!(record.starts_with(b"\"O\"\"Neil") && record.ends_with(b",OPS-1,"));
    assert_eq!(row.name, "key-1");
    assert_eq!(row.region.as_deref(), Some("us-east-1"));
    assert_eq!(row.account_id.as_deref(), Some("111122223333"));
    assert_eq!(row.expected_fingerprint.as_deref(), Some(FINGERPRINT));
    assert_eq!(row.arn.as_ref().unwrap().text, ARN);
    assert_eq!(row.created_at.as_ref().unwrap().at.to_string(), "2024-05-01T12:30:00.5Z");
    assert_eq!((row.reason.as_deref(), row.ticket.as_deref()), (Some("old"), Some("OPS-1")));
    let annotations = [("owner".to_owned(), "O\"Neil, A.".to_owned()), (" cost centre ".to_owned(), String::new())];
    assert_eq!(row.annotations, annotations);
}

#[test]
fn the_digest_is_that_of_sha256sum() {
    let (ingested, _) = read_all(b"name\nab\n").unwrap();
    // printf 'name\nab\n' | sha256sum
    assert_eq!(ingested.sha256, "15d5ac3f8e10235102be01710e845065a4907f9a3165c962babbae5eb5986e23");
}

#[test]
fn every_spelling_is_known() {
    for name in ["key_pair_name", "keyPairName", "name", " name "] {
        for fingerprint in ["expected_fingerprint", "expectedFingerprint", "fingerprint"] {
            let row = &rows(&format!("{name},{fingerprint}\nab,x\n"))[0];
            assert_eq!((row.name.as_str(), row.expected_fingerprint.as_deref()), ("ab", Some("x")));
        }
    }
}

/// A manifest whose columns `annotations` are declared to be ones.
fn annotated(input: &str, annotations: &[&str]) -> Result<(Ingested, Vec<Item>), Faults> {
    let options =
        Options { annotations: annotations.iter().copied().map(str::to_owned).collect(), ..Options::default() };
    let mut items = Vec::new();
    let ingested = read("m.csv", input.as_bytes(), &options, |item| {
        items.push(item);
        Ok::<_, Infallible>(())
    });
    match ingested {
        Ok(ingested) => Ok((ingested, items)),
        Err(ReadError::Refused(faults)) => Err(faults),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn nearly_spelt_columns_without_such_values_are_annotations_and_noted() {
    let (ingested, items) = read_all(b"name,fingerprnt,creation_date,tickt,note\nab,x,y,z,\n").unwrap();
    let noted: Vec<_> =
        ingested.near_misses.iter().map(|miss| (miss.column, miss.written.as_str(), miss.meant)).collect();
    assert_eq!(noted, [(2, "fingerprnt", "fingerprint"), (3, "creation_date", "created_at"), (4, "tickt", "ticket")]);
    let [Item::Row(row)] = &items[..] else { panic!("{items:?}") };
    assert_eq!((row.expected_fingerprint.as_deref(), row.annotations.len()), (None, 4));
    let (ingested, _) = annotated("name,fingerprnt\nab,x\n", &["Fingerprnt"]).unwrap();
    assert!(ingested.near_misses.is_empty(), "it is said to be an annotation");
}

// The API's own spelling, as PowerShell and `jq @csv` keep it: seen to be ignored, so that rows went to the default region
// without their guards.
#[test]
fn the_api_s_own_names_are_spellings() {
    let row = &rows(&format!(
        "name,Region,Fingerprint,Arn,CreatedAt\nab,us-east-1,{FINGERPRINT},{ARN},2020-01-01T00:00:00Z\n"
    ))[0];
    assert_eq!((row.region.as_deref(), row.expected_fingerprint.as_deref()), (Some("us-east-1"), Some(FINGERPRINT)));
    assert!(row.arn.is_some() && row.created_at.is_some() && row.annotations.is_empty());
    for header in ["location.regionName", "location/regionName", "LOCATION_REGION_NAME"] {
        let row = &rows(&format!("name,location.availabilityZone,{header}\nab,all,eu-central-1\n"))[0];
        assert_eq!(row.region.as_deref(), Some("eu-central-1"));
    }
}

// SEMANTICS: P2
#[test]
fn a_column_that_looks_like_a_guard_is_a_fault_until_it_is_called_an_annotation() {
    let arn = ARN.replace("KeyPair", "Instance");
    for (column, value) in [
        // Lightsail's console, Prowler, Steampipe and AWS Config call them so.
        ("Availability Zone", "eu-central-1a"),
        ("AWS Region", "eu-central-1"),
        ("awsRegion", "eu-central-1"),
        ("Location", "Frankfurt (eu-central-1)"),
        ("RESOURCE_UID", ARN),
        ("attached to", &arn),
        ("key md5", FINGERPRINT),
        ("anything", FINGERPRINT),
        ("AWS Account ID", "111122223333"),
        ("ACCOUNT_UID", "111122223333"),
        ("creation_date", "8/14/2019 10:30:00 AM"),
        ("fingerprnt", "aa:bb:cc"),
        ("regoin", "eu-central-1"),
    ] {
        let input = format!("name,note,{column}\nab,x,\ncd,x,{value}\nef,y,{value}\n");
        let refused = read_all(input.as_bytes()).unwrap_err();
        assert_eq!(refused.total(), 1, "{column}: {refused}");
        let fault = &refused.kept()[0];
        assert_eq!((fault.kind().code(), fault.place().line), ("manifest::column_unread", 3), "{column}");
        assert!(fault.kind().is_of_file() && fault.to_string().contains(column), "{fault}");
        assert!(fault.hint().contains(&format!("--annotation '{column}'")), "{}", fault.hint());
        for lifted in [column, &column.to_uppercase(), &format!("{column},zone"), &column.replace(' ', "_")] {
            let (ingested, items) = annotated(&input, &[lifted]).unwrap();
            assert_eq!((ingested.faults.total(), items.len()), (0, 3), "{lifted}");
            let Item::Row(row) = &items[1] else { panic!() };
            assert_eq!(row.annotations[1], (column.to_owned(), value.to_owned()));
        }
    }
}

#[test]
fn a_guard_beside_its_meaning_is_an_annotation_unless_the_row_has_only_that() {
    let beside = "name,region,Availability Zone\nab,eu-central-1,eu-central-1a\n";
    assert_eq!(codes(beside), Vec::<&str>::new());
    let instead = "name,region,Availability Zone\nab,eu-central-1,eu-central-1a\ncd,,us-east-1a\n";
    let faults = faults(instead.as_bytes());
    assert_eq!((faults.kept()[0].kind().code(), faults.kept()[0].place().line), ("manifest::column_unread", 3));
}

#[test]
fn two_columns_of_one_meaning_are_a_fault_until_one_is_called_an_annotation() {
    let input = "name,Region,location.regionName\nab,us-east-1,eu-central-1\n";
    assert_eq!(codes(input), ["manifest::column_repeated"]);
    let (_, items) = annotated(input, &["Region"]).unwrap();
    let [Item::Row(row)] = &items[..] else { panic!("{items:?}") };
    assert_eq!(row.region.as_deref(), Some("eu-central-1"));
    assert_eq!(row.annotations, [("Region".to_owned(), "us-east-1".to_owned())]);
    // An exact name is that column alone.
    let (_, items) = annotated("name,region,Region\nab,us-east-1,eu-central-1\n", &["Region"]).unwrap();
    let [Item::Row(row)] = &items[..] else { panic!("{items:?}") };
    assert_eq!(row.region.as_deref(), Some("us-east-1"));
    let (ingested, _) = annotated("name\nab\n", &["zone", "a,b", ""]).unwrap();
    assert_eq!(ingested.unknown_annotations, ["zone", "a", "b"]);
}

#[test]
fn faulty_headers_refuse_the_file() {
    for (input, code) in [
        ("", "manifest::empty"),
        ("\u{feff}", "manifest::empty"),
        ("\n\r\n\n", "manifest::empty"),
        ("name\n", "manifest::no_rows"),
        ("name\n\n\n", "manifest::no_rows"),
        ("key\nab\n", "manifest::column_missing"),
        ("name;region\nab;us-east-1\n", "manifest::column_missing"),
        ("name,keyPairName\nab,ab\n", "manifest::column_repeated"),
        ("name,note, note\nab,1,2\n", "manifest::column_repeated"),
        ("name,\nab,\n", "manifest::column_unnamed"),
        ("name, ,x\nab,,\n", "manifest::column_unnamed"),
        ("name,\"x\nab,\n", "manifest::quote_unclosed"),
    ] {
        let refused = read_all(input.as_bytes()).unwrap_err();
        assert_eq!(refused.kept().iter().map(|fault| fault.kind().code()).collect::<Vec<_>>(), [code], "{input:?}");
        assert!(refused.are_of_file() && refused.kept().iter().all(|fault| fault.kind().is_of_file()));
    }
}

#[test]
fn a_missing_name_column_is_explained() {
    for (header, hint) in [
        ("RESOURCE_NAME,region", "did you mean `key_pair_name` instead of `RESOURCE_NAME`?"),
        ("key_pair_nam", "did you mean `key_pair_name` instead of `key_pair_nam`?"),
        ("name;region", "separated by `;`"),
        ("name\tregion", "separated by tabs"),
        ("\"name\";\"region\"", "separated by `;`"),
        ("\"\";\"name\";\"region\"", "separated by `;`"),
        ("\"name\"\t\"region\"", "separated by tabs"),
        // R's write.table without sep.
        ("\"name\" \"region\"", "separated by spaces"),
        ("build-1,us-east-1", "the first line must name the columns"),
        ("owner,region", "accepted spellings are `key_pair_name`, `keyPairName`, `name`"),
    ] {
        let found = faults(format!("{header}\nx\n").as_bytes()).kept()[0].hint();
        assert!(found.contains(hint), "{header}: {found}");
    }
}

// SEMANTICS: P2
#[test]
fn all_faults_of_a_row_are_found_at_once() {
    let input = format!("name,region,account_id,fingerprint,arn,created_at\n a,us,1,a b,{ARN}x,now\n");
    assert_eq!(
        codes(&input),
        [
            "manifest::name_pattern",
            "manifest::region",
            "manifest::account_id",
            "manifest::fingerprint",
            "manifest::arn",
            "manifest::created_at"
        ]
    );
    let input = format!("name,arn,region,account_id\nab,{ARN},us-west-2,999999999999\n");
    assert_eq!(codes(&input), ["manifest::arn_disagrees", "manifest::arn_disagrees"]);
}

#[test]
fn secrets_are_faults_that_show_and_hand_on_nothing() {
    // The example of AWS's documentation on access keys.
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    let key = format!("-----BEGIN OPENSSH {}-----", "PRIVATE KEY");
    for (input, expected) in [
        (format!("name,note\nab,{key}\ncd,x\n"), &["manifest::secret"][..]),
        (format!("name,secret_access_key\nab,{secret}\n"), &["manifest::secret"]),
        (format!("name,a,b\nab,ASIAIOSFODNN7EXAMPLE,{secret}\n"), &["manifest::secret"]),
        (format!("name,{secret}\nab,x\n"), &["manifest::secret"]),
        (format!("{key}\nAAAAB3\n"), &["manifest::secret"]),
        (
            format!("name,note\n{key}\n{secret}\nAAAAB3Nz\n-----END OPENSSH {}-----\nab,x\n", "PRIVATE KEY"),
            &["manifest::secret"; 4],
        ),
    ] {
        let (found, handed) = match read_all(input.as_bytes()) {
            Ok((ingested, items)) => (ingested.faults, format!("{items:?}")),
            Err(faults) => (faults, String::new()),
        };
        let codes: Vec<_> = found.kept().iter().map(|fault| fault.kind().code()).collect();
        assert_eq!(codes, expected, "{input}");
        assert!(found.kept()[0].hint().contains("remove it"), "{}", found.kept()[0].hint());
        let all = format!("{}{handed}{found:?}{}", render(&found), found.kept()[0].one_line());
        for part in [&secret[..20], &secret[20..], "BEGIN", "AAAAB3"] {
            assert!(!all.contains(part), "{part}: {all}");
        }
    }
}

/// Excel ends rows with their last value, where sixteen rows before have none in the columns behind it; it writes rows of
/// bare commas where cells were formatted or emptied.
#[test]
fn missing_cells_at_the_end_are_empty_and_rows_without_a_value_are_none() {
    let found = rows(
        "\u{feff},,\r\nname,region,note\r\nab,us-east-1\r\n,,\r\n , \t,\u{a0}\r\n\"\",\r\n,,,,,\r\ncd\r\nef,,x\r\n,,",
    );
    let found: Vec<_> =
        found.iter().map(|row| (row.place.row, row.place.line, row.name.as_str(), &row.annotations[0].1[..])).collect();
    assert_eq!(found, [(1, 3, "ab", ""), (2, 8, "cd", ""), (3, 9, "ef", "x")]);
    assert_eq!(codes("name,note\n,,\n"), ["manifest::no_rows"]);
    assert_eq!(codes("name,note\n,x\n"), ["manifest::name_missing"]);
    assert_eq!(codes("name,note\nab,x\ncd"), ["manifest::field_count"], "the file may be cut off");
    assert_eq!(codes("name,note\nab,x\ncd,"), Vec::<&str>::new());
}

/// Python, pandas, Go, jq and people write these where they have no value.
#[test]
fn placeholders_are_faults_where_a_condition_should_be() {
    for word in
        "N/A|None|null|NaN|<nil>|-|#N/A|(null)|undefined|unknown|NULL|n/a| None |??|???|(empty)|(blank)|unset|<unset>|~|\
         [null]|pending|any|0|false|System.Object[]|System.Collections.Generic.List`1[System.String]|#VALUE!|#REF!|#DIV/0!"
        .split('|')
    {
        for column in ["expected_fingerprint", "arn", "created_at", "region", "account_id"] {
            let found = faults(format!("name,{column},note\nab,{word},{word}\n").as_bytes());
            assert_eq!(
                (found.total(), found.kept()[0].kind().code()),
                (1, "manifest::placeholder"),
                "{column}: {word}"
            );
            let said = found.kept()[0].to_string();
            assert!(said.contains(&format!("`{word}`")) && said.contains(column), "{said}");
        }
    }
    let named = rows("name,reason,ticket,note\nnull,None,-,N/A\nNone,,,\n");
    assert_eq!((named[0].name.as_str(), named[0].reason.as_deref()), ("null", Some("None")));
}

#[test]
fn what_spreadsheets_do_to_values_is_named() {
    for (column, value, hint) in [
        ("fingerprint", "'3f:9a:1c", "apostrophe"),
        ("region", "'us-east-1", "apostrophe"),
        ("account_id", "'111122223333", "apostrophe"),
        ("account_id", "1.11122E+11", "rounded"),
        ("account_id", "\"=\"\"111122223333\"\"\"", "=\"…\""),
        ("arn", "“arn:aws:lightsail:us-east-1”", "typographic"),
        ("created_at", "8/14/2019 10:30:00 AM", "local form"),
        ("created_at", "43691.4375", "count days"),
        ("created_at", "1.71457E+09", "rounded"),
        ("region", "Frankfurt (eu-central-1)", "region's code"),
        ("region", "us-east-1a", "remove the last letter"),
    ] {
        let found = faults(format!("name,{column}\nab,{value}\n").as_bytes());
        assert_eq!(found.total(), 1, "{value}");
        assert!(found.kept()[0].hint().contains(hint), "{value}: {}", found.kept()[0].hint());
    }
    for (name, hint) in [("'runner-01", "apostrophe"), ("1.5E+10", "into a number"), ("„runner“", "typographic")] {
        let found = faults(format!("name\n{name}\n").as_bytes());
        assert!(found.kept()[0].hint().contains(hint), "{name}: {}", found.kept()[0].hint());
    }
    // What is only kept is kept as it is.
    assert_eq!(rows("name,offset,note\nab,'-5,'=x\n")[0].annotations[0].1, "'-5");
}

#[test]
fn first_lines_that_are_no_header_are_named() {
    for (input, expected, hint) in [
        ("sep=;\r\nname;region\r\nab;us-east-1\r\n", FirstLine::Separator(Some(';')), "instead of `;`"),
        ("SEP=,\r\nname,region\r\nab,us-east-1\r\n", FirstLine::Separator(Some(',')), "remove the line"),
        ("\"sep=\t\"\nname\tregion\n", FirstLine::Separator(Some('\t')), "instead of `\\t`"),
        ("#TYPE Amazon.Lightsail.Model.KeyPair\r\n\"Name\"\r\n\"ab\"\r\n", FirstLine::Type, "-NoTypeInformation"),
        ("# made on Monday\nname\nab\n", FirstLine::Comment, "remove the line"),
        ("{\n    \"keyPairs\": [\n", FirstLine::Json, "jq"),
        ("<!DOCTYPE html>\n", FirstLine::Markup, "error page"),
        ("\u{feff}\u{feff}name,region\nab,us-east-1\n", FirstLine::ByteOrderMark, "tail -c +4"),
        // As after PowerShell 5's Get-Content and Set-Content.
        ("ï»¿name,region\nab,us-east-1\n", FirstLine::MisreadByteOrderMark, "export it again"),
        ("ï»¿\"name\",\"region\"\nab,us-east-1\n", FirstLine::MisreadByteOrderMark, "export it again"),
        ("“name”,“region”\nab,us-east-1\n", FirstLine::QuotedName, "straight double quotes"),
        ("name,„region“\nab,x\n", FirstLine::QuotedName, "straight double quotes"),
        ("'name','region'\n'ab','us-east-1'\n", FirstLine::QuotedName, "remove them"),
    ] {
        let refused = read_all(input.as_bytes()).unwrap_err();
        assert_eq!((refused.total(), refused.kept()[0].kind()), (1, &FaultKind::FirstLine(expected)), "{input:?}");
        assert!(refused.are_of_file() && refused.kept()[0].hint().contains(hint), "{}", refused.kept()[0].hint());
    }
    let compact = faults(b"{\"keyPairs\":[{\"name\":\"ab\"}]}\n");
    assert_eq!((compact.total(), compact.kept()[0].kind()), (1, &FaultKind::FirstLine(FirstLine::Json)));
    assert_eq!(rows("#,name\n1,ab\n")[0].annotations, [("#".to_owned(), "1".to_owned())]);
    // pandas and R write an index column unless they are asked not to.
    for input in [",name\n0,ab\n", "\"\",\"name\"\n\"1\",\"ab\"\n"] {
        let refused = read_all(input.as_bytes()).unwrap_err();
        assert!(refused.kept()[0].hint().contains("to_csv(index=False)"), "{}", refused.kept()[0].hint());
    }
}

/// Trailing commas of spreadsheets, and R's `write.table(sep = ",")`, whose header is one column short.
#[test]
fn fields_beyond_the_header_are_explained() {
    for (input, hint) in [
        ("name,region\nab,us-east-1,,\n", "trailing commas"),
        ("name,region\nab,us-east-1, \n", "trailing commas"),
        ("\"name\",\"region\"\n\"7\",\"ab\",\"us-east-1\"\n", "row.names=FALSE"),
        ("name,reason\nab,one, two\n", "contains a comma in quotes"),
        ("name,reason\n12,one, two, three\n", "contains a comma in quotes"),
        ("name,region\nab", "cut off"),
    ] {
        let found = faults(input.as_bytes());
        assert_eq!((found.total(), found.kept()[0].kind().code()), (1, "manifest::field_count"), "{input:?}");
        assert!(found.kept()[0].hint().contains(hint), "{input:?}: {}", found.kept()[0].hint());
    }
}

#[test]
fn headers_in_the_middle_are_named() {
    for (input, expected, of_file) in [
        ("name,note\nab,\nname,note\ncd,\n", "manifest::header_repeated", false),
        ("name,note\nab,\n\u{feff}name,note\ncd,\n", "manifest::header_repeated", false),
        ("name\nab\nname\ncd\n", "manifest::header_repeated", false),
        ("name,region\nab,us-east-1\nName,Region\ncd,us-east-1\n", "manifest::header_repeated", false),
        ("name,region\nab,us-east-1\nkeyPairName,location.regionName\n", "manifest::header_repeated", false),
        ("name,region,n,N\nab,us-east-1,,\nname,region,N,n\ncd,us-east-1,,\n", "manifest::header_changed", true),
        ("name,region\nab,us-east-1\nRegion,Name\nus-east-1,cd\n", "manifest::header_changed", true),
        ("note,name,region\n,ab,us-east-1\nname,region,note\ncd,us-east-1,\n", "manifest::header_changed", true),
    ] {
        let found = faults(input.as_bytes());
        assert!(found.kept().iter().any(|fault| fault.kind().code() == expected), "{input:?}: {found}");
        assert_eq!(found.are_of_file(), of_file, "{input:?}");
        if !of_file {
            assert_eq!((found.total(), found.kept()[0].place().line), (1, 3));
        }
    }
    assert_eq!(rows("key_pair_name,note\nname,x\nregion,y\n").len(), 2, "names may be such words");
}

#[test]
fn invalid_rows_are_handed_on() {
    let (ingested, items) = read_all("name,region\nab,us-east-1\ncd,us-east-1,x\nа1,mars\nfoo".as_bytes()).unwrap();
    assert_eq!((ingested.rows, ingested.invalid_rows, ingested.faults.total()), (4, 3, 4));
    let invalid: Vec<&InvalidRow> =
        items.iter().filter_map(|item| if let Item::Invalid(row) = item { Some(row) } else { None }).collect();
    let region = |row: &InvalidRow| {
        row.cells.iter().find(|(meaning, _)| *meaning == Meaning::Region).map(|(_, value)| value.clone())
    };
    let seen: Vec<_> = invalid.iter().map(|row| (row.place.row, row.name.as_deref(), region(row))).collect();
    assert_eq!(
        seen,
        [
            (2, Some("cd"), Some("us-east-1".to_owned())),
            (3, Some("а1"), Some("mars".to_owned())),
            (4, Some("foo"), None),
        ]
    );
    assert_eq!(invalid[2].faults, [FaultKind::FieldCount { found: 1, expected: 2, surplus: None }], "perhaps cut off");
    assert_eq!(invalid[1].faults.len(), 2);
}

// SEMANTICS: P8
#[test]
fn the_default_key_pair_is_protected_twice() {
    let bare = "name,fingerprint\nLightsailDefaultKeyPair,\n";
    assert_eq!(codes(bare), ["manifest::default_protected", "manifest::default_unconfirmed"]);
    let confirmed = "name,fingerprint\nLightsailDefaultKeyPair,aa:bb\n";
    assert_eq!(codes(confirmed), ["manifest::default_protected"]);
    let allowed = |input: &str| {
        let options = Options { allow_default_key_pair: true, ..Options::default() };
        read("m.csv", input.as_bytes(), &options, |_| Ok::<_, Infallible>(())).unwrap().faults.total()
    };
    assert_eq!((allowed(bare), allowed(confirmed)), (1, 0));
}

#[test]
fn a_quoting_fault_refuses_the_file_but_the_rest_is_read() {
    let refused = read_all(b"name,note\nab,6\" nails\ncd,\"x\" y\nef,\n,x\n").unwrap_err();
    let found: Vec<_> = refused.kept().iter().map(|fault| (fault.place().line, fault.kind().code())).collect();
    assert_eq!(
        found,
        [(2, "manifest::quote_in_bare_field"), (3, "manifest::text_after_quote"), (5, "manifest::name_missing")]
    );
}

#[test]
fn places_are_those_of_the_file() {
    let input = "\u{feff}\r\nname,note\r\n\r\nab,\"ä\nö\"\r\ncd,é,x\r\n\"a\nb\",\"\"\r\n";
    let found: Vec<_> = faults(input.as_bytes()).kept().iter().map(Fault::place).collect();
    let place = |p: keybatch::manifest::Place| (p.line, p.column, p.offset as usize);
    assert_eq!(place(found[0]), (6, 6, input.find(",x\r").unwrap() + 1));
    assert_eq!(place(found[1]), (7, 1, input.find("\"a\n").unwrap()));
    let broken = faults(b"name,note\nab,\xc3\xa9\xff\n");
    assert_eq!(place(broken.kept()[0].place()), (2, 5, 15));
}

#[test]
fn what_is_shown_is_defused() {
    let found = faults("name,\u{1b}]0;x\u{7},note\nab\u{202e}cd,\u{1b}[2J,\u{200b}\n".as_bytes());
    let shown = render(&found) + &found.kept()[0].one_line();
    assert!(!shown.contains(['\u{1b}', '\u{7}', '\u{202e}', '\u{200b}']), "{shown}");
    assert!(shown.contains("ab\\u{202e}cd,\\u{1b}[2J,\\u{200b}"), "{shown}");
    let name = read("\u{1b}[2J.csv", &b""[..], &Options::default(), |_| Ok::<_, Infallible>(())).unwrap_err();
    assert!(!name.to_string().contains('\u{1b}'), "{name}");
}

// SEMANTICS: P4
#[test]
fn duplicates_are_judged_by_what_would_be_deleted() {
    let input = format!(
        "name,region,arn,created_at,reason\nab,us-east-1,{ARN},1714566600,x\nab,,{ARN},2024-05-01T12:30:00Z,y\n\
         ab,us-east-1,,1714566601,x\n"
    );
    let rows = rows(&input);
    assert_eq!(rows[0].claim().compare(&rows[1].claim()), Duplicate::Exact);
    let Duplicate::Contradicting(differing) = rows[0].claim().compare(&rows[2].claim()) else { panic!() };
    assert_eq!(differing, ["account_id", "arn", "created_at"]);
    let mut faults = Faults::new("m.csv");
    faults.push(Fault::contradiction("m.csv", "ab", rows[0].place, rows[2].place, differing));
    insta::assert_snapshot!("contradiction", render(&faults));
}

#[test]
fn the_sink_and_the_input_can_stop_it() {
    let stopped = read("m.csv", &b"name\nab\ncd\n"[..], &Options::default(), |_| Err(io::Error::other("full")));
    assert!(matches!(stopped, Err(ReadError::Sink(error)) if error.to_string() == "full"));
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("cut"))
        }
    }
    let input = (&b"name\nab\n"[..]).chain(Broken);
    let failed = read("m.csv", input, &Options::default(), |_| Ok::<_, Infallible>(()));
    assert!(matches!(failed, Err(ReadError::Input { bytes: 8, source }) if source.to_string() == "cut"));
}

#[test]
fn the_sample_of_typos_is_shown_well() {
    let sample = include_bytes!("../../samples/typos.csv");
    let faults = faults(sample);
    assert_eq!(faults.by_code().len(), 9, "{faults}");
    insta::assert_snapshot!("typos", render(&faults));
}

#[test]
fn faults_of_files_are_shown_well() {
    let shown: Vec<String> = [
        &b""[..],
        b"name,region\n",
        b"Key Pair Name;Region\nab;us-east-1\n",
        b"name,region,keyPairName\nab,us-east-1,ab\n",
        b"\xff\xfen\0a\0m\0e\0",
        b"name,note\nab,caf\xe9\n",
        b"name,note\nab,\"never\nclosed\n",
        b"name,note\nab,\"x\"y\n",
        b"name\rab\rcd\r",
    ]
    .iter()
    .map(|input| render(&faults(input)))
    .collect();
    insta::assert_snapshot!("files", shown.join("\n\n"));
}

/// A file that is made while it is read.
struct Generated<F> {
    row: F,
    next: u64,
    rows: u64,
    buffer: Vec<u8>,
    taken: usize,
}

impl<F: FnMut(u64, &mut Vec<u8>)> Generated<F> {
    fn new(header: &str, rows: u64, row: F) -> Self {
        Self { row, next: 1, rows, buffer: header.as_bytes().to_vec(), taken: 0 }
    }
}

impl<F: FnMut(u64, &mut Vec<u8>)> Read for Generated<F> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.buffer.len() && self.next <= self.rows {
            self.buffer.clear();
            self.taken = 0;
            while self.buffer.len() < out.len() && self.next <= self.rows {
                (self.row)(self.next, &mut self.buffer);
                self.next += 1;
            }
        }
        let n = out.len().min(self.buffer.len() - self.taken);
        out[..n].copy_from_slice(&self.buffer[self.taken..self.taken + n]);
        self.taken += n;
        Ok(n)
    }
}

#[test]
fn a_million_rows_stream_through() {
    const ROWS: u64 = 1_000_000;
    // Written by hand: a formatted number takes as long here as reading the row does.
    let mut line = *b"key-0000000\n";
    let input = Generated::new("name\n", ROWS, move |row, out| {
        for digit in line[4..11].iter_mut().rev() {
            *digit = if *digit == b'9' { b'0' } else { *digit + 1 };
            if *digit != b'0' {
                break;
            }
        }
        // Every thousandth has a fault.
        out.extend_from_slice(if row % 1000 == 0 { b"key-0001000-\n" } else { &line });
    });
    let (mut good, mut invalid, mut last) = (0_u64, 0_u64, 0);
    let ingested = read("-", input, &Options::default(), |item| {
        let place = match &item {
            Item::Row(row) => {
                good += 1;
                row.place
            }
            Item::Invalid(row) => {
                invalid += 1;
                row.place
            }
        };
        assert_eq!((place.row, place.line), (last + 1, last + 2));
        last = place.row;
        Ok::<_, Infallible>(())
    })
    .unwrap();
    assert_eq!((good, invalid), (ROWS - ROWS / 1000, ROWS / 1000));
    assert_eq!((ingested.rows, ingested.invalid_rows), (ROWS, ROWS / 1000));
    assert_eq!((ingested.faults.total(), ingested.faults.kept().len()), (ROWS / 1000, MAX_KEPT_FAULTS));
}

#[test]
fn endless_fields_are_refused_early() {
    for (start, code) in [("name\n\"", "manifest::field_too_long"), ("name\n", "manifest::field_too_long")] {
        let mut input = start.as_bytes().chain(io::repeat(b'x'));
        let refused = read("-", &mut input, &Options::default(), |_| Ok::<_, Infallible>(()));
        let Err(ReadError::Refused(faults)) = refused else { panic!("{refused:?}") };
        assert_eq!(faults.kept()[0].kind().code(), code);
    }
}

/// Values with everything in them that CSV can carry.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-z \",\r\n\t;é鍵\u{202e}]{0,12}"]
}

proptest! {
    #[test]
    fn what_the_csv_crate_writes_is_read_back(
        records in prop::collection::vec(("[A-Za-z0-9_]{2,20}", value(), value(), value()), 1..20),
        crlf: bool,
        bom: bool,
        all_quoted: bool,
    ) {
        let mut out = if bom { "\u{feff}".as_bytes().to_vec() } else { Vec::new() };
        let terminator = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let style = if all_quoted { csv::QuoteStyle::Always } else { csv::QuoteStyle::Necessary };
        let mut writer = csv::WriterBuilder::new().terminator(terminator).quote_style(style).from_writer(&mut out);
        writer.write_record(["a", "key_pair_name", "reason", "b"]).unwrap();
        for (name, a, reason, b) in &records {
            writer.write_record([a, name, reason, b]).unwrap();
        }
        drop(writer);
        let (ingested, items) = read_all(&out).unwrap();
        prop_assert!(ingested.faults.is_empty());
        prop_assert_eq!(items.len(), records.len());
        for (item, (name, a, reason, b)) in items.iter().zip(&records) {
            let Item::Row(row) = item else { panic!("{item:?}") };
            prop_assert_eq!(&row.name, name);
            prop_assert_eq!(row.reason.as_deref().unwrap_or_default(), reason);
            let annotations = [("a".to_owned(), a.clone()), ("b".to_owned(), b.clone())];
            prop_assert_eq!(&row.annotations[..], &annotations);
            let record = std::str::from_utf8(&out[row.place.start as usize..row.place.end as usize]).unwrap();
            prop_assert!(record.contains(name.as_str()));
            let lines_before = out[..row.place.start as usize].iter().filter(|b| **b == b'\n').count() as u64;
            prop_assert_eq!(row.place.line, lines_before + 1);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused_within_the_file(
        input in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            "(name|arn|region|,|\"|\n|\r\n|\r|ab|é| |\u{feff}|us-east-1|;){0,60}".prop_map(String::into_bytes),
            "(name,x,region\n)(ab|cd|,|\"\"|\"|\n|é|us-east-1){0,60}".prop_map(String::into_bytes),
        ]
    ) {
        let (faults, items) = match read_all(&input) {
            Ok((ingested, items)) => {
                prop_assert_eq!(ingested.bytes, input.len() as u64);
                prop_assert_eq!(ingested.rows, items.len() as u64);
                prop_assert!(!ingested.faults.are_of_file());
                prop_assert_eq!(ingested.faults.is_empty(), ingested.invalid_rows == 0);
                (ingested.faults, items)
            }
            Err(faults) => {
                prop_assert!(faults.are_of_file());
                (faults, Vec::new())
            }
        };
        for fault in faults.kept() {
            let place = fault.place();
            prop_assert!(place.offset <= input.len() as u64);
            let before = &input[..place.offset as usize];
            prop_assert_eq!(place.line, before.iter().filter(|b| **b == b'\n').count() as u64 + 1);
            let line_start = before.iter().rposition(|b| *b == b'\n').map_or(0, |lf| lf + 1);
            let line = String::from_utf8_lossy(&before[line_start..]);
            let bom = line_start == 0 && line.starts_with('\u{feff}');
            prop_assert_eq!(place.column, line.chars().count() as u64 + 1 - u64::from(bom));
        }
        render(&faults);
        for item in &items {
            if let Item::Row(row) = item {
                prop_assert!(row.name.len() >= 2 && row.name.is_ascii());
            }
        }
    }
}
