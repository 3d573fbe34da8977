#!/usr/bin/env bash
# DuckDB 1.5.5 and 2.0.1: `json_valid`, documented as "whether json is valid JSON", accepts trailing commas, NaN and Infinity.
# SQLite's `json_valid` rejects all of them. Other departures from JSON (quotes, comments, bare names, text behind the value) are
# rejected by both. A lone surrogate (\ud800), which RFC 8259's grammar allows, is the other way round.
#
# So a view that is guarded by `CASE WHEN json_valid(body) THEN body END ->> '$.a'` shows nothing for {"a":1,} in SQLite, and 1 in
# DuckDB. Seen on 2026-11-29 (SQLite 3.40.1):
#     {"a":1,}          SQLite 0   DuckDB True
#     [1,]              SQLite 0   DuckDB True
#     {"a":NaN}         SQLite 0   DuckDB True
#     {"a":Infinity}    SQLite 0   DuckDB True
#     {'a':1}           SQLite 0   DuckDB False
#     {a:1}             SQLite 0   DuckDB False
#     {"a":1} x         SQLite 0   DuckDB False
#     {"a":"\ud800"}    SQLite 1   DuckDB False
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
for version in 1.5.5 2.0.1; do
    "$scratch/venv/bin/pip" install --quiet --disable-pip-version-check "duckdb==$version"
    "$scratch/venv/bin/python" - <<'PYTHON'
import sqlite3
import duckdb

EXPECTED = {
    '{"a":1,}': (0, True),
    "[1,]": (0, True),
    '{"a":NaN}': (0, True),
    '{"a":Infinity}': (0, True),
    "{'a':1}": (0, False),
    "{a:1}": (0, False),
    '{"a":1} x': (0, False),
    r'{"a":"\ud800"}': (1, False),
}
lite, duck = sqlite3.connect(":memory:"), duckdb.connect()
for text, expected in EXPECTED.items():
    found = tuple(database.execute("SELECT json_valid(?)", [text]).fetchone()[0] for database in (lite, duck))
    print(f"{text:18} SQLite {sqlite3.sqlite_version} {found[0]}   DuckDB {duckdb.__version__} {found[1]}")
    assert found == expected, "it changed"
PYTHON
done
