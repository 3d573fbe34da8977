#!/usr/bin/env bash
# DuckDB 1.5.5, with an attached SQLite file: a JSON object that `->>` takes out of a text is not the piece of that text which
# SQLite gives, but spelled anew.
#
# A view `SELECT body ->> '$.a' AS a FROM t` (valid SQL in both, JSON valid in both) over the body
#     {"a":{"b":"\u001b","c":1.50,"d":1e3,"e":"\u00e9","f":"\/"}}
# sqlite3 (of Python) and the same view through DuckDB, seen on 2026-11-29:
#     SQLite 3.40.1: {"b":"\u001b","c":1.50,"d":1e3,"e":"\u00e9","f":"\/"}
#     DuckDB 1.5.5:  {"b":"\u001B","c":1.5,"d":1000.0,"e":"é","f":"/"}
# So even canonical JSON (RFC 8785 writes \u001b) changes: comparing, joining or hashing such a column gives another result than
# in SQLite. What a view must keep byte for byte, it must cut out with `substr`.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==1.5.5 duckdb-extension-sqlite-scanner==1.5.5
cd "$scratch"
venv/bin/python - <<'PYTHON'
import glob, sqlite3, sys
import duckdb

body = r'{"a":{"b":"\u001b","c":1.50,"d":1e3,"e":"\u00e9","f":"\/"}}'
lite = sqlite3.connect("t.db")
lite.execute("CREATE TABLE t (body TEXT)")
lite.execute("INSERT INTO t VALUES (?)", [body])
lite.execute("CREATE VIEW v AS SELECT body ->> '$.a' AS a FROM t")
lite.commit()
[extension] = glob.glob(f"{sys.prefix}/lib/python3*/site-packages/duckdb_extension_sqlite_scanner/extensions/*/*.duckdb_extension")
duck = duckdb.connect()
duck.execute(f"LOAD '{extension}'")
duck.execute("ATTACH 't.db' AS t (TYPE sqlite, READ_ONLY)")
[[by_sqlite]], [[by_duckdb]] = lite.execute("SELECT a FROM v").fetchall(), duck.execute("SELECT a FROM t.v").fetchall()
print("SQLite", sqlite3.sqlite_version, by_sqlite)
print("DuckDB", duckdb.__version__, by_duckdb)
assert by_sqlite == r'{"b":"\u001b","c":1.50,"d":1e3,"e":"\u00e9","f":"\/"}', "SQLite changed"
assert by_duckdb == r'{"b":"\u001B","c":1.5,"d":1000.0,"e":"é","f":"/"}', "DuckDB changed"
PYTHON
