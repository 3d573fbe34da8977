//! Whether tables, indexes, triggers, functions and views are those that keybatch makes, no more and no fewer.
//!
//! `objects.txt` says what a new journal has: each object with the hash of its definition as PostgreSQL lists it. Versions of PostgreSQL
//! write a view's text differently, so a view has several hashes. A test makes a journal and compares.

use std::collections::BTreeMap;

use sqlx::postgres::PgRow;

use super::link::get;
use crate::journal::{JournalError, SchemaDifference};
use crate::record::merkle::leaf_hash;

/// What a new journal has.
const EXPECTED: &str = include_str!("objects.txt");

/// Lists what is in the schema: kind, name, definition, and the server's major version. Who owns an object and who may use it is not part of
/// it. The search path has to be empty, as where a reader holds a state still, because names are written according to it.
pub const LISTING: &str = "WITH space AS (SELECT 'keybatch'::pg_catalog.regnamespace::pg_catalog.oid AS oid), found AS (\
     SELECT CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' WHEN 'i' THEN 'index' WHEN 'c' THEN 'type' \
                 WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' ELSE 'table' END AS kind, c.relname::text AS name, \
            concat_ws(E'\\n', concat_ws(' ', c.relkind, c.relpersistence, c.relrowsecurity, c.relforcerowsecurity, \
                 CASE WHEN c.relkind = 'v' THEN c.reloptions END), \
              (SELECT string_agg(concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, \
                        a.attgenerated, l.collname, pg_get_expr(d.adbin, d.adrelid)), E'\\n' ORDER BY a.attnum) \
               FROM pg_attribute AS a LEFT JOIN pg_collation AS l ON l.oid = a.attcollation \
               LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
               WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind <> 'i'), \
              (SELECT string_agg(concat_ws(' ', k.conname, k.convalidated, pg_get_constraintdef(k.oid)), E'\\n' ORDER BY k.conname) \
               FROM pg_constraint AS k WHERE k.conrelid = c.oid AND k.contype IN ('p', 'u', 'f', 'c', 'x')), \
              (SELECT string_agg(concat_ws(' ', 'inherits', n.inhparent::regclass, n.inhrelid::regclass), E'\\n' \
                        ORDER BY n.inhparent, n.inhrelid) \
               FROM pg_inherits AS n WHERE n.inhrelid = c.oid OR n.inhparent = c.oid), \
              (SELECT 'foreign keys are not checked' WHERE EXISTS (SELECT 1 FROM pg_trigger AS t \
                        WHERE t.tgrelid = c.oid AND t.tgisinternal AND t.tgenabled NOT IN ('O', 'A'))), \
              CASE c.relkind WHEN 'v' THEN pg_get_viewdef(c.oid) WHEN 'm' THEN pg_get_viewdef(c.oid) \
                   WHEN 'i' THEN pg_get_indexdef(c.oid) END) AS definition \
     FROM pg_class AS c, space WHERE c.relnamespace = space.oid \
     UNION ALL \
     SELECT 'trigger', concat(t.tgname, ' on ', c.relname), concat_ws(' ', pg_get_triggerdef(t.oid), t.tgenabled) \
     FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid, space WHERE c.relnamespace = space.oid AND NOT t.tgisinternal \
     UNION ALL \
     SELECT 'rule', concat(r.rulename, ' on ', c.relname), concat_ws(' ', pg_get_ruledef(r.oid), r.ev_enabled) \
     FROM pg_rewrite AS r JOIN pg_class AS c ON c.oid = r.ev_class, space \
     WHERE c.relnamespace = space.oid AND NOT (r.rulename = '_RETURN' AND c.relkind IN ('v', 'm')) \
     UNION ALL \
     SELECT 'policy', concat(p.polname, ' on ', c.relname), \
            concat_ws(' ', p.polcmd, p.polpermissive, pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)) \
     FROM pg_policy AS p JOIN pg_class AS c ON c.oid = p.polrelid, space WHERE c.relnamespace = space.oid \
     UNION ALL \
     SELECT 'function', f.proname::text, \
            concat_ws(E'\\n', concat_ws(' ', f.prokind, f.proretset, format_type(f.prorettype, NULL), l.lanname, f.provolatile, \
                 f.proisstrict, f.prosecdef, f.proleakproof, f.proparallel, f.proconfig), \
              pg_get_function_arguments(f.oid), f.prosrc, pg_get_function_sqlbody(f.oid)) \
     FROM pg_proc AS f JOIN pg_language AS l ON l.oid = f.prolang, space WHERE f.pronamespace = space.oid AND f.prokind <> 'a' \
     UNION ALL \
     SELECT 'function', f.proname::text, f.prokind::text FROM pg_proc AS f, space WHERE f.pronamespace = space.oid AND f.prokind = 'a' \
     UNION ALL \
     SELECT 'type', t.typname::text, concat_ws(' ', t.typtype, format_type(t.typbasetype, t.typtypmod)) \
     FROM pg_type AS t, space WHERE t.typnamespace = space.oid AND t.typtype NOT IN ('c', 'b') \
     UNION ALL \
     SELECT 'operator', o.oprname::text, o.oprcode::regproc::text FROM pg_operator AS o, space WHERE o.oprnamespace = space.oid) \
     SELECT kind, name, definition, (current_setting('server_version_num')::bigint / 10000) AS major FROM found ORDER BY kind, name, definition";

/// An object of a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// `table`, `index`, `trigger`, `view`, `function` and so on.
    pub kind: String,
    /// Its name; of a trigger also that of its table.
    pub name: String,
    /// The hash of its definition, in hexadecimal.
    pub hash: String,
    /// The server's major version.
    pub major: i64,
}

/// An object as [`LISTING`] gives it.
///
/// # Errors
/// If it gives something else.
pub fn read(row: &PgRow) -> Result<Object, JournalError> {
    let definition: String = get(row, 2)?;
    Ok(Object { kind: get(row, 0)?, name: get(row, 1)?, hash: hash(&definition), major: get(row, 3)? })
}

/// A hash of a text, as `objects.txt` has it.
#[must_use]
pub fn hash(text: &str) -> String {
    leaf_hash(text.as_bytes()).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// What `objects.txt` says.
struct Expected {
    /// The servers whose texts of views are known.
    majors: Vec<i64>,
    /// By kind and name.
    hashes: BTreeMap<(&'static str, &'static str), Vec<&'static str>>,
}

impl Expected {
    fn read() -> Self {
        let (mut majors, mut hashes) = (Vec::new(), BTreeMap::new());
        for line in EXPECTED.lines() {
            let mut parts = line.split('\t');
            match (parts.next(), parts.next()) {
                (Some("# servers"), Some(numbers)) => {
                    majors.extend(numbers.split(' ').filter_map(|number| number.parse::<i64>().ok()));
                }
                (Some(kind), Some(name)) if !kind.starts_with('#') => {
                    hashes.insert((kind, name), parts.collect());
                }
                _ => {}
            }
        }
        Self { majors, hashes }
    }
}

/// How these objects differ from those of a new journal. How a server writes views that is newer than those of `objects.txt` is not known, so
/// there a view is only looked for.
#[must_use]
pub fn differences(found: &[Object]) -> Vec<SchemaDifference> {
    let expected = Expected::read();
    let mut differences = Vec::new();
    let mut missing = expected.hashes.clone();
    for object in found {
        let Object { kind, name, hash, major } = object;
        let how = match missing.remove(&(kind.as_str(), name.as_str())) {
            None => "added",
            Some(hashes) if hashes.contains(&hash.as_str()) => continue,
            Some(_) if kind == "view" && !expected.majors.contains(major) => continue,
            Some(_) => "changed",
        };
        differences.push(SchemaDifference { kind: kind.clone(), name: name.clone(), how });
    }
    let missing = missing.into_keys();
    differences.extend(missing.map(|(kind, name)| SchemaDifference {
        kind: kind.into(),
        name: name.into(),
        how: "missing",
    }));
    differences
}
