"""Reads exports with the programs that analysts have, and prints what each of them shows, in one form.

Usage: read_exports.py READER FILE. Prints a JSON object: the reader's version, the names of the columns, and the rows, in which times
are texts in UTC with microseconds (xlsx: milliseconds) and what is absent is null.
"""

import datetime
import json
import math
import sys


def plain(value):
    """A value in the form that all readers are compared in."""
    if value is None or (isinstance(value, float) and math.isnan(value)) or str(value) in ("NaT", "<NA>"):
        return None
    if hasattr(value, "to_pydatetime"):
        value = value.to_pydatetime()
    if isinstance(value, datetime.datetime):
        if value.tzinfo is not None:
            value = value.astimezone(datetime.timezone.utc)
        return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if hasattr(value, "item"):
        value = value.item()
    assert isinstance(value, (str, int, bool)), f"{value!r} is {type(value)}"
    return value


def with_duckdb(path):
    import duckdb

    found = duckdb.connect().execute("SELECT * FROM read_parquet(?)", [path])
    return duckdb.__version__, [column[0] for column in found.description], found.fetchall()


def with_pandas(path):
    import pandas

    frame = pandas.read_parquet(path)
    return pandas.__version__, list(frame.columns), frame.itertuples(index=False, name=None)


def with_pyarrow(path):
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(path)
    return pyarrow.__version__, table.column_names, [tuple(row.values()) for row in table.to_pylist()]


def with_polars(path):
    import polars

    frame = polars.read_parquet(path)
    return polars.__version__, frame.columns, frame.rows()


def with_openpyxl(path):
    import openpyxl
    from openpyxl.utils.escape import unescape

    book = openpyxl.load_workbook(path)
    assert [sheet.title for sheet in book] == ["rows", "totals"], book.sheetnames
    sheet = book["rows"]
    assert sheet.auto_filter.ref == sheet.dimensions and sheet.freeze_panes == "A2", sheet.dimensions
    for cell in (cell for row in sheet.iter_rows() for cell in row):
        assert cell.data_type != "f", f"{cell.coordinate} is a formula: {cell.value}"
    rows = [tuple(unescape(value) if isinstance(value, str) else value for value in row) for row in sheet.values]
    totals = {name: value for name, value in book["totals"].values}
    assert totals["rows in this export"] == len(rows) - 1 == int(totals["export: rows"]), totals
    return openpyxl.__version__, list(rows[0]), rows[1:]


def with_sqlite3(path):
    import sqlite3

    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    pragmas = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("integrity_check", "journal_mode", "application_id")]
    assert pragmas == ["ok", "delete", 0], pragmas
    tables = [name for name, in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    assert tables == ["rows", "run", "export"], tables
    found = connection.execute("SELECT * FROM rows")
    return sqlite3.sqlite_version, [column[0] for column in found.description], found.fetchall()


READERS = {
    "duckdb": with_duckdb,
    "pandas": with_pandas,
    "pyarrow": with_pyarrow,
    "polars": with_polars,
    "openpyxl": with_openpyxl,
    "sqlite3": with_sqlite3,
}

reader, path = sys.argv[1:]
version, columns, rows = READERS[reader](path)
rows = [[plain(value) for value in row] for row in rows]
print(json.dumps({"version": version, "columns": columns, "rows": rows}))
