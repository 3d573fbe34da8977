"""Reads every view of journals with one of the programs that reviewers have, and prints what it saw.

Usage: read_views.py READER JOURNAL... with READER one of sqlite3, pandas, sqlite-utils, datasette, duckdb, duckdb-text.
Prints one JSON object a journal: the reader's version and, for each view and advised query, its rows as objects. Nothing is
converted, with one exception: pandas makes floats of integers where some are absent.
"""

import asyncio
import glob
import json
import re
import sqlite3
import sys

VIEWS = "runs intents attempts operations errors approvals overrides checkpoints entries".split()

# What README.md and docs/JOURNAL.md advise.
ADVISED = [
    "SELECT run_id, state, rows, deleted, failed, in_doubt FROM runs WHERE NOT sandbox",
    "SELECT key_pair_name, outcome, evidence, detail FROM intents WHERE NOT sandbox AND outcome <> 'deleted'",
    "SELECT * FROM errors WHERE NOT sandbox",
    "SELECT outcome, count(*) AS n FROM intents GROUP BY outcome",
]


def read_only(journal):
    return sqlite3.connect(f"file:{journal}?mode=ro", uri=True)


def objects(cursor):
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row)) for row in cursor.fetchall()]


def with_sqlite3(journal):
    database = read_only(journal)
    return sqlite3.sqlite_version, lambda sql, given={}: objects(database.execute(sql, given))


def with_pandas(journal):
    import pandas

    database = read_only(journal)

    def plain(value):
        if pandas.isna(value):
            return None
        value = value.item() if hasattr(value, "item") else value
        return int(value) if isinstance(value, float) and value.is_integer() else value

    def rows(sql):
        frame = pandas.read_sql_query(sql, database)
        return [{name: plain(value) for name, value in row.items()} for row in frame.to_dict("records")]

    return pandas.__version__, rows


def with_sqlite_utils(journal):
    import importlib.metadata

    import sqlite_utils

    database = sqlite_utils.Database(read_only(journal))

    def rows(sql):
        view = sql.removeprefix("SELECT * FROM ")
        return list(database[view].rows if view in VIEWS else database.query(sql))

    return importlib.metadata.version("sqlite-utils"), rows


def with_datasette(journal):
    from datasette.app import Datasette
    from datasette.version import __version__

    datasette = Datasette([journal], settings={"max_returned_rows": 10000, "sql_time_limit_ms": 60000})
    name = journal.rsplit("/", 1)[-1].removesuffix(".db")
    path = f"/{name}/-/query.json" if __version__.startswith("1.") else f"/{name}.json"

    def rows(sql):
        view = sql.removeprefix("SELECT * FROM ")
        where, given = (f"/{name}/{view}.json", {}) if view in VIEWS else (path, {"sql": sql})
        get = datasette.client.get(where, params={"_shape": "array", "_size": "max", **given})
        answer = asyncio.run(get)
        if answer.status_code != 200:
            raise SystemExit(f"{sql}: {answer.status_code} {answer.text}")
        return answer.json()

    return __version__, rows


def with_duckdb(journal):
    import duckdb

    # The sqlite extension as its package brings it; `INSTALL sqlite` downloads the same file.
    pattern = "duckdb_ext*/extensions/**/sqlite_scanner.duckdb_extension"
    found = [file for path in sys.path for file in glob.glob(f"{path}/{pattern}", recursive=True)]
    database = duckdb.connect()
    database.execute(f"LOAD '{found[0]}'")
    database.execute(f"ATTACH '{journal}' AS journal (TYPE sqlite, READ_ONLY)")
    database.execute("USE journal")
    listed = {name for (name,) in database.execute("SELECT table_name FROM information_schema.tables").fetchall()}
    assert listed >= set(VIEWS), listed
    assert len(database.execute("SHOW ALL TABLES").fetchall()) > 0
    return duckdb.__version__, lambda sql, given={}: objects(database.execute(in_duckdb(sql), given))


def in_duckdb(sql):
    """Parameters are called $name there, not :name."""
    return re.sub(r"(?<!:):([a-z_]+)", r"$\1", sql)


def made(database, view):
    """Whether that view could be made: what it uses may have to come first."""
    import duckdb

    try:
        database.execute(view)
        return True
    except duckdb.CatalogException:
        return False


def with_duckdb_text(journal):
    """What the sqlite extension does, for a DuckDB whose extension no package brings: the same text over the same tables."""
    import duckdb

    journal, database = read_only(journal), duckdb.connect()
    schema = journal.execute("SELECT type, name, sql FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY type, rowid")
    views = []
    for kind, name, text in schema.fetchall():
        if kind == "view":
            views.append(text)
            continue
        columns = journal.execute(f"SELECT name, type FROM pragma_table_info('{name}')").fetchall()
        declared = ", ".join(f"{column} {'BIGINT' if type == 'INTEGER' else type}" for column, type in columns)
        database.execute(f"CREATE TABLE {name} ({declared})")
        rows = journal.execute(f"SELECT * FROM {name}").fetchall()
        if rows:
            row = f"({', '.join('?' * len(columns))})"
            values = [value for row in rows for value in row]
            database.execute(f"INSERT INTO {name} VALUES {', '.join([row] * len(rows))}", values)
    # One that was made anew stands behind those that use it.
    while views:
        left = [text for text in views if not made(database, text)]
        assert len(left) < len(views), left
        views = left
    return duckdb.__version__, lambda sql, given={}: objects(database.execute(in_duckdb(sql), given))


READERS = {
    "sqlite3": with_sqlite3,
    "pandas": with_pandas,
    "sqlite-utils": with_sqlite_utils,
    "datasette": with_datasette,
    "duckdb": with_duckdb,
    "duckdb-text": with_duckdb_text,
}

if __name__ == "__main__":
    for journal in sys.argv[2:]:
        version, rows = READERS[sys.argv[1]](journal)
        asked = {view: f"SELECT * FROM {view}" for view in VIEWS} | {sql: sql for sql in ADVISED}
        print(json.dumps({"version": version, "read": {name: rows(sql) for name, sql in asked.items()}}))
