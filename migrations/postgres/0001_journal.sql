-- The journal, format 2, in PostgreSQL 14 and later. A migration is never edited once it has landed.
--
-- The tables are those of migrations/0001_journal.sql and 0002_resolution.sql: `entry` is the record; everything else is derived
-- from it ("projections") and rebuilt by `verify`. Everything lies in a schema of its own, and is named with it, because a pooler
-- forgets search paths. Texts are ordered by their bytes, as in SQLite.

CREATE TABLE keybatch.entry (
    seq  bigint PRIMARY KEY,                                 -- from 0, without gaps
    body text COLLATE "C" NOT NULL,                          -- canonical JSON (RFC 8785), the bytes that are hashed, in UTF-8
    leaf bytea NOT NULL CHECK (octet_length(leaf) = 32)      -- SHA-256(0x00 || body)
);

-- Size and root of the tree over all entries, and the roots of its complete subtrees. Its row lock is the one lock of the journal.
CREATE TABLE keybatch.head (
    id              integer PRIMARY KEY CHECK (id = 0),
    size            bigint NOT NULL,
    root            bytea  NOT NULL CHECK (octet_length(root) = 32),
    frontier        bytea  NOT NULL,
    checkpoint_size bigint,                                  -- how many entries the last checkpoint covers; null before the first
    checkpoint_at   text COLLATE "C"                         -- when it was made
);

-- Copies of the checkpoints that were made. They prove nothing here; a copy held elsewhere does.
CREATE TABLE keybatch.checkpoint (
    seq     bigint PRIMARY KEY REFERENCES keybatch.entry (seq), -- the `checkpoint_made` entry
    size    bigint NOT NULL,
    root    text COLLATE "C" NOT NULL,                          -- base64
    made_at text COLLATE "C" NOT NULL
);

-- Projections. They hold what must be found or counted quickly; everything else is read from the entry by its `seq`.

CREATE TABLE keybatch.run (
    run_no          bigint PRIMARY KEY,                      -- the session_opened that began it
    run_id          text COLLATE "C" NOT NULL UNIQUE,
    state           text COLLATE "C" NOT NULL CHECK (state IN ('planning', 'running', 'stopped', 'finished', 'abandoned')),
    stopped_by      text COLLATE "C",
    started_at      text COLLATE "C" NOT NULL,
    finished_at     text COLLATE "C",
    sessions        bigint NOT NULL,
    manifest        text COLLATE "C",
    manifest_sha256 text COLLATE "C",
    rows            bigint NOT NULL DEFAULT 0,
    plan_root       text COLLATE "C",
    account_id      text COLLATE "C",
    principal_arn   text COLLATE "C",
    operator        text COLLATE "C" NOT NULL,
    endpoint        text COLLATE "C",
    sandbox         bigint NOT NULL,
    reason          text COLLATE "C",
    ticket          text COLLATE "C",
    reads           bigint NOT NULL DEFAULT 0,               -- Lightsail requests other than deletes
    reads_throttled bigint NOT NULL DEFAULT 0,
    manifest_seq    bigint,                                  -- its manifest_ingested
    sealed_seq      bigint,                                  -- its plan_sealed
    started_seq     bigint                                   -- its run_started
);

CREATE TABLE keybatch.target (
    target_no  bigint PRIMARY KEY,
    run_no     bigint NOT NULL REFERENCES keybatch.run (run_no),
    account_id text COLLATE "C" NOT NULL,
    region     text COLLATE "C" NOT NULL,
    UNIQUE (run_no, account_id, region)
);

-- One row of a manifest.
CREATE TABLE keybatch.intent (
    run_no        bigint NOT NULL REFERENCES keybatch.run (run_no),
    row_no        bigint NOT NULL,
    target_no     bigint NOT NULL REFERENCES keybatch.target (target_no),
    key_pair_name text COLLATE "C" NOT NULL,
    verdict       text COLLATE "C" NOT NULL CHECK (verdict IN ('delete', 'skip', 'absent')),
    seq           bigint NOT NULL,                           -- its intent_recorded
    settled_seq   bigint,                                    -- its row_settled, or the attempt_finished that decides it alone
    outcome       text COLLATE "C",
    evidence      text COLLATE "C",
    PRIMARY KEY (run_no, row_no)
);

-- Rows that are still to be done: what a session asks for page by page.
CREATE INDEX intent_pending ON keybatch.intent (run_no, target_no, row_no) WHERE settled_seq IS NULL;

CREATE TABLE keybatch.attempt (
    run_no       bigint NOT NULL,
    row_no       bigint NOT NULL,
    attempt      bigint NOT NULL,
    started_seq  bigint NOT NULL,
    finished_seq bigint,
    class        text COLLATE "C",
    PRIMARY KEY (run_no, row_no, attempt),
    FOREIGN KEY (run_no, row_no) REFERENCES keybatch.intent (run_no, row_no)
);

-- A row's entries of the rarer kinds (observed, operation_polled): where to find the rest of its story.
CREATE TABLE keybatch.row_entry (
    run_no bigint NOT NULL,
    row_no bigint NOT NULL,
    seq    bigint NOT NULL,
    PRIMARY KEY (run_no, row_no, seq),
    FOREIGN KEY (run_no, row_no) REFERENCES keybatch.intent (run_no, row_no)
);

-- Entries that belong to a run as a whole; and without a run, accepted rollbacks and the sessions that record them.
CREATE TABLE keybatch.milestone (
    seq    bigint PRIMARY KEY,
    run_no bigint REFERENCES keybatch.run (run_no),
    kind   text COLLATE "C" NOT NULL
);

CREATE INDEX milestone_by_run ON keybatch.milestone (run_no, kind, seq);

-- The rate that a target was last believed to permit.
CREATE TABLE keybatch.rate (
    endpoint   text COLLATE "C" NOT NULL,
    account_id text COLLATE "C" NOT NULL,
    region     text COLLATE "C" NOT NULL,
    rate_per_s text COLLATE "C" NOT NULL,
    is_limit   bigint NOT NULL,                              -- 1 where throttling began, 0 for what was borne so far
    seq        bigint NOT NULL,
    PRIMARY KEY (endpoint, account_id, region)
);

-- What a person, or CloudTrail's record, said last of a row that ended in doubt or as gone. The outcome that the run itself
-- determined stays in `intent`.
CREATE TABLE keybatch.resolution (
    run_no   bigint NOT NULL,
    row_no   bigint NOT NULL,
    seq      bigint NOT NULL,                                -- its row_resolved
    outcome  text COLLATE "C" NOT NULL,
    evidence text COLLATE "C" NOT NULL,
    PRIMARY KEY (run_no, row_no),
    FOREIGN KEY (run_no, row_no) REFERENCES keybatch.intent (run_no, row_no) DEFERRABLE INITIALLY DEFERRED
);

-- Who writes. A session holds the journal until a time on the server's clock, and renews that; whoever takes it over after that
-- time raises the epoch, under the head's lock, so that the session before can write nothing more. No record: it says nothing
-- about what happened.
CREATE TABLE keybatch.holder (
    id       integer PRIMARY KEY CHECK (id = 0),
    epoch    bigint NOT NULL,
    renewals bigint NOT NULL,
    until    timestamptz NOT NULL,
    holder   text COLLATE "C" NOT NULL                       -- JSON, for people
);

-- Entries and checkpoints are only ever added. An owner's own changes of the schema no trigger sees; a copy of a checkpoint that
-- is held elsewhere convicts those.

CREATE FUNCTION keybatch.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of keybatch.%: % are never changed or removed', TG_OP, TG_TABLE_NAME, TG_ARGV[0]
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;

CREATE FUNCTION keybatch.follow() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    first bigint; last bigint; added bigint;
BEGIN
    SELECT min(seq), max(seq), count(*) INTO first, last, added FROM added_entry;
    IF added > 0 AND (added <> last - first + 1
                      OR (first > 0 AND NOT EXISTS (SELECT 1 FROM keybatch.entry WHERE seq = first - 1))
                      OR first < 0
                      OR EXISTS (SELECT 1 FROM keybatch.entry WHERE seq > last)) THEN
        RAISE EXCEPTION 'entries are numbered without gaps' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER entry_follows AFTER INSERT ON keybatch.entry
    REFERENCING NEW TABLE AS added_entry FOR EACH STATEMENT EXECUTE FUNCTION keybatch.follow();
CREATE TRIGGER entry_not_changed BEFORE UPDATE OR DELETE ON keybatch.entry
    FOR EACH ROW EXECUTE FUNCTION keybatch.refuse('entries');
CREATE TRIGGER entry_not_emptied BEFORE TRUNCATE ON keybatch.entry
    FOR EACH STATEMENT EXECUTE FUNCTION keybatch.refuse('entries');
CREATE TRIGGER checkpoint_not_changed BEFORE UPDATE OR DELETE ON keybatch.checkpoint
    FOR EACH ROW EXECUTE FUNCTION keybatch.refuse('checkpoints');
CREATE TRIGGER checkpoint_not_emptied BEFORE TRUNCATE ON keybatch.checkpoint
    FOR EACH STATEMENT EXECUTE FUNCTION keybatch.refuse('checkpoints');
CREATE TRIGGER head_not_removed BEFORE DELETE ON keybatch.head
    FOR EACH ROW EXECUTE FUNCTION keybatch.refuse('heads');
CREATE TRIGGER head_not_emptied BEFORE TRUNCATE ON keybatch.head
    FOR EACH STATEMENT EXECUTE FUNCTION keybatch.refuse('heads');

-- Also where a session says that it is a replica.
ALTER TABLE keybatch.entry ENABLE ALWAYS TRIGGER entry_follows;
ALTER TABLE keybatch.entry ENABLE ALWAYS TRIGGER entry_not_changed;
ALTER TABLE keybatch.entry ENABLE ALWAYS TRIGGER entry_not_emptied;
ALTER TABLE keybatch.checkpoint ENABLE ALWAYS TRIGGER checkpoint_not_changed;
ALTER TABLE keybatch.checkpoint ENABLE ALWAYS TRIGGER checkpoint_not_emptied;
ALTER TABLE keybatch.head ENABLE ALWAYS TRIGGER head_not_removed;
ALTER TABLE keybatch.head ENABLE ALWAYS TRIGGER head_not_emptied;
