#!/usr/bin/env bash
# DuckDB 1.5.5: a view of an attached SQLite file reads a temporary table of the session, if one has the name of a table that
# the view reads, instead of the table in its own file. No warning; a plain table of that name in DuckDB's own database does not
# do so, and in SQLite a view only ever reads its own file.
#
# Two files hold `run` (id 1, and id 2) and the view `runs AS SELECT id FROM run`. After `CREATE TEMP TABLE run AS SELECT 98 AS id`
# in DuckDB, seen on 2026-11-29:
#     before:     first.runs 1   second.runs 2
#     plain:      first.runs 1   second.runs 2     (CREATE TABLE run in DuckDB's own database)
#     temporary:  first.runs 98  second.runs 98
#     SQLite 3.40.1 with the file attached and the same temporary table: 1
# So `CREATE TEMP TABLE run AS SELECT ... FROM first.run`, the usual way to keep a filtered copy, changes what the attached
# views show.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==1.5.5 duckdb-extension-sqlite-scanner==1.5.5
cd "$scratch"
venv/bin/python - <<'PYTHON'
import glob, sqlite3, sys
import duckdb

for name, number in (("first", 1), ("second", 2)):
    lite = sqlite3.connect(f"{name}.db")
    lite.execute("CREATE TABLE run (id INTEGER)")
    lite.execute("INSERT INTO run VALUES (?)", [number])
    lite.execute("CREATE VIEW runs AS SELECT id FROM run")
    lite.commit()
[extension] = glob.glob(f"{sys.prefix}/lib/python3*/site-packages/duckdb_extension_sqlite_scanner/extensions/*/*.duckdb_extension")
duck = duckdb.connect()
duck.execute(f"LOAD '{extension}'")
for name in ("first", "second"):
    duck.execute(f"ATTACH '{name}.db' AS {name} (TYPE sqlite, READ_ONLY)")
shown = lambda: [duck.execute(f"SELECT id FROM {name}.runs").fetchall() for name in ("first", "second")]
before = shown()
duck.execute("CREATE TABLE run AS SELECT 99 AS id")
plain = shown()
duck.execute("DROP TABLE run")
duck.execute("CREATE TEMP TABLE run AS SELECT 98 AS id")
temporary = shown()
lite = sqlite3.connect(":memory:")
lite.execute("ATTACH 'first.db' AS first")
lite.execute("CREATE TEMP TABLE run AS SELECT 98 AS id")
in_sqlite = lite.execute("SELECT id FROM first.runs").fetchall()
print("DuckDB", duckdb.__version__, "before", before, "plain", plain, "temporary", temporary)
print("SQLite", sqlite3.sqlite_version, in_sqlite)
assert (before, plain) == ([[(1,)], [(2,)]], [[(1,)], [(2,)]]), "DuckDB changed"
assert temporary == [[(98,)], [(98,)]], "DuckDB changed"
assert in_sqlite == [(1,)], "SQLite changed"
PYTHON
