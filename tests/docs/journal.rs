//! `docs/JOURNAL.md` against the code: the fields of each kind and object, the words, the columns of the views.

use std::collections::{BTreeMap, BTreeSet};

use keybatch::domain::{Cause, Class, Evidence, Outcome};
use keybatch::record::event::{Found, KINDS, Source};
use keybatch::record::plan::{Severity, Verdict};
use serde_json::{Map, Value};

use super::events::{bare, entry, full};
use super::{quoted, read, table};

/// The fields that every entry has; those of a kind stand beside them.
const COMMON: [&str; 7] = ["v", "seq", "at", "kind", "session", "run", "row"];

const CLASSES: [Class; 11] = [
    Class::Succeeded,
    Class::Pending,
    Class::OperationFailed,
    Class::NotFound,
    Class::Throttled,
    Class::NotSent,
    Class::SetupInProgress,
    Class::Refused,
    Class::Denied,
    Class::RefusedForAll,
    Class::Unanswered,
];

/// What the document says of the fields of a kind or an object.
#[derive(Default)]
struct Fields {
    all: BTreeSet<String>,
    always: BTreeSet<String>,
    /// The object that a field's value is, or a list of which it is.
    objects: BTreeMap<String, String>,
}

fn documented(document: &str, heading: &str) -> Fields {
    let mut fields = Fields::default();
    for row in table(document, heading) {
        let [field, what, present, _] = &row[..] else { panic!("{heading}: a row of {} cells", row.len()) };
        let name = quoted(field).to_owned();
        if field.starts_with('+') {
            let object = documented(document, &format!("### Object `{name}`"));
            fields.all.extend(object.all);
            fields.always.extend(object.always);
            continue;
        }
        assert!(["always", "optional"].contains(&present.as_str()), "{heading}, {name}: {present}");
        if present == "always" {
            fields.always.insert(name.clone());
        }
        if what.contains('`') {
            fields.objects.insert(name.clone(), quoted(what).to_owned());
        }
        fields.all.insert(name);
    }
    fields
}

/// Of which kind the first field is there where the second one is not.
const EITHER: [(&str, [&str; 2]); 1] = [("control_used", ["database_role", "uid"])];

/// Checks an object and those inside of it; with `everything`, that all documented fields are there, else that those
/// are which always are.
fn check(document: &str, path: &str, heading: &str, object: &Map<String, Value>, everything: bool) {
    let fields = documented(document, heading);
    let found: BTreeSet<String> =
        object.keys().filter(|key| path.contains('.') || !COMMON.contains(&key.as_str())).cloned().collect();
    let expected = if everything { &fields.all } else { &fields.always };
    let unknown: Vec<_> = found.difference(&fields.all).collect();
    let is_other = |field: &&String| {
        EITHER.iter().any(|(kind, [one, other])| path == *kind && field == one && found.contains(*other))
    };
    let missing: Vec<_> = expected.difference(&found).filter(|field| !is_other(field)).collect();
    assert!(unknown.is_empty(), "{path}: {unknown:?} stand in the entry, but not under {heading:?}");
    assert!(missing.is_empty(), "{path}: {missing:?} stand under {heading:?}, but not in the entry");
    for (field, name) in &fields.objects {
        let items = match object.get(field) {
            Some(Value::Array(items)) => items.iter().collect(),
            Some(item) => vec![item],
            None => continue,
        };
        for item in items {
            let Value::Object(inner) = item else { panic!("{path}.{field} is no object") };
            check(document, &format!("{path}.{field}"), &format!("### Object `{name}`"), inner, everything);
        }
    }
}

fn body(seq: usize, event: &keybatch::record::Event) -> Map<String, Value> {
    let sealed = entry(seq as u64, event.clone()).seal().unwrap();
    let Value::Object(body) = serde_json::from_str(&sealed.body).unwrap() else { panic!("an entry is an object") };
    body
}

// SEMANTICS: P49
fn the_fields_of_each_kind_are_those_of_the_document() {
    let document = read("docs/JOURNAL.md");
    for (events, everything) in [(full(), true), (bare(), false)] {
        let kinds: BTreeSet<_> = events.iter().map(keybatch::record::Event::kind).collect();
        assert_eq!((kinds, events.len()), (KINDS.into(), KINDS.len()), "each kind once");
        for (seq, event) in events.iter().enumerate() {
            let kind = event.kind();
            check(&document, kind, &format!("### Kind `{kind}`"), &body(seq, event), everything);
        }
    }
}

fn the_document_has_each_kind_once_and_no_other() {
    let document = read("docs/JOURNAL.md");
    let mut documented: Vec<_> =
        document.lines().filter_map(|line| line.strip_prefix("### Kind ")).map(|name| name.trim_matches('`')).collect();
    documented.sort_unstable();
    let mut kinds: Vec<_> = full().iter().map(keybatch::record::Event::kind).chain(["*"]).collect();
    kinds.sort_unstable();
    assert_eq!(documented, kinds);
}

fn every_entry_has_the_common_fields() {
    let document = read("docs/JOURNAL.md");
    let common = documented(&document, "### Kind `*`");
    assert_eq!(common.all, COMMON.map(str::to_owned).into());
    for (seq, event) in full().iter().enumerate() {
        let body = body(seq, event);
        assert!(common.always.iter().all(|field| body.contains_key(field)), "{body:?}");
        assert_eq!(body["kind"], event.kind());
    }
}

fn an_entry_is_read_back_as_it_was() {
    for (seq, event) in full().into_iter().chain(bare()).enumerate() {
        let written = entry(seq as u64, event);
        let sealed = written.seal().unwrap();
        let read = keybatch::record::Entry::parse(&sealed.body).unwrap();
        // The class of an error is not written: that of the entry says it.
        assert_eq!(read.seal().unwrap(), sealed);
        assert_eq!(
            (read.seq, read.at, read.session, read.run, read.row),
            (written.seq, written.at, written.session, written.run, written.row)
        );
    }
}

/// The words under a heading.
fn words(heading: &str) -> BTreeSet<String> {
    let document = read("docs/JOURNAL.md");
    table(&document, heading).iter().map(|row| quoted(&row[0]).to_owned()).collect()
}

fn written<T: serde::Serialize>(values: &[T]) -> BTreeSet<String> {
    values.iter().map(|value| serde_json::to_value(value).unwrap().as_str().unwrap().to_owned()).collect()
}

fn the_words_are_those_of_the_document() {
    use Cause as C;
    let causes = [
        C::Error,
        C::UnknownError,
        C::Timeout,
        C::Cut,
        C::ConnectFailed,
        C::Unreadable,
        C::ServerError,
        C::NoOperation,
        C::NotBuilt,
        C::NoCredentials,
        C::StartedLate,
    ];
    let outcomes =
        [Outcome::Deleted, Outcome::Gone, Outcome::Absent, Outcome::Skipped, Outcome::Failed, Outcome::InDoubt];
    let evidence = [
        Evidence::Answer,
        Evidence::Operation,
        Evidence::Cloudtrail,
        Evidence::Readback,
        Evidence::Inventory,
        Evidence::Note,
        Evidence::Tried,
        Evidence::Person,
    ];
    let sources = [Source::GetKeyPair, Source::GetKeyPairs, Source::GetInstances, Source::GetOperationsForResource];
    let found = [
        Found::Same,
        Found::Other,
        Found::NotFound,
        Found::Operation,
        Found::Unfinished,
        Found::NoOperation,
        Found::Listed,
        Found::NoAnswer,
        Found::Denied,
        Found::RefusedForAll,
    ];
    assert_eq!(words("### Words of `class`"), written(&CLASSES));
    assert_eq!(words("### Words of `cause`"), written(&causes));
    assert_eq!(words("### Words of `outcome`"), written(&outcomes));
    assert_eq!(words("### Words of `evidence`"), written(&evidence));
    assert_eq!(words("### Words of `source`"), written(&sources));
    assert_eq!(words("### Words of `found`"), written(&found));
    let document = read("docs/JOURNAL.md");
    for word in written(&[Verdict::Delete, Verdict::Skip, Verdict::Absent]) {
        assert!(document.contains(&format!("`{word}`")), "{word}");
    }
    for word in written(&[Severity::Info, Severity::Warn, Severity::Skip, Severity::Refuse]) {
        assert!(document.contains(&format!("`{word}`")), "{word}");
    }
}

// SEMANTICS: P34
fn the_views_know_which_classes_cannot_have_taken_effect() {
    let sql = read("migrations/0001_journal.sql");
    let (_, list) = sql.split_once("a.class NOT IN (").unwrap();
    let (list, _) = list.split_once(')').unwrap();
    let in_view: BTreeSet<String> = list.split(',').map(|word| word.trim().trim_matches('\'').to_owned()).collect();
    let refusals = CLASSES.into_iter().filter(|class| class.is_refusal_before_execution());
    assert_eq!(in_view, refusals.map(|class| class.as_str().to_owned()).collect());
}

/// The views as a real journal has them.
async fn the_views_have_the_columns_of_the_document() {
    use sqlx::{Connection as _, Row as _};
    let directory = tempfile::tempdir().unwrap();
    let path = super::golden::journal(directory.path()).await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).read_only(true);
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    let document = read("docs/JOURNAL.md");
    let sections = document.lines().filter(|line| line.starts_with("### View `"));
    let mut views = BTreeSet::new();
    for heading in sections {
        let view = quoted(heading);
        views.insert(view.to_owned());
        let sql = format!("SELECT name FROM pragma_table_info('{view}')");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&mut connection).await.unwrap();
        let columns: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        let same_as = if view == "errors" { "### View `attempts`" } else { heading };
        let listed: Vec<_> = table(&document, same_as).iter().map(|row| quoted(&row[0]).to_owned()).collect();
        assert_eq!(columns, listed, "{view}");
    }
    let rows = sqlx::query("SELECT name FROM sqlite_schema WHERE type = 'view' AND name <> 'row_outcome'")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    let there: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(there, views);
}

crate::harness::tests![the_fields_of_each_kind_are_those_of_the_document, the_document_has_each_kind_once_and_no_other, every_entry_has_the_common_fields, an_entry_is_read_back_as_it_was, the_words_are_those_of_the_document, the_views_know_which_classes_cannot_have_taken_effect; async the_views_have_the_columns_of_the_document];
