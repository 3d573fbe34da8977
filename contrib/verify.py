#!/usr/bin/env python3
"""Verifies what keybatch hands out, without keybatch: a journal, a plan's file, or a proof.

    verify.py [--checkpoint FILE]... [--allowed-signers FILE] [--require-checkpoint] FILE...

Each FILE gets one line of JSON with its `verdict`, as `keybatch verify` words it; with `-`, the names of the files come on standard
input, one a line. The exit code is 0 where all are accepted, 7 where one is not, 2 for wrong usage. It needs Python 3.9 and, for
signatures alone, ssh-keygen. It shares no code with keybatch: docs/JOURNAL.md says what is checked here, and docs/RELIABILITY.md
what only keybatch checks.
"""
import argparse, base64, hashlib, json, os, re, sqlite3, subprocess, sys, tempfile
from urllib.parse import quote

KINDS = """journal_created session_opened session_closed manifest_ingested intent_recorded plan_sealed override_used plan_approved
run_started attempt_started attempt_finished operation_polled observed row_settled row_resolved rate_changed run_stopped run_finished
run_abandoned checkpoint_made""".split()
WORDS = {
    "class": """succeeded pending operation_failed not_found throttled not_sent setup_in_progress refused denied refused_for_all
unanswered""".split(),
    "source": "get_key_pair get_key_pairs get_instances get_operations_for_resource".split(),
    "found": "same other not_found operation unfinished no_operation listed no_answer denied refused_for_all".split(),
    "outcome": "deleted gone absent skipped failed in_doubt".split(),
    "evidence": "answer operation cloudtrail readback inventory note tried person".split(),
    "cause": """error unknown_error timeout cut connect_failed unreadable server_error no_operation not_built no_credentials
started_late""".split(),
}
BEFORE_EXECUTION = ("throttled", "not_sent", "setup_in_progress")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\Z")


class Bad(Exception):
    """(verdict, number of the entry or None, one sentence)"""


class Usage(Exception):
    pass


def illegal(seq, why, *values):
    raise Bad("illegal_history", seq, why % values)


def altered(seq, why, *values):
    raise Bad("altered", seq, why % values)


# Hashes and trees (RFC 6962)


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def leaf(data):
    return sha256(b"\0", data)


def node(left, right):
    return sha256(b"\1", left, right)


class Tree:
    """The roots of the complete subtrees, the largest first."""

    def __init__(self):
        self.size, self.roots = 0, []

    def push(self, hash):
        count = self.size
        while count & 1:
            hash, count = node(self.roots.pop(), hash), count >> 1
        self.roots.append(hash)
        self.size += 1

    def root(self):
        if not self.roots:
            return sha256()
        hash = self.roots[-1]
        for left in self.roots[-2::-1]:
            hash = node(left, hash)
        return hash


def tree(leaves):
    """The root over a list, by the definition itself."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256()
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return node(tree(leaves[:half]), tree(leaves[half:]))


def by_path(place, size, hash, path):
    """The root to which a path leads; None where it has another length."""
    if place >= size:
        return None
    last, steps = size - 1, list(path)
    while last:
        if place & 1 or place < last:
            if not steps:
                return None
            step = steps.pop(0)
            hash = node(step, hash) if place & 1 else node(hash, step)
        place, last = place >> 1, last >> 1
    return None if steps else hash


def is_beginning(old, old_root, new, new_root, proof):
    """RFC 6962, 2.1.4: whether the proof shows that."""
    if not 0 < old <= new:
        return False
    if old == new:
        return not proof and old_root == new_root
    place, last, steps = old - 1, new - 1, list(proof)
    while place & 1:
        place, last = place >> 1, last >> 1
    if place and not steps:
        return False
    of_old = of_new = steps.pop(0) if place else old_root
    while last:
        if place & 1 or place < last:
            if not steps:
                return False
            step = steps.pop(0)
            if place & 1:
                of_old, of_new = node(step, of_old), node(step, of_new)
            else:
                of_new = node(of_new, step)
        place, last = place >> 1, last >> 1
    return not steps and (of_old, of_new) == (old_root, new_root)


def text64(hash):
    return base64.b64encode(hash).decode()


def hash64(text):
    """A hash, if this is the one way to write it."""
    try:
        hash = base64.b64decode(text.encode("ascii"), validate=True)
    except (AttributeError, ValueError):
        return None
    return hash if len(hash) == 32 and text64(hash) == text else None


# Canonical JSON (RFC 8785), as keybatch uses it


def pairs(items):
    value = dict(items)
    if len(value) != len(items):
        raise ValueError("a key twice")
    return value


def refused(text):
    raise ValueError("a number that is no integer from 0 to 2^53 - 1")


def integer(text):
    number = int(text) if len(text) < 17 else refused(text)
    return number if 0 <= number < 1 << 53 else refused(text)


DECODER = json.JSONDecoder(object_pairs_hook=pairs, parse_float=refused, parse_int=integer, parse_constant=refused)


def in_order(value, depth=0):
    if depth > 32:
        raise ValueError("nested too deeply")
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        return {key: in_order(value[key], depth + 1) for key in keys}
    return [in_order(item, depth + 1) for item in value] if isinstance(value, list) else value


def canonical(value):
    return json.dumps(in_order(value), ensure_ascii=False, separators=(",", ":")).encode()


def parse(data, seq, what, verdict="illegal_history"):
    """The object that these bytes are the canonical form of."""
    try:
        value = DECODER.decode(data.decode())
        if isinstance(value, dict) and canonical(value) == data:
            return value
    except (ValueError, RecursionError):
        pass
    raise Bad(verdict, seq, "%s is not canonical JSON" % what)


def get(value, name, kind, seq, default=None):
    """A field of this type; required unless there is a default."""
    found = value.get(name, default)
    if found is default and default is not None:
        return found
    if not isinstance(found, kind) or isinstance(found, bool) and kind is int:
        illegal(seq, "its field %s is missing or of another type", name)
    return found


# Checkpoints and signatures


def checkpoint(text):
    """(journal id, size, root) of a record's three lines, or None."""
    lines = [line.rstrip() for line in text.split("\n")]
    if len(lines) < 3 or not lines[0].startswith("keybatch/") or not re.fullmatch("0|[1-9][0-9]*", lines[1]):
        return None
    id, root = lines[0][len("keybatch/") :], hash64(lines[2])
    return (id, int(lines[1]), root) if root and re.fullmatch("[!-~]+", id) else None


def records(path):
    """Of each record of a file: its checkpoint, or None if it is torn, and the signature behind it."""
    found, lines, armour = [], None, None
    with open(path, "rb") as file:
        for line in [*file.read().decode("utf-8", "replace").split("\n"), "keybatch/"]:
            if line.startswith("keybatch/"):
                if lines:
                    found.append((checkpoint("\n".join(lines)), armour))
                lines, armour = [], None
            if lines is None:
                continue
            if len(lines) == 3 and line.startswith("-----BEGIN SSH SIGNATURE-----"):
                armour = ""
            if armour is not None:
                armour += line.rstrip() + "\n"
            elif len(lines) < 3 and line.strip():
                lines.append(line.rstrip())
    return found


def to_text(point):
    return "keybatch/%s\n%d\n%s\n" % (point[0], point[1], text64(point[2]))


def keygen(arguments, text, armour):
    with tempfile.TemporaryDirectory() as folder:
        name = os.path.join(folder, "signature")
        with open(name, "w") as file:
            file.write(armour)
        try:
            return subprocess.run(["ssh-keygen", "-Y", *arguments, "-s", name], input=text.encode(), capture_output=True)
        except OSError as error:
            raise Bad("cannot_verify", None, "a signature cannot be verified: %s" % error)


def is_signed(point, armour, signers, at):
    """Whether somebody signed it whom the list allows that; False where the signature is cut off."""
    if "-----END SSH SIGNATURE-----" not in armour:
        return False
    time = ["-O", "verify-time=" + re.sub(r"[-:T]|\..*", "", at) + "Z"] if at else []
    named = keygen(["find-principals", "-f", signers, *time], to_text(point), armour)
    for name in named.stdout.decode().splitlines():
        arguments = ["verify", "-f", signers, "-I", name, "-n", "checkpoint@keybatch", *time]
        if keygen(arguments, to_text(point), armour).returncode == 0:
            return True
    raise Bad("bad_signature", None, "the signature under the checkpoint of %d entries is not by anybody who may sign" % point[1])


class Trust:
    """The checkpoints that the reviewer brings, of one journal."""

    def __init__(self, options, id, times):
        brought = [record for path in options.checkpoint for record in records(path)]
        whole = [(point, armour) for point, armour in brought if point and point[1]]
        self.others = bool(whole) and all(point[0] != id for point, _ in whole)
        self.roots, self.trusted, self.proved, self.related = {}, set(), 0, False
        for point, armour in whole:
            if point[0] != id:
                continue
            self.roots.setdefault(point[1], set()).add(point[2])
            if not options.allowed_signers or armour and is_signed(point, armour, options.allowed_signers, times(point[1])):
                self.trusted.add(point[1:])

    def compare(self, size, root):
        for other in self.roots.get(size, ()):
            self.related = True
            if other != root:
                raise Bad("forked", None, "the checkpoint of %d entries has another root than the entries" % size)
            if (size, root) in self.trusted:
                self.proved = max(self.proved, size)


# One row


class Row:
    """The story of a row: intent before start, one delete in flight, at most one outcome, what it rests on."""

    def __init__(self, entry, seq):
        line = get(entry, "line", dict, seq)
        self.intent, self.entries = seq, [seq]
        self.key = tuple(get(line, name, str, seq) for name in ("account", "region", "name"))
        today = entry.get("today") or line
        self.verdict = get(today, "verdict", str, seq)
        if self.verdict not in ("delete", "skip", "absent") or line.get("row") != entry.get("row"):
            illegal(seq, "its line is of another row, or has an unknown verdict")
        self.attempts, self.open, self.last, self.same, self.lost = 0, None, None, False, False
        self.answer = self.outcome = self.settled = self.counts_as = None

    def lose(self):
        self.lost = self.lost or self.outcome is None and self.verdict == "delete"

    def settle(self, seq, outcome):
        self.outcome = self.counts_as = outcome
        self.settled, self.open = seq, None

    def rests(self, entry, seq, needed, also=()):
        rests = get(entry, "rests_on", list, seq)
        if rests != sorted(set(rests)) or not set(needed) <= set(rests):
            illegal(seq, "the entries that it rests on are not ascending, or lack the intent or the answer")
        if not all(rest in self.entries or rest in also for rest in rests):
            illegal(seq, "it rests on an entry that is no earlier one of its row")

    def step(self, kind, entry, seq, also=(), canary=True):
        session, outcome, evidence = entry["session"], entry.get("outcome"), entry.get("evidence")
        if kind == "row_resolved":
            if self.outcome not in ("in_doubt", "gone") or evidence not in ("person", "cloudtrail"):
                illegal(seq, "its row has no outcome that is in doubt")
            said = {"in_doubt": ["deleted", "gone", "absent", "failed"], "gone": ["deleted", "absent"]}[self.outcome]
            if outcome not in (said if self.counts_as == self.outcome else [*said, self.outcome]):
                illegal(seq, "a row that was %s cannot be %s", self.outcome, outcome)
            if not get(entry, "because", str, seq).strip():
                illegal(seq, "it gives no reason")
            self.rests(entry, seq, [self.intent, self.settled])
            self.counts_as = outcome
            return self.entries.append(seq)
        if self.outcome:
            if kind == "observed" and canary and entry["source"] == "get_key_pair":
                return None
            illegal(seq, "the row has its outcome already")
        if kind != "row_settled" and self.verdict != "delete":
            illegal(seq, "the plan does not say that this row is to be deleted")
        if self.open == session and kind != "attempt_finished":
            illegal(seq, "its attempt is still in flight")
        if kind == "attempt_started":
            self.attempts += 1
            if entry.get("attempt") != self.attempts:
                illegal(seq, "attempts are numbered from 1 without gaps")
            if self.attempts > 1 and self.last not in BEFORE_EXECUTION and not self.same:
                illegal(seq, "the last attempt may have taken effect, but the key pair was not read before this one")
            self.open, self.last, self.same, self.answer = session, None, False, None
        elif kind == "attempt_finished":
            if self.open != session or entry.get("attempt") != self.attempts or (outcome is None) != (evidence is None):
                illegal(seq, "no such attempt of the row is in flight")
            self.open, self.last, self.answer = None, entry["class"], seq
            if outcome:
                refused = ("refused", "denied", "refused_for_all", "throttled", "setup_in_progress")
                fits = {"deleted": ("succeeded",), "failed": refused}.get(outcome, ())
                if evidence != "answer" or self.last not in fits:
                    illegal(seq, "the answer alone does not say what its outcome says")
                self.settle(seq, outcome)
            elif self.last == "succeeded":
                illegal(seq, "it decides the row, but has no outcome")
        elif kind == "observed" and entry["source"] != "get_operations_for_resource":
            self.same = entry["found"] == "same" or self.same and entry["found"] not in ("other", "not_found")
        elif kind == "row_settled":
            tried = self.attempts or self.lost
            fits = {
                "deleted": tried and (evidence == "operation"),
                "gone": tried and evidence == "readback",
                "in_doubt": tried and evidence == "tried",
                "failed": tried and evidence in ("answer", "operation", "readback"),
                "absent": self.verdict != "skip" and evidence in ("inventory", "answer"),
                "skipped": self.verdict != "absent" and evidence == "note",
            }.get(outcome)
            if not fits:
                illegal(seq, "its entries do not show what the outcome says")
            self.rests(entry, seq, [self.intent] + [self.answer] * (evidence == "answer" and self.answer is not None), also)
            self.settle(seq, outcome)
        elif kind not in ("operation_polled", "observed"):
            illegal(seq, "an entry of this kind names no row")
        self.entries.append(seq)
        if self.outcome not in (None, "in_doubt", "gone"):
            self.entries = None  # nothing more may be said of it


def entry_of(data, seq):
    """The entry that these bytes are, with known words alone."""
    entry = parse(data, seq, "entry %d" % seq)
    version, kind = get(entry, "v", int, seq), get(entry, "kind", str, seq)
    if version > 2 or version == 2 and kind not in KINDS:
        raise Bad("cannot_verify", seq, "entry %d is of a newer version or kind" % seq)
    if entry.get("seq") != seq:
        altered(seq, "entry %d says that it is entry %s", seq, entry.get("seq"))
    if version != 2 or not TIME.match(get(entry, "at", str, seq)):
        illegal(seq, "entry %d has another version, or a time that is not one as it is written", seq)
    for name in ("session", "run", "row"):
        if name in entry:
            get(entry, name, int, seq)
    for name, words in WORDS.items():
        if name in entry and entry[name] not in words:
            illegal(seq, "entry %d has an unknown %s", seq, name)
    needed = {"attempt_finished": ["class"], "operation_polled": ["class"], "observed": ["source", "found"]}
    needed["row_settled"] = needed["row_resolved"] = ["outcome", "evidence"]
    if not all(name in entry for name in needed.get(kind, ())) or kind != "journal_created" and "session" not in entry:
        illegal(seq, "entry %d lacks a field that its kind always has", seq)
    return kind, entry


def seal_of(header, lines):
    """The seal of a plan with this first line and these rows: (parsed, bytes) each."""
    targets, leaves = {}, [leaf(data) for _, data in lines]
    for line, _ in lines:
        counts = targets.setdefault((line["account"], line["region"]), {"delete": 0, "skip": 0, "absent": 0})
        counts[line["verdict"]] += 1
    counted = [
        {"account": account, "region": region, "deletes": one["delete"], "skips": one["skip"], "absents": one["absent"]}
        for (account, region), one in sorted(targets.items())
    ]
    roots = {"root": text64(tree([leaf(header), *leaves])), "rows_root": text64(tree(leaves))}
    return {"schema": "keybatch.plan.seal/1", "rows": len(lines), "targets": counted, **roots}


# A journal


class Run:
    def __init__(self, bound):
        self.bound, self.rows, self.leaves, self.targets, self.listings = bound, {}, [], {}, set()
        self.sealed = self.started = None
        self.ended = False


class History:
    """What may follow what, as far as this program knows."""

    def __init__(self):
        self.sessions, self.runs, self.ids, self.rollbacks, self.in_flight = {}, {}, set(), set(), {}
        self.at, self.id, self.holder = "", None, None

    def step(self, seq, kind, entry, root):
        if entry["at"] < self.at:
            illegal(seq, "entry %d is older than the one before it", seq)
        self.at = entry["at"]
        if (kind == "journal_created") != (seq == 0):
            illegal(seq, "the first entry of a journal is journal_created, and no other")
        if seq == 0:
            self.id = get(entry, "journal_id", str, seq)
            return
        session = entry["session"]
        if kind == "session_opened":
            return self.open(seq, entry, root)
        if session not in self.sessions:
            illegal(seq, "the session of entry %d was never opened", seq)
        if kind == "checkpoint_made":
            if (entry.get("size"), entry.get("root")) != (seq, text64(root)):
                altered(seq, "the checkpoint in entry %d is not that of the entries before it", seq)
            return
        of = self.sessions[session]
        number = entry.get("run", of)
        if session != self.holder or "run" in entry and entry["run"] == of:
            illegal(seq, "the session of entry %d is not the one that was opened last, or it names its own run", seq)
        if kind == "session_closed":
            self.holder = None
            self.in_flight = {}
        elif number is None:
            if kind != "override_used" or entry.get("override") != "accept-rollback":
                illegal(seq, "the session of entry %d is of no run", seq)
            self.rollbacks.add(seq)
            for row in (row for run in self.runs.values() for row in run.rows.values()):
                row.lose()
        elif number not in self.runs:
            illegal(seq, "the run of entry %d was never opened", seq)
        elif "row" in entry:
            self.of_row(seq, kind, entry, self.runs[number], of)
        else:
            self.of_run(seq, kind, entry, self.runs[number])

    def open(self, seq, entry, root):
        ids = [get(entry, "session_id", str, seq)] + [entry[name] for name in ("run_id",) if name in entry]
        if entry["session"] != seq or "row" in entry or "run" in entry and "run_id" in entry or self.ids & set(ids):
            illegal(seq, "a session has the number of the entry that opens it, and an id of its own")
        self.ids |= set(ids)
        if "continues_from" in entry and entry["continues_from"] != text64(root):
            altered(seq, "entry %d continues from another root than that of the entries before it", seq)
        settings = canonical(get(entry, "settings", dict, seq))
        if entry.get("settings_sha256") != hashlib.sha256(settings).hexdigest():
            illegal(seq, "the settings of entry %d have another digest", seq)
        bound = tuple(entry.get(name) for name in ("account", "endpoint", "sandbox"))
        if "run_id" in entry:
            self.runs[seq] = Run(bound)
        elif "run" in entry and (entry["run"] not in self.runs or self.runs[entry["run"]].bound != bound):
            illegal(seq, "the run of entry %d was never opened, or is bound to another account or endpoint", seq)
        self.sessions[seq] = seq if "run_id" in entry else entry.get("run")
        self.holder, self.in_flight = seq, {}

    def of_row(self, seq, kind, entry, run, of):
        row = entry["row"]
        if (kind == "row_resolved") != (of is None):
            illegal(seq, "a row is resolved in a session of no run, and nothing else is")
        if kind == "intent_recorded":
            if run.sealed or row != len(run.rows) + 1:
                illegal(seq, "the rows of a plan are numbered without gaps, and come before its seal")
            run.rows[row] = Row(entry, seq)
            line = entry["line"]
            verdict = get(line, "verdict", str, seq)
            counts = run.targets.setdefault(run.rows[row].key[:2], {"delete": 0, "skip": 0, "absent": 0})
            counts[verdict] = counts.get(verdict, 0) + 1
            run.leaves.append(leaf(canonical(line)))
            return
        if row not in run.rows or not run.started:
            illegal(seq, "its row has no intent, or the run was not started")
        story = run.rows[row]
        if kind == "attempt_started" and self.in_flight.setdefault(story.key, row) != row:
            illegal(seq, "a delete of the same key pair is in flight")
        story.step(kind, entry, seq, run.listings | self.rollbacks if kind == "row_settled" else ())
        if kind == "attempt_finished":
            self.in_flight.pop(story.key, None)

    def of_run(self, seq, kind, entry, run):
        if run.ended and kind != "run_stopped":
            illegal(seq, "its run has ended")
        if kind == "observed":
            run.listings.add(seq)
        elif kind == "plan_sealed":
            seal, header = get(entry, "seal", dict, seq), get(entry, "header", dict, seq)
            computed = seal_of(canonical(header), [])
            computed["targets"] = [
                {"account": a, "region": r, "deletes": one["delete"], "skips": one["skip"], "absents": one["absent"]}
                for (a, r), one in sorted(run.targets.items())
            ]
            computed["rows"], computed["rows_root"] = len(run.leaves), text64(tree(run.leaves))
            computed["root"] = text64(tree([leaf(canonical(header)), *run.leaves]))
            if run.sealed or seal != computed:
                altered(seq, "the plan in entry %d is not the one of the intents before it", seq)
            run.sealed, run.leaves = seal["root"], []
        elif kind == "run_started":
            deletes = sum(row.verdict == "delete" for row in run.rows.values())
            if run.started or not run.sealed or (entry.get("plan_root"), entry.get("deletes")) != (run.sealed, deletes):
                illegal(seq, "it starts another plan than the one that is sealed")
            run.started = True
        elif kind in ("run_finished", "run_abandoned"):
            counts = dict.fromkeys([*WORDS["outcome"], "unsettled", "not_attempted"], 0)
            for row in run.rows.values():
                counts[row.counts_as or "not_attempted"] += 1
            if (entry.get("rows"), entry.get("outcomes")) != (len(run.rows), counts):
                illegal(seq, "its counts are not those of the rows")
            if kind == "run_finished" and counts["not_attempted"]:
                illegal(seq, "a row has no outcome")
            run.ended = True


def journal(path, options, result):
    held = os.path.exists(path + "-wal") and os.path.getsize(path + "-wal")
    db = sqlite3.connect("file:%s?mode=ro%s" % (quote(path), "" if held else "&immutable=1"), uri=True)
    try:
        return entries(db, options, result)
    except (sqlite3.DatabaseError, OverflowError) as error:
        raise Bad("corrupt", None, "the database cannot be read: %s" % error)
    finally:
        db.close()


def entries(db, options, result):
    damage = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
    times = lambda size: (db.execute("SELECT body ->> '$.at' FROM entry WHERE seq = ?", (size - 1,)).fetchone() or [None])[0]
    first = db.execute("SELECT CAST(body AS BLOB) FROM entry WHERE seq = 0").fetchone()
    id = entry_of(first[0], 0)[1].get("journal_id") if first else None
    trust = Trust(options, id, times)
    log, history = Tree(), History()
    for seq, body, stored in db.execute("SELECT seq, CAST(body AS BLOB), CAST(leaf AS BLOB) FROM entry ORDER BY seq"):
        if seq != log.size:
            altered(log.size, "entry %d is missing: entry %d is in its place", log.size, seq)
        if stored != leaf(body):
            altered(seq, "entry %d does not have the hash that was recorded with it", seq)
        kind, entry = entry_of(body, seq)
        history.step(seq, kind, entry, log.root() if kind in ("session_opened", "checkpoint_made") else None)
        log.push(stored)
        if log.size in trust.roots:
            trust.compare(log.size, log.root())
    result["entries"] = log.size
    heads = db.execute("SELECT size, CAST(root AS BLOB), CAST(frontier AS BLOB) FROM head").fetchall()
    if len(heads) == 1 and heads[0][0] > log.size:
        raise Bad("truncated", log.size, "the head is of %d entries, and only %d are there" % (heads[0][0], log.size))
    if heads != [(log.size, log.root(), b"".join(log.roots))][: log.size and 1]:
        altered(None, "the head is not that of the entries")
    beyond = [size for size in trust.roots if size > log.size]
    if beyond:
        raise Bad("truncated", log.size, "a checkpoint saw %d entries, and only %d are there" % (max(beyond), log.size))
    if trust.others:
        raise Bad("cannot_verify", None, "the checkpoint is of another journal")
    if damage != "ok":
        raise Bad("corrupt", None, damage)
    marks = [db.execute("PRAGMA " + name).fetchone()[0] for name in ("application_id", "user_version")]
    if not log.size or marks[0] != 0x4B425448 or marks[1] < 2:
        raise Bad("cannot_verify" if not log.size else "altered", None, "the file is empty, or its marks were changed")
    return trust.proved, log.size


# A plan's file


def plan(data, options, result):
    *lines, rest = data.split(b"\n")
    if rest or len(lines) < 2:
        altered(None, "the file ends within a line")
    header, *rows, seal = [(parse(line, None, "line %d" % number, "altered"), line) for number, line in enumerate(lines, 1)]
    if (header[0].get("schema"), header[0].get("action")) != ("keybatch.plan/1", "lightsail:DeleteKeyPair"):
        raise Bad("cannot_verify", None, "this is not the first line of a plan that is known here")
    for number, (row, _) in enumerate(rows, 1):
        texts = all(isinstance(row.get(name), str) for name in ("name", "account", "region"))
        if row.get("row") != number or not texts or row.get("verdict") not in ("delete", "skip", "absent"):
            altered(None, "line %d is not that of row %d", number + 1, number)
    manifest = header[0].get("manifest")
    if canonical(seal_of(header[1], rows)) != seal[1] or not isinstance(manifest, dict) or manifest.get("rows") != len(rows):
        altered(None, "the plan was changed after it was sealed")
    result["entries"] = len(rows)
    return 0, None


# A proof


def fields(value, needed, optional=()):
    if not isinstance(value, dict) or not set(needed) <= set(value) <= {*needed, *optional}:
        altered(None, "the proof says more or less than a proof says")
    return value


def hashes(value):
    found = [hash64(text) for text in value] if isinstance(value, list) else [None]
    return found if None not in found else altered(None, "a hash is 32 bytes in base64")


def proof(data, options, result):
    file = parse(data[:-1] if data.endswith(b"\n") else b"", None, "the file", "altered")
    if file.get("schema") != "keybatch.proof/1":
        raise Bad("cannot_verify", None, "this is not a proof that is known here")
    fields(file, ("schema", "checkpoint"), ("consistency", "run", "row", "entries"))
    own = fields(file["checkpoint"], ("text",), ("signature",))
    point = checkpoint(own["text"]) if isinstance(own["text"], str) else None
    if not point or not point[1] or to_text(point) != own["text"] or [] in (file.get("entries"), file.get("consistency")):
        altered(None, "the checkpoint of the proof is not one, or a list is empty")
    id, size, root = point
    known, last = [], 0
    for older in file.get("consistency", []):
        fields(older, ("size", "root", "hashes"))
        of, of_root = older["size"], hash64(older["root"])
        if type(of) is not int or of <= last or not is_beginning(of, of_root, size, root, hashes(older["hashes"])):
            altered(None, "it does not show that an older checkpoint is the beginning of its own")
        known, last = [*known, (of, of_root)], of
    at = story(file, id, size, root)
    trust = Trust(options, id, lambda size: at)
    armour, vouched = own.get("signature"), False
    if armour is not None:
        begin, *body, end, rest = (armour if isinstance(armour, str) else "\n\n").split("\n")
        is_written = all(len(line) == 70 for line in body[:-1]) and body and 0 < len(body[-1]) <= 70 and rest == ""
        if not is_written or (begin, end) != ("-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"):
            raise Bad("bad_signature", None, "the signature in the proof is not written as keybatch writes it")
        if text64(decoded(body)) != "".join(body) or keygen(["check-novalidate", "-n", "checkpoint@keybatch"], own["text"], armour).returncode:
            raise Bad("bad_signature", None, "the signature in the proof does not hold")
        vouched = bool(options.allowed_signers) and is_signed(point, armour, options.allowed_signers, at)
    for one in [*known, (size, root)]:
        trust.compare(*one)
    if vouched:
        trust.proved = size
    if trust.others or trust.roots and not trust.related and not vouched:
        raise Bad("cannot_verify", None, "the proof shows nothing of the checkpoints that were brought")
    result["entries"] = len(file.get("entries", []))
    covered = file["entries"][-1]["seq"] + 1 if "entries" in file else 0
    return (trust.proved, size) if trust.proved >= covered else (0, size)


def decoded(body):
    try:
        return base64.b64decode("".join(body), validate=True)
    except ValueError:
        raise Bad("bad_signature", None, "the signature in the proof is not base64")


def story(file, id, size, root):
    """The entries of a proof: where they are, and whether they are the story of its row. Returns when the last one was written."""
    run, row, at = file.get("run"), file.get("row"), ""
    if (type(run), type(row)) != (int, int):
        if "entries" in file or run is not None or row is not None or "consistency" not in file:
            illegal(None, "the proof is neither of a row nor of older checkpoints")
        return None
    last, sessions, listings, seen, mine = -1, {}, set(), set(), None
    for proved in get(file, "entries", list, None):
        fields(proved, ("seq", "body", "path"))
        seq, path = get(proved, "seq", int, None), hashes(proved["path"])
        body = get(proved, "body", str, seq).encode("utf-8", "surrogatepass")
        if seq <= last or by_path(seq, size, leaf(body), path) != root:
            altered(seq, "entry %d is not in the journal of this checkpoint, or not in its place", seq)
        kind, entry = entry_of(body, seq)
        if entry["at"] < at:
            illegal(seq, "entry %d is older than the one before it", seq)
        last, at = seq, entry["at"]
        if kind == "journal_created":
            if seq or entry.get("journal_id") != id:
                altered(seq, "the checkpoint is of another journal than the entries")
        elif kind == "session_opened":
            of = seq if "run_id" in entry else entry.get("run")
            if entry["session"] != seq or of not in (None, run):
                illegal(seq, "entry %d is a session of another run", seq)
            sessions[seq] = of
        elif entry["session"] not in sessions:
            illegal(seq, "the entry that opened the session of entry %d is not in the proof", seq)
        elif kind == "override_used" and entry.get("override") == "accept-rollback":
            listings.add(seq)
            if mine:
                mine.lose()
        elif entry.get("run", sessions[entry["session"]]) != run or entry.get("row", row) != row:
            illegal(seq, "entry %d is of another row or run", seq)
        elif "row" not in entry:
            if kind == "observed":
                listings.add(seq)
            elif kind == "plan_sealed" and mine:
                plan_root = get(get(entry, "seal", dict, seq), "root", str, seq)
            elif kind == "run_started" and "plan_sealed" in seen:
                if entry.get("plan_root") != plan_root:
                    illegal(seq, "it starts another plan than the one that is sealed")
            elif kind != "plan_approved" or "plan_sealed" not in seen:
                illegal(seq, "entry %d has no place in the story of a row", seq)
        elif kind == "intent_recorded":
            if mine or entry.get("page", seq) not in {*listings, seq}:
                illegal(seq, "a second intent, or the listing that it names is not in the proof")
            mine = Row(entry, seq)
        elif not mine or kind != "row_resolved" and "run_started" not in seen:
            illegal(seq, "its row has no intent, or the run was not started")
        else:
            mine.step(kind, entry, seq, listings)
        seen.add(kind)
    if not mine or "journal_created" not in seen or run not in sessions:
        illegal(None, "the proof lacks the journal's first entry, the run's, or the intent")
    return at


def verify(path, options):
    result = {"schema": "keybatch.verify/1", "file": path, "verdict": None, "accepted": False, "first_bad": None}
    try:
        with open(path, "rb") as file:
            begin = file.read(16)
            if begin.startswith(b"{"):
                is_proof = begin.startswith(b'{"checkpoint":{')
                proved, size = (proof if is_proof else plan)(begin + file.read(1 << 30), options, result)
            else:
                proved, size = journal(path, options, result)
        result["verdict"] = "verified" if proved or size is None else "self_consistent"
        result["proved_up_to"] = proved or None
        result["accepted"] = result["verdict"] == "verified" or not options.require_checkpoint
        result["detail"] = "nothing is wrong" + ("" if proved or size is None else ", but there is nothing outside to compare with")
    except Bad as bad:
        result["verdict"], result["first_bad"], result["detail"] = bad.args
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", metavar="FILE", action="append", default=[], help="checkpoints that were kept elsewhere")
    parser.add_argument("--allowed-signers", metavar="FILE", help="accept only checkpoints that one of these people signed")
    parser.add_argument("--require-checkpoint", action="store_true", help="fail where nothing outside vouches for it")
    parser.add_argument("file", metavar="FILE", nargs="+", help="a journal, a plan's file, a proof; - reads names from standard input")
    options = parser.parse_args()
    accepted = True
    try:
        if options.checkpoint and not any(point for path in options.checkpoint for point, _ in records(path)):
            raise Usage("no whole checkpoint was brought")
        for path in (line.rstrip("\n") for name in options.file for line in (sys.stdin if name == "-" else [name])):
            result = verify(path, options)
            accepted &= result["accepted"]
            print(json.dumps(result, sort_keys=True), flush=True)
    except (OSError, Usage) as error:
        print("verify.py: %s" % error, file=sys.stderr)
        return 2
    return 0 if accepted else 7


if __name__ == "__main__":
    sys.exit(main())
