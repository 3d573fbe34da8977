"""Asks the shipped questions in one of the programs that reviewers have, and prints the answers.

Usage: ask_questions.py READER JOURNAL FOLDER, with the questions on standard input: a JSON list of {name, sql, given}.
Datasette answers its canned queries of that name, from the files in FOLDER (contrib/datasette); every other reader is given the
SQL. Prints a JSON object: the reader's version and the rows of each answer, in order.
"""

import asyncio
import json
import sys

from read_views import READERS


def with_datasette(journal, folder):
    from datasette.app import Datasette
    from datasette.utils import parse_metadata
    from datasette.version import __version__

    def read(name):
        with open(f"{folder}/{name}.yaml") as file:
            return parse_metadata(file.read())

    is_next = __version__.startswith("1.")
    # As docs/READERS.md says: `-m metadata.yaml`, and for 1.0 also `-c datasette.yaml`.
    more = {"config": read("datasette")} if is_next else {"settings": {"sql_time_limit_ms": 60000}}
    datasette = Datasette([journal], metadata=read("metadata"), **more)

    def get(path, params):
        answer = asyncio.run(datasette.client.get(path, params=params))
        if answer.status_code != 200:
            raise SystemExit(f"{path}: {answer.status_code} {answer.text}")
        return answer

    def rows(name, given):
        # An optional parameter that is not given stays away, as in the form that nobody filled in.
        return get(f"/journal/{name}.json", {"_shape": "array"} | {k: v for k, v in given.items() if v != ""}).json()

    # People see a form with its title and what its parameters are, and what the columns of a view mean.
    form, view = get("/journal/in-doubt", {}).text, get("/journal/intents", {}).text
    assert "Everything in doubt" in form and "only in this run" in form and 'name="run"' in form, form
    assert "one of the eight" in view, view
    return __version__, rows


questions = json.load(sys.stdin)
reader, journal, folder = sys.argv[1:]
if reader == "datasette":
    version, rows = with_datasette(journal, folder)
    answers = {question["name"]: rows(question["name"], question["given"]) for question in questions}
else:
    version, ask = READERS[reader](journal)
    answers = {question["name"]: ask(question["sql"], question["given"]) for question in questions}
print(json.dumps({"version": version, "answers": answers}))
