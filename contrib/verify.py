#!/usr/bin/env python3
"""Verifies what keybatch hands out, without keybatch: a journal, a plan's file, or a proof. Each FILE gets a line of JSON with its
`verdict`, as `keybatch verify` words it. Exits with 0 where all are accepted, 7 where one is not, 2 for wrong usage. Needs Python 3.9
and, for signatures alone, ssh-keygen. docs/JOURNAL.md says what is checked here, docs/RELIABILITY.md what only keybatch checks."""
import argparse, base64, hashlib, json, os, re, sqlite3, subprocess, sys, tempfile, time
from urllib.parse import quote

KINDS = """journal_created session_opened session_closed manifest_ingested intent_recorded plan_sealed override_used plan_approved
    plan_signed run_started attempt_started attempt_finished operation_polled observed row_settled row_resolved rate_changed run_stopped
    run_finished run_abandoned reconciled control_used checkpoint_made checkpoint_anchored lease_taken lease_ended answer_late""".split()
WORDS = {"source": "get_key_pair get_key_pairs get_instances get_operations_for_resource",
    "class": """succeeded pending operation_failed not_found throttled not_sent setup_in_progress refused denied refused_for_all
        unanswered""",
    "found": "same other not_found operation unfinished no_operation listed no_answer denied refused_for_all",
    "outcome": "deleted gone absent skipped failed in_doubt",
    "evidence": "answer operation cloudtrail readback inventory note tried person",
    "cause": """error unknown_error timeout cut connect_failed unreadable server_error no_operation not_built no_credentials
        started_late""",
    "role": "maker session", "what": "pause continue rate stop", "failure": "not_started exit signal timeout"}
WORDS = {name: words.split() for name, words in WORDS.items()}
ALWAYS = {"attempt_finished": ["class"], "answer_late": ["class"], "operation_polled": ["class"], "observed": ["source", "found"],
    "row_settled": ["outcome", "evidence"], "row_resolved": ["outcome", "evidence"], "plan_signed": ["role", "key", "signature"],
    "plan_approved": ["signer", "key", "signature"], "control_used": ["what"]}
# Fields and what they hold: s text, e text that is not empty, n a number, h a SHA-256, t a time in whole seconds, b a truth value; ? may be absent
SHAPES = {"plan_signed": "plan_root:s key:s signature:s", "plan_approved": "signer:e plan_root:s key:s signature:s",
    "checkpoint_anchored": """size:n root:s program:s elapsed_ms:n exit_code:n? detail:s? receipt:s? receipt_base64:s? receipt_bytes:n?
        receipt_cut:b?""",
    "reconciled": """file_count:n files_sha256:h from:t until:t records:n events:n unreadable:n unexplained:n resolves:n by:e""",
    "lease_taken": "account:s region:s lasts_ms:n skew_ms:s?", "lease_ended": "of:n why:s stopped:s? detail:s?", "answer_late": "attempt:n elapsed_us:n",
    "control_used": "by:e uid:n? database_role:e? per_s:s?", "row_resolved": "because:e by:s event_id:s?", "file": "name:e sha256:h bytes:n", "contradiction": "row:n attempt:n event_id:s?",
    "finding": """event_id:e event_time:t region:s key_pair_name:s? account:s? by:s? source_ip:s? user_agent:s? error_code:s?"""}
KIND_OF = {"s": lambda value: type(value) is str, "e": lambda value: type(value) is str and value, "b": lambda value: type(value) is bool,
    "n": lambda value: type(value) is int, "h": lambda value: re.fullmatch("[0-9a-f]{64}", value),
    "t": lambda value: re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", value) and time.strptime(value, "%Y-%m-%dT%H:%M:%SZ")}
SAYS = """succeeded failed another_name another_place another_operation another_time another_run another_caller several_records""".split()
WHY = "another_caller unknown_run no_such_attempt unattributed".split()
STOPPED = "signal max_failures max_deletes max_duration breaker canary control journal".split()
ALONE = """refused_for_all all_denied endpoint_gone throttled_for_long nothing_leaves cannot_read nothing_readable doubtful""".split()
BEFORE_EXECUTION = ("throttled", "not_sent", "setup_in_progress", "denied", "refused_for_all")
BEGIN, END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"


class Bad(Exception):
    """(verdict, number of the entry or None, one sentence)"""


def must(holds, seq, why, verdict="illegal_history"):
    if not holds:
        raise Bad(verdict, seq, why if seq is None else "entry %d: %s" % (seq, why))


# Hashes and trees (RFC 6962)

def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()

def leaf(data):
    return sha256(b"\0", data)

def node(left, right):
    return sha256(b"\1", left, right)

def text64(hash):
    return base64.b64encode(hash).decode()

def hash64(text):
    """A hash, if this is the one way to write it."""
    hash = base64.b64decode(text.encode("ascii"), validate=True)
    must(len(hash) == 32 and text64(hash) == text, None, "a hash is 32 bytes in base64", "altered")
    return hash

class Tree:
    def __init__(self, leaves=()):
        self.size, self.roots = 0, []  # of the complete subtrees, the largest first
        for one in leaves:
            self.push(one)

    def push(self, hash):
        count, self.size = self.size, self.size + 1
        while count & 1:
            hash, count = node(self.roots.pop(), hash), count >> 1
        self.roots.append(hash)

    def root(self):
        hash = self.roots[-1] if self.roots else sha256()
        for left in self.roots[-2::-1]:
            hash = node(left, hash)
        return hash

def climb(place, last, hash, steps, old=None):
    """The root to which a path leads from a place, `last` being the last place, and the root of what is not right of it."""
    while last:
        if place & 1:
            hash, old = node(steps[0], hash), old and node(steps[0], old)
        elif place < last:
            hash = node(hash, steps[0])
        steps = steps[1:] if place & 1 or place < last else steps
        place, last = place >> 1, last >> 1
    return None if steps else (hash, old)

def is_beginning(old, old_root, new, new_root, steps):
    """Whether a consistency proof holds."""
    place, last = old - 1, new - 1
    if old == new:
        return not steps and old_root == new_root
    while place & 1:
        place, last = place >> 1, last >> 1
    begin, steps = (steps[0], steps[1:]) if place else (old_root, steps)
    return 0 < old < new and climb(place, last, begin, steps, begin) == (new_root, old_root)


# Canonical JSON (RFC 8785), as keybatch uses it

def pairs(items):
    must(len(dict(items)) == len(items), None, "a key twice")
    return dict(items)

def number(text):
    must(text.isdigit() and len(text) < 17 and int(text) < 1 << 53, None, "a number that is no integer from 0 to 2^53 - 1")
    return int(text)

DECODER = json.JSONDecoder(object_pairs_hook=pairs, parse_float=number, parse_int=number, parse_constant=number)

def in_order(value, depth=0):
    must(depth <= 32, None, "nested too deeply")
    if isinstance(value, dict):
        return {key: in_order(value[key], depth + 1) for key in sorted(value, key=lambda key: key.encode("utf-16-be"))}
    return [in_order(item, depth + 1) for item in value] if isinstance(value, list) else value

def canonical(value):
    return json.dumps(in_order(value), ensure_ascii=False, separators=(",", ":")).encode()

def parse(data, seq, verdict="illegal_history"):
    """The object that these bytes are the canonical form of."""
    try:
        value = DECODER.decode(data.decode())
        is_it = isinstance(value, dict) and canonical(value) == data
    except (Bad, ValueError, RecursionError):
        is_it = False
    must(is_it, seq, "it is not canonical JSON", verdict)
    return value

def shaped(value, seq, name):
    for field, kind in (field.split(":") for field in SHAPES[name].split()):
        holds = KIND_OF[kind[0]](value[field]) if field in value else kind.endswith("?")
        must(holds, seq, "its %s is missing, or is none" % field)

def entry_of(data, seq):
    """The entry that these bytes are, with known words alone."""
    entry = parse(data, seq)
    version, kind = entry["v"], entry["kind"]
    must(version <= 2 and (version < 2 or kind in KINDS), seq, "of a newer version or kind", "cannot_verify")
    must(entry["seq"] == seq, seq, "it says that it is another entry", "altered")
    is_time = re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", entry["at"])
    must(version == 2 and is_time, seq, "another version, or a time that is not one as it is written")
    must(all(type(entry.get(name, 0)) is int for name in ("session", "run", "row")), seq, "a number is none")
    must(all(entry.get(name, words[0]) in words for name, words in WORDS.items()), seq, "an unknown word")
    must(all(name in entry for name in ALWAYS.get(kind, ())), seq, "a field is missing")
    if kind in SHAPES:
        shaped(entry, seq, kind)
    must(("session" in entry) == (kind != "journal_created"), seq, "it names no session")
    return kind, entry


# Checkpoints and signatures

def point_of(lines):
    """(journal id, size, root) of a checkpoint's three lines, or None."""
    try:
        origin, size, root = lines
        is_one = re.fullmatch("keybatch/[!-~]+", origin) and re.fullmatch("0|[1-9][0-9]{0,15}", size)
        return (origin[9:], int(size), hash64(root)) if is_one else None
    except (ValueError, Bad):
        return None

def text_of(point):
    return "keybatch/%s\n%d\n%s\n" % (point[0], point[1], text64(point[2]))

def records(path):
    """Of each record of a file: its checkpoint, or None if it is torn, and the signature behind it."""
    with open(path, "rb") as file:
        text = file.read().decode("utf-8", "replace")
    for record in re.split(r"^(?=keybatch/)", text, flags=re.M)[1:]:
        lines = [line.rstrip() for line in record.split("\n") if line.strip()]
        yield point_of(lines[:3]), "\n".join(lines[3:]) + "\n" if lines[3:4] == [BEGIN] else None

def keygen(text, armour, *arguments):
    with tempfile.TemporaryDirectory() as folder:
        name = os.path.join(folder, "signature")
        with open(name, "w") as file:
            file.write(armour)
        try:
            return subprocess.run(["ssh-keygen", "-Y", *arguments, "-s", name], input=text.encode(), capture_output=True)
        except OSError as error:
            raise Bad("cannot_verify", None, "a signature cannot be verified: %s" % error)

def key_of(armour):
    """The fingerprint of the key in a signature; None where it is a certificate, which is named by the key in it."""
    lines = re.search("(?s)" + BEGIN + "\n(.*?)\n" + END, armour)
    blob = base64.b64decode(lines[1]) if lines else b""
    key = blob[14 : 14 + int.from_bytes(blob[10:14], "big")]
    must(blob[:6] == b"SSHSIG" and key, None, "it is no signature")
    return None if b"-cert-v01@" in key[:60] else "SHA256:" + text64(sha256(key)).rstrip("=")

def is_signed(point, armour, signers, at):
    """Whether somebody signed it whom the list allows that; not where the signature is cut off."""
    if END not in armour:
        return False
    when = ["-O", "verify-time=" + re.sub(r"[-:T]|\..*", "", at) + "Z"] if at else []
    for name in keygen("", armour, "find-principals", "-f", signers, *when).stdout.decode().splitlines():
        if not keygen(text_of(point), armour, "verify", "-f", signers, "-I", name, "-n", "checkpoint@keybatch", *when).returncode:
            return True
    raise Bad("bad_signature", None, "the signature under the checkpoint of %d entries is by nobody who may sign" % point[1])

def allows_somebody(path):
    """Whether a list of signers has a line with a key: the kind stands in the key once more."""
    with open(path, encoding="utf-8", errors="replace") as file:
        keys = [re.search(r"^[^#\s].*?\s((?:ssh|ecdsa|sk)-\S+)\s+([A-Za-z0-9+/]+=*)(?:\s|$)", line.strip()) for line in file]
    return any(base64.b64encode(len(key[1]).to_bytes(4, "big") + key[1].encode())[:20] == key[2][:20].encode() for key in keys if key)

class Trust:
    """The checkpoints of one journal that the reviewer brings."""
    def __init__(self, options, id, when):
        brought = [(point, armour) for path in options.checkpoint for point, armour in records(path) if point and point[1]]
        self.others = bool(brought) and all(point[0] != id for point, _ in brought)
        self.roots, self.trusted, self.proved, self.related = {}, set(), 0, False
        own = [one for one in brought if one[0][0] == id]
        self.signatures = [armour for _, armour in own]
        self.warn(options, self.signatures)
        for point, armour in own:
            self.roots.setdefault(point[1], set()).add(point[2])
            signers = options.allowed_signers
            if not signers or armour and is_signed(point, armour, signers, when(point[1])):
                self.trusted.add(point[1:])

    @staticmethod
    def warn(options, signatures):
        """Says where signatures count and none is there, or the other way round."""
        options.warnings = []
        if not options.allowed_signers and any(signatures):
            options.warnings = ["the signatures under the checkpoints were not verified: --allowed-signers FILE does"]
        elif options.allowed_signers and signatures and not any(signatures):
            options.warnings = ["no checkpoint of this journal is signed, and --allowed-signers accepts signed ones alone"]

    def compare(self, size, root):
        for other in self.roots.get(size, ()):
            self.related = True
            must(other == root, None, "the checkpoint of %d entries has another root" % size, "forked")
            if (size, root) in self.trusted:
                self.proved = max(self.proved, size)


# What may follow what: all entries of a journal, or (partial) those of one row in a proof

class Row:
    def __init__(self, entry, seq):
        line = entry["line"]
        self.intent, self.entries, self.key = seq, {seq}, (line["account"], line["region"], line["name"])
        self.verdict = entry.get("today", line)["verdict"]
        is_known = {self.verdict, line["verdict"]} <= {"delete", "skip", "absent"}
        must(is_known and line["row"] == entry["row"], seq, "its line is of another row, or has an unknown verdict")
        self.attempts, self.same, self.lost = 0, False, False
        self.by, self.gone, self.waiting, self.late = None, set(), {}, set()  # who has it, had it, waits for which answer; answers too late
        self.open = self.last = self.answer = self.outcome = self.settled = self.now = None

    def settle(self, seq, outcome):
        self.outcome, self.now, self.settled = outcome, outcome, seq
        if outcome not in ("in_doubt", "gone"):
            self.entries = ()  # nothing more may be said of it

    def rests(self, entry, seq, needed, also=()):
        rests = entry["rests_on"]
        must(rests == sorted(set(rests)) and needed <= set(rests), seq, "what it rests on is not ascending, or lacks an entry")
        must(all(rest in self.entries or rest in also for rest in rests), seq, "it rests on no earlier entry of its row")

    def answered_late(self, entry, seq):
        must(self.waiting.pop(entry["attempt"], None) == entry["session"], seq, "no such attempt of its session is without an answer")
        self.gone.add(entry["session"])
        self.late.add(seq)

    def step(self, kind, entry, seq, also):
        session, outcome, evidence = entry["session"], entry.get("outcome"), entry.get("evidence")
        if kind != "row_resolved":
            must(session not in self.gone, seq, "its session has lost the row")
            self.gone |= {self.by} - {None, session}
            self.by = session
        if kind == "row_resolved":
            said = {"in_doubt": ["deleted", "gone", "absent", "failed"], "gone": ["deleted", "absent"]}.get(self.outcome, [])
            said = said + [self.outcome] * (self.now != self.outcome)
            must(outcome in said and evidence in ("person", "cloudtrail") and entry["because"].strip(), seq, "it cannot say this")
            is_record = evidence == "cloudtrail"
            must(is_record == ("event_id" in entry), seq, "a record of CloudTrail is named by it, and nothing else is")
            must(outcome == "deleted" or not is_record, seq, "a record of CloudTrail shows that a key pair was deleted, and nothing else")
            if "file" in entry:
                shaped(entry["file"], seq, "file")
            self.rests(entry, seq, {self.intent, self.settled}, self.late)
            self.now = outcome
        elif self.outcome:  # a canary is looked at once more
            must(kind == "observed" and entry["source"] == "get_key_pair", seq, "the row has its outcome already")
        elif kind == "row_settled":
            tried = self.attempts or self.lost
            fits = {"deleted": tried and ["operation"], "gone": tried and ["readback"], "in_doubt": tried and ["tried"],
                "failed": tried and ["answer", "operation", "readback"], "skipped": self.verdict != "absent" and ["note"],
                "absent": self.verdict != "skip" and ["inventory", "answer"]}[outcome]
            must(fits and evidence in fits and self.open != session, seq, "its entries do not show what the outcome says")
            self.rests(entry, seq, {self.intent} | ({self.answer} - {None} if evidence == "answer" else set()), also)
            self.settle(seq, outcome)
        else:
            must(self.verdict == "delete", seq, "the plan does not say that this row is to be deleted")
            must(self.open != session or kind == "attempt_finished", seq, "its attempt is still in flight")
            if kind == "attempt_started":
                must(not self.attempts or self.last in BEFORE_EXECUTION or self.same, seq, "the key pair was not read before it")
                self.attempts, self.open, self.last, self.same, self.answer = self.attempts + 1, session, None, False, None
                must(entry["attempt"] == self.attempts, seq, "attempts are numbered from 1 without gaps")
                self.waiting[self.attempts] = session
            elif kind == "attempt_finished":
                must(self.open == session and entry["attempt"] == self.attempts, seq, "no such attempt is in flight")
                self.open, self.last, self.answer = None, entry["class"], seq
                self.waiting.pop(self.attempts, None)
                refused = ("refused", "denied", "refused_for_all", "throttled", "setup_in_progress")
                fits = {"deleted": ("succeeded",), "failed": refused}.get(outcome, ())
                is_said = evidence == "answer" and self.last in fits
                must(is_said if outcome else not evidence and self.last != "succeeded", seq, "its answer decides otherwise")
                if outcome:
                    self.settle(seq, outcome)
            elif kind == "observed" and entry["source"] != "get_operations_for_resource":
                self.same = entry["found"] == "same" or self.same and entry["found"] not in ("other", "not_found")
            else:
                must(kind in ("observed", "operation_polled"), seq, "it names no row")
        if self.entries:
            self.entries.add(seq)

def seal_of(header, leaves, targets):
    counted = [{"account": account, "region": region, **counts} for (account, region), counts in sorted(targets.items())]
    roots = {"root": text64(Tree([leaf(header), *leaves]).root()), "rows_root": text64(Tree(leaves).root())}
    return {"schema": "keybatch.plan.seal/1", "rows": len(leaves), "targets": counted, **roots}

def count(targets, line):
    counts = targets.setdefault((line["account"], line["region"]), {"deletes": 0, "skips": 0, "absents": 0})
    counts[line["verdict"] + "s"] += 1

class Run:
    def __init__(self, bound):
        self.bound, self.rows, self.leaves, self.targets, self.listings = bound, {}, [], {}, set()
        self.sealed = self.started = self.ended = self.abandoned = self.is_file = None
        self.places, self.told, self.deleting = set(), {}, set()  # targets; by session: what it was told last; the sessions that may delete
        self.keys, self.people, self.parties, self.roles, self.asked, self.signers = set(), set(), set(), set(), set(), set()

class History:
    def __init__(self, partial=False):
        self.sessions, self.runs, self.ids, self.rollbacks, self.in_flight = {}, {}, set(), set(), {}
        self.at, self.id, self.holder, self.partial = "", None, None, partial
        self.made, self.handed_over, self.resolves, self.sign_keys = {}, {}, {}, {}
        # How far each runner is; the run of those that are open; who ended all before it; whose a row is; how many answers each waits for
        self.runners, self.shared, self.since, self.taken, self.flying = {}, None, 0, {}, {}

    def step(self, seq, kind, entry, root):
        must(entry["at"] >= self.at, seq, "it is older than the one before it")
        self.at = entry["at"]
        session = entry.get("session")
        runner = self.runners.get(session)
        lost = runner == "lapsed" or runner and session < self.since
        must(not lost or kind == "answer_late", seq, "its leases had ended: others may have gone on with its rows")
        must((kind == "journal_created") == (seq == 0), seq, "a journal begins with journal_created, and has no other")
        if seq == 0:
            self.id = entry["journal_id"]
        elif kind == "session_opened":
            self.open(seq, entry, root)
        elif kind in ("checkpoint_made", "checkpoint_anchored"):
            is_alone = entry["session"] in self.sessions and root and not {"run", "row"} & set(entry)
            must(is_alone, seq, "its session was never opened, or it names a run or a row")
            if kind == "checkpoint_anchored":
                return self.anchored(seq, entry)
            self.made[entry["size"]] = entry["root"]
            must((entry["size"], entry["root"]) == (seq, text64(root)), seq, "another checkpoint than that before it", "altered")
        else:
            must(entry["session"] in self.sessions, seq, "its session was never opened")
            of = self.sessions[entry["session"]]
            held = self.partial or session == self.holder or runner in ("work", "left") or kind == "answer_late"
            must(held and ("run" not in entry or entry["run"] != of), seq, "its session is not open, or it names its own run")
            run = entry.get("run", of)
            must(run is None or run in self.runs, seq, "its run was never opened")
            must(runner != "left" or kind == "session_closed", seq, "its session has left")
            must(not runner or kind not in ("run_stopped", "run_abandoned"), seq, "a runner neither stops nor abandons its run")
            if kind == "session_closed" and runner:
                must(run == of and (runner == "left" or self.runs[run].ended), seq, "it closes a runner that has not left")
                self.lose(seq, session, "closed")
            elif kind == "session_closed":
                self.holder = None
            elif kind in ("lease_taken", "lease_ended", "answer_late"):
                must(runner and run == of and "run" not in entry, seq, "its session is no runner")
                {"lease_taken": self.take, "lease_ended": self.end, "answer_late": self.late}[kind](seq, entry, self.runs[run])
            elif kind == "reconciled":
                must(of is None and run is not None and "row" not in entry and not self.partial, seq, "its session is of a run")
                self.reconciled(seq, entry, run)
            elif run is None:
                is_rollback = kind == "override_used" and entry["override"] == "accept-rollback"
                must("row" not in entry and (is_rollback or not self.partial), seq, "its session is of no run")
                self.rollbacks |= {seq} if is_rollback else set()
                for row in (row for run in self.runs.values() for row in run.rows.values()):
                    row.lost = row.lost or is_rollback and row.verdict == "delete" and not row.outcome
            elif "row" in entry:
                must((kind == "row_resolved") == (of is None), seq, "a row is resolved in a session of no run")
                if entry.get("evidence") == "cloudtrail" and not self.partial:
                    left = self.resolves.get((entry["session"], run), 0)
                    must(left, seq, "the reconciliation before it resolves no such row")
                    self.resolves[entry["session"], run] = left - 1
                self.of_row(seq, kind, entry, self.runs[run])
            else:
                self.of_run(seq, kind, entry, self.runs[run])

    def open(self, seq, entry, root):
        ids = {entry["session_id"], entry.get("run_id", entry["session_id"])}
        is_new = entry["session"] == seq and not ("run" in entry and "run_id" in entry) and not self.ids & ids
        must(is_new and "row" not in entry, seq, "a session has the number of the entry that opens it, and an id of its own")
        self.ids |= ids
        is_next = root is None or entry.get("continues_from", text64(root)) == text64(root)
        must(is_next, seq, "it continues from another root", "altered")
        settings = hashlib.sha256(canonical(entry["settings"])).hexdigest()
        must(entry["settings_sha256"] == settings, seq, "its settings have another digest")
        bound = tuple(entry.get(name) for name in ("account", "endpoint", "sandbox"))
        if "run_id" in entry:
            self.runs[seq] = Run(bound)
        is_bound = "run" not in entry or entry["run"] in self.runs and self.runs[entry["run"]].bound == bound
        must(is_bound, seq, "its run was never opened, or is bound to another account or endpoint")
        self.sessions[seq] = seq if "run_id" in entry else entry.get("run")
        if entry["command"] in ("run", "resume", "work") and self.sessions[seq] is not None:
            self.runs[self.sessions[seq]].deleting.add(seq)
        self.sign_keys[seq], works = entry["settings"].get("sign_key"), entry["command"] == "work"
        run = self.runs.get(entry.get("run")) if works else None
        must(not works or run and run.started and not run.abandoned, seq, "a runner works on a run that was started before")
        if works:
            self.runners[seq], self.flying[seq] = "work", 0
        if not works or self.shared != entry["run"]:
            self.shared, self.since, self.taken, self.in_flight = entry["run"] if works else None, seq, {}, {}
        self.holder = None if works else seq

    def lose(self, seq, session, state):
        must(state == "lapsed" or not self.flying[session], seq, "its attempts are still in flight")
        self.runners[session] = state
        self.taken = {row: by for row, by in self.taken.items() if by != session}

    def take(self, seq, entry, run):
        """A runner takes rows of a target that nobody has, and that have no outcome."""
        must(not self.partial and not run.ended and "row" not in entry, seq, "its run has ended, or it has no place in a story")
        must(entry["lasts_ms"] and re.fullmatch("0|-?[1-9][0-9]{0,18}", entry.get("skew_ms", "0")), seq, "a number is none")
        before, rows = 0, entry["rows"]
        for first, last in rows:
            must(before < first <= last <= len(run.rows), seq, "its rows are not ascending, or not all of its run")
            for row in range(first, last + 1):
                is_free = row not in self.taken and not run.rows[row].outcome
                is_of = run.rows[row].key[:2] == (entry["account"], entry["region"])
                must(is_free and is_of, seq, "it takes a row that another one has, that has its outcome, or that is of another target")
                self.taken[row] = entry["session"]
            before = last
        must(rows, seq, "it takes no rows")

    def end(self, seq, entry, run):
        """A runner leaves, or says that the leases of another one lapsed."""
        of, why, targets = entry["of"], entry["why"], entry.get("targets", [])
        must(not self.partial and "row" not in entry, seq, "it has no place in the story of a row")
        is_told = why == ("left" if of == entry["session"] else "lapsed")
        must(is_told, seq, "only a runner itself says that it leaves, and only others say that its leases lapsed")
        is_one = of in self.runners and self.sessions[of] == self.sessions[entry["session"]]
        must(is_one, seq, "it is about no runner of its run")
        must(why == "left" or not {"stopped", "detail", "targets"} & set(entry), seq, "it says what stopped another one")
        named = [(target["account"], target["region"]) for target in targets]
        is_known = entry.get("stopped", STOPPED[0]) in STOPPED and all(target["why"] in ALONE for target in targets)
        must(is_known and len(set(named)) == len(named) and set(named) <= run.places, seq, "it names no known reason, or another target")
        self.lose(seq, of, why)

    def late(self, seq, entry, run):
        """An answer that came after others had the row, or could have it: its session has lost its leases."""
        must(entry.get("row") in run.rows and not {"outcome", "evidence"} & set(entry), seq, "it names no row, or has an outcome")
        run.rows[entry["row"]].answered_late(entry, seq)
        self.flying[entry["session"]] -= 1
        self.lose(seq, entry["session"], "lapsed")

    def anchored(self, seq, entry):
        """A checkpoint was handed to a command: one that was made, in order, as the command ended."""
        is_made = self.made.get(entry["size"]) == entry["root"]
        must(is_made and entry["size"] > self.handed_over.get(entry["session"], 0), seq, "it is about a checkpoint that was not made, or not the next one")
        self.handed_over[entry["session"]], code = entry["size"], entry.get("exit_code")
        ended = {None: code == 0, "exit": code not in (None, 0)}.get(entry.get("failure"), code is None)
        must(ended, seq, "its exit code and its failure contradict each other")
        kept = [entry[name] for name in ("receipt", "receipt_base64") if name in entry]
        size = len(base64.b64decode(kept[0], validate=True) if "receipt_base64" in entry else kept[0].encode()) if kept else 0
        is_cut = entry.get("receipt_cut", False)
        fits = len(kept) < 2 and size <= 1 << 16 and not (is_cut and kept) and (kept or "receipt_bytes" not in entry)
        must(fits and entry.get("receipt_bytes", size + 1) > size, seq, "its receipt is not one that keybatch keeps")

    def reconciled(self, seq, entry, id):
        """CloudTrail's records were held against the attempts of a run: as many as it had, and what is counted is named."""
        rows, counts = self.runs[id].rows.values(), entry["attempts"]
        attempts = sum(counts[name] for name in ("confirmed", "not_seen", "contradicted", "not_sent"))
        must(self.runs[id].started and attempts == sum(row.attempts for row in rows), seq, "its counts are not those of the run")
        named = {"files": entry["file_count"], "contradictions": counts["contradicted"], "findings": entry["unexplained"]}
        is_named = all(len(entry.get(name, ())) == min(100, count) for name, count in named.items())
        is_part = entry["unexplained"] <= entry["events"] <= entry["records"] and entry["file_count"] and entry["by"]
        must(is_named and is_part and entry["from"] <= entry["until"], seq, "it does not name what it counts")
        doubtful = sum(row.outcome in ("in_doubt", "gone") for run in self.runs.values() for row in run.rows.values())
        for file in entry["files"]:
            shaped(file, seq, "file")
        told, found = entry.get("contradictions", []), entry.get("findings", [])
        for one in told:
            shaped(one, seq, "contradiction")
            is_said = one["says"] and all(word in SAYS for word in one["says"]) and one["row"] and one["attempt"]
            must(type(one["says"]) is list and is_said, seq, "it does not say how a record contradicts which attempt")
        for one in found:
            shaped(one, seq, "finding")
            must(one["why"] in WHY, seq, "it does not say why nothing explains an event")
        is_once = len({(one["row"], one["attempt"]) for one in told}) == len(told) and len({one["event_id"] for one in found}) == len(found)
        must(is_once, seq, "it names an attempt or an event twice")
        must(entry["resolves"] <= doubtful, seq, "it resolves more rows than are in doubt or gone")
        self.resolves = {(entry["session"], id): entry["resolves"]}

    def signed(self, seq, kind, entry, run):
        """An approval, or under four eyes the signature of the plan's maker or of a session: each key has one part."""
        must(run.sealed == entry["plan_root"] and run.is_file, seq, "it names another plan's root, or a run's own plan")
        must(key_of(entry["signature"]) in (None, entry["key"]), seq, "its signature is by another key, or is none")
        if kind == "plan_approved":
            must(not run.started and entry["key"] not in run.keys | run.parties, seq, "its key has a part already")
            must(entry["signer"] not in run.people, seq, "its person has approved already")
            run.keys.add(entry["key"])
            return run.people.add(entry["signer"])
        is_new = entry["role"] == "session" or not (run.started or "maker" in run.roles)
        must(is_new and entry["key"] not in run.keys, seq, "its maker has signed it already, or its key approved the plan")
        if entry["role"] == "session":
            session = entry["session"]
            is_its = entry["key"] == self.sign_keys[session] and session not in run.signers | run.asked
            must(is_its, seq, "its session signs the plan once, before its first request, with the key of its settings")
            run.signers.add(session)
        run.parties.add(entry["key"])
        run.roles.add(entry["role"])

    def of_row(self, seq, kind, entry, run):
        row = entry["row"]
        if kind == "intent_recorded":
            must(not run.sealed and (self.partial or row == len(run.rows) + 1) and row not in run.rows, seq, "not the next row")
            must("page" not in entry or entry["page"] in run.listings, seq, "the listing that it names is not there")
            run.rows[row] = Row(entry, seq)
            count(run.targets, entry["line"])
            return run.leaves.append(leaf(canonical(entry["line"])))
        must(row in run.rows and run.started, seq, "its row has no intent, or its run was not started")
        story, session = run.rows[row], entry["session"]
        has = self.partial or session not in self.runners or self.taken.get(row) == session or story.outcome
        must(has, seq, "its runner has not taken this row")
        if kind == "attempt_started":
            run.asked.add(entry["session"])
            must(run.told.get(entry["session"], "continue") == "continue", seq, "its session was told to pause or to stop before")
            must(not run.roles or entry["session"] in run.signers, seq, "under four eyes, its session has not signed the plan")
            must(self.in_flight.setdefault(story.key, row) == row, seq, "a delete of the same key pair is in flight")
        story.step(kind, entry, seq, run.listings | self.rollbacks if kind == "row_settled" else ())
        if kind == "attempt_finished":
            self.in_flight.pop(story.key, None)
        if session in self.flying:
            self.flying[session] += {"attempt_started": 1, "attempt_finished": -1}.get(kind, 0)
        if story.outcome:
            self.taken.pop(row, None)

    def of_run(self, seq, kind, entry, run):
        is_aside = kind in ("observed", "rate_changed", "control_used") or kind == "plan_signed" and entry["role"] == "session"
        must(not run.ended or is_aside and entry["session"] in self.runners, seq, "its run has ended")
        if kind == "observed":
            run.listings.add(seq)
        elif kind == "plan_sealed":
            computed = seal_of(canonical(entry["header"]), run.leaves, run.targets)
            is_it = self.partial and run.rows or not self.partial and entry["seal"] == computed
            must(is_it and not run.sealed, seq, "its plan is not the one of the intents before it", "altered")
            run.sealed, run.leaves, run.is_file = entry["seal"]["root"], [], "expires_at" in entry["header"]
            run.places = {*run.targets, *((target["account"], target["region"]) for target in entry["targets"])}
        elif kind == "run_started":
            deletes = self.partial or entry["deletes"] == sum(row.verdict == "delete" for row in run.rows.values())
            must(deletes and run.sealed == entry["plan_root"] and not run.started, seq, "it starts another plan than is sealed")
            must(self.partial or len(run.roles) != 1, seq, "one of its maker and its session signed the plan, and not the other")
            run.started = True
        elif kind in ("run_finished", "run_abandoned"):
            counts = dict.fromkeys([*WORDS["outcome"], "unsettled", "not_attempted"], 0)
            for row in run.rows.values():
                counts[row.now or "not_attempted"] += 1
            must((entry["rows"], entry["outcomes"]) == (len(run.rows), counts), seq, "its counts are not those of the rows")
            must(kind == "run_abandoned" or not counts["not_attempted"], seq, "a row has no outcome")
            run.ended, run.abandoned = seq, kind == "run_abandoned"
        elif kind == "control_used":
            must(run.started and not self.partial and entry["session"] in run.deleting, seq, "its session does not execute its run")
            is_rate, per_s = entry["what"] == "rate", entry.get("per_s", "")
            is_one = re.fullmatch(r"[1-9]\d{0,6}\.\d{3}|0\.\d{6}", per_s) and 0.000277 <= float(per_s) <= 1e6
            must((is_one if is_rate else "per_s" not in entry) and ("uid" in entry) != ("database_role" in entry) and entry.get("uid", 0) < 1 << 32, seq, "its rate or its user is none")
            told = run.told.get(entry["session"])
            must(told != "stop" or entry["what"] == "stop", seq, "its session was told to stop before")
            run.told.update({} if is_rate else {entry["session"]: entry["what"]})
        elif kind in ("plan_approved", "plan_signed"):
            must(not self.partial or kind == "plan_approved", seq, "it has no place in the story of a row")
            self.signed(seq, kind, entry, run)
        else:
            must(not self.partial, seq, "it has no place in the story of a row")


# A journal, a plan's file, a proof: (entries that a trusted checkpoint covers, entries in all, ends of real runs that none covers)

def journal(path, options):
    held = os.path.exists(path + "-wal") and os.path.getsize(path + "-wal")
    db = sqlite3.connect("file:%s?mode=ro%s" % (quote(path), "" if held else "&immutable=1"), uri=True)
    try:
        return entries(db, options)
    except (sqlite3.DatabaseError, OverflowError) as error:
        raise Bad("corrupt", None, "the database cannot be read: %s" % error)
    finally:
        db.close()

def entries(db, options):
    damage, log, history = db.execute("PRAGMA integrity_check(1)").fetchone()[0], Tree(), History()
    body_of = lambda seq: (db.execute("SELECT CAST(body AS BLOB) FROM entry WHERE seq = ?", (seq,)).fetchone() or [None])[0]
    first = body_of(0)
    at = lambda size: json.loads(body_of(size - 1) or "{}").get("at")
    trust = Trust(options, entry_of(first, 0)[1].get("journal_id") if first else None, at)
    for seq, body, stored in db.execute("SELECT seq, CAST(body AS BLOB), CAST(leaf AS BLOB) FROM entry ORDER BY seq"):
        must(seq == log.size, log.size, "it is missing", "altered")
        must(stored == leaf(body), seq, "it does not have the hash that was recorded with it", "altered")
        kind, entry = entry_of(body, seq)
        history.step(seq, kind, entry, log.root() if kind.startswith(("session_o", "checkpoint_")) else None)
        log.push(stored)
        trust.compare(log.size, log.root() if log.size in trust.roots else None)
    heads = db.execute("SELECT size, CAST(root AS BLOB), CAST(frontier AS BLOB) FROM head").fetchall()
    must(max([0, *(head[0] for head in heads)]) <= log.size, log.size, "it is missing, and the head covers it", "truncated")
    is_head = heads == ([(log.size, log.root(), b"".join(log.roots))] if log.size else [])
    must(is_head, None, "the head is not that of the entries", "altered")
    must(max([0, *trust.roots]) <= log.size, log.size, "it is missing, and a checkpoint saw it", "truncated")
    must(not trust.others, None, "the checkpoint is of another journal", "cannot_verify")
    must(damage == "ok", None, damage, "corrupt")
    marks = [db.execute("PRAGMA " + name).fetchone()[0] for name in ("application_id", "user_version")]
    must(log.size, None, "nothing was ever written to it", "cannot_verify")
    must(marks[1] <= 3, None, "the file is of a newer version", "cannot_verify")
    must(marks[0] == 0x4B425448 and marks[1] > 1, None, "the marks of the file were changed", "altered")
    ends = [run.ended for run in history.runs.values() if run.ended and not run.bound[2]]
    return trust.proved, log.size, [end for end in ends if end >= trust.proved]

def plan(data, options):
    *lines, rest = data.split(b"\n")
    must(not rest and len(lines) > 1, None, "the file ends within a line", "altered")
    header, *rows, seal = [parse(line, None, "altered") for line in lines]
    is_one = (header["schema"], header["action"]) == ("keybatch.plan/1", "lightsail:DeleteKeyPair")
    must(is_one, None, "this is no plan that is known here", "cannot_verify")
    must([row["row"] for row in rows] == list(range(1, len(rows) + 1)), None, "the rows are not in order", "altered")
    targets = {}
    for row in rows:
        count(targets, row)
    is_sealed = seal == seal_of(lines[0], [leaf(line) for line in lines[1:-1]], targets)
    must(is_sealed and header["manifest"]["rows"] == len(rows), None, "the plan was changed after it was sealed", "altered")
    return 0, None, []

def fields(value, needed, optional=()):
    must(set(needed) <= set(value) <= {*needed, *optional}, None, "the proof says more or less than proofs do", "cannot_verify")
    return [value[name] for name in needed]

def proof_of(data):
    """The proof that these bytes are. What has not its form is none; what has, in other bytes, was altered."""
    try:
        file = DECODER.decode(data.decode())
        fields(file, ("schema", "checkpoint"), ("consistency", "run", "row", "entries"))
        fields(file["checkpoint"], ("text",), ("signature",))
        numbers, texts = [file.get("run", 0), file.get("row", 0)], [*file["checkpoint"].values()]
        for older in file.get("consistency", ()):
            size, root, hashes = fields(older, ("size", "root", "hashes"))
            numbers, _ = [*numbers, size], [hash64(hash) for hash in [root, *hashes]]
        for entry in file.get("entries", ()):
            seq, body, path = fields(entry, ("seq", "body", "path"))
            numbers, texts, _ = [*numbers, seq], [*texts, body], [hash64(hash) for hash in path]
        is_one = all(type(one) is int for one in numbers) and all(type(one) is str for one in texts)
        must(is_one and file["schema"] == "keybatch.proof/1", None, "another form")
    except (Bad, ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise Bad("cannot_verify", None, "this is no proof that is known here: %s" % error)
    must([] not in file.values() and canonical(file) + b"\n" == data, None, "the proof is not as it is written", "altered")
    return file

def proof(data, options):
    file = proof_of(data)
    text = file["checkpoint"]["text"]
    point, armour = point_of(text.split("\n")[:3]), file["checkpoint"].get("signature")
    must(point and point[1] and text_of(point) == text, None, "the checkpoint of the proof is none", "altered")
    known, (id, size, root) = {}, point
    for older in file.get("consistency", ()):
        of, of_root, steps = fields(older, ("size", "root", "hashes"))
        holds = of > max(known, default=0) and is_beginning(of, hash64(of_root), size, root, list(map(hash64, steps)))
        must(holds, None, "it does not show that an older checkpoint is the beginning of its own", "altered")
        known[of] = hash64(of_root)
    last, history = -1, History(partial=True)
    for seq, body, path in (fields(entry, ("seq", "body", "path")) for entry in file.get("entries", ())):
        found = seq < size and climb(seq, size - 1, leaf(body.encode()), list(map(hash64, path)))
        must(seq > last and found and found[0] == root, seq, "it is not in the journal of this checkpoint", "altered")
        last, (kind, entry) = seq, entry_of(body.encode(), seq)
        history.step(seq, kind, entry, None)
        must(entry.get("row", file["row"]) == file["row"], seq, "it is of another row than the proof")
    run = history.runs.get(file.get("run"))
    is_story = run and list(history.runs) == [file["run"]] and list(run.rows) == [file["row"]] and history.id is not None
    is_other = "consistency" in file and not {"run", "row", "entries"} & set(file)
    must(is_story or is_other, None, "the proof is neither of a row nor of older checkpoints")
    must(history.id in (None, id), 0, "the checkpoint is of another journal than the entries", "altered")
    trust = Trust(options, id, lambda size: history.at)
    trust.warn(options, [armour, *trust.signatures])
    if armour and not options.allowed_signers:
        options.warnings = ["who signed the checkpoint in the proof was not judged: --allowed-signers FILE does"]
    if armour is not None:
        body = armour[len(BEGIN) + 1 : -len(END) - 2]
        bytes = base64.b64decode(body.replace("\n", ""))
        written = [text64(bytes)[place : place + 70] for place in range(0, len(text64(bytes)), 70)]
        is_written = "\n".join([BEGIN, *written, END, ""]) == armour
        must(is_written and not keygen(text, armour, "check-novalidate", "-n", "checkpoint@keybatch").returncode,
            None, "the signature in the proof does not hold", "bad_signature")
    vouched = armour and options.allowed_signers and is_signed(point, armour, options.allowed_signers, history.at)
    for one in {**known, size: root}.items():
        trust.compare(*one)
    related = trust.related or vouched or not trust.roots
    must(related and not trust.others, None, "the proof shows nothing of the checkpoints that were brought", "cannot_verify")
    proved = size if vouched else trust.proved
    return proved if proved > last else 0, size, []

def verify(path, options):
    options.warnings = []
    result = {"schema": "keybatch.verify/1", "file": path, "first_bad": None, "entries": None, "proved_up_to": None}
    try:
        with open(path, "rb") as file:
            begin = file.read(14)
            read = proof if begin == b'{"checkpoint":' else plan if begin.startswith(b"{") else None
            proved, size, open_ends = read(begin + file.read(1 << 30), options) if read else journal(path, options)
        result.update(entries=size, proved_up_to=proved or None, detail="nothing is wrong with it")
        result["verdict"] = "verified" if proved or size is None else "self_consistent"
        if options.require_checkpoint and proved and open_ends:
            return {**result, "accepted": False, "warnings": options.warnings, "detail": "no checkpoint covers the end of a run: entry %d" % open_ends[0]}
    except Bad as bad:
        result["verdict"], result["first_bad"], result["detail"] = bad.args
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        result.update(verdict="illegal_history", detail="a field is missing, or of another type: %r" % error)
    result["warnings"] = options.warnings
    sound = ["verified"] if options.require_checkpoint else ["verified", "self_consistent"]
    return {**result, "accepted": result["verdict"] in sound}

def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", metavar="FILE", action="append", default=[], help="checkpoints that were kept elsewhere")
    parser.add_argument("--allowed-signers", metavar="FILE", help="accept only checkpoints that one of these people signed")
    parser.add_argument("--require-checkpoint", action="store_true", 
        help="fail where nothing outside vouches for it, or a checkpoint does not cover the end of each real run that is over")
    parser.add_argument("file", metavar="FILE", nargs="+", help="a journal, a plan's file or a proof; - reads names, one a line")
    options, accepted = parser.parse_args(), True
    try:
        if options.allowed_signers and not allows_somebody(options.allowed_signers):
            raise OSError("%s allows nobody to sign" % options.allowed_signers)
        for path in options.checkpoint if options.require_checkpoint else ():
            if [point for point, _ in records(path)][-1:] == [None]:
                raise OSError("the last checkpoint in %s is incomplete" % path)
        if options.checkpoint and not any(point for path in options.checkpoint for point, _ in records(path)):
            raise OSError("no whole checkpoint was brought")
        for path in (line.rstrip("\n") for name in options.file for line in (sys.stdin if name == "-" else [name])):
            result = verify(path, options)
            accepted = accepted and result["accepted"]
            print(json.dumps(result, sort_keys=True), flush=True)
    except OSError as error:
        print("verify.py: %s" % error, file=sys.stderr)
        return 2
    return 0 if accepted else 7

if __name__ == "__main__":
    sys.exit(main())
