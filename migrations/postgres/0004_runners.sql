-- Several runners on one run, and what people ask of sessions at work. A migration is never edited once it has landed.
--
-- A session that shares its run is a runner. Its epoch comes from the counter of all sessions; its leases last until a time on the
-- server's clock, all of them together. Nothing here says what happened: the entries do. Where a deadline decides, its row is locked
-- first, and the clock looked at in the next statement: what waited for a lock may find that it was moved.
--
-- Locks are taken in this order: head, holder, the own runner, others' runners, rows. Who holds a runner's row never waits for the head.

CREATE TABLE keybatch.runner (
    epoch        bigint PRIMARY KEY,
    run_no       bigint,                                     -- its session's run, once it has opened one
    session_no   bigint,                                     -- its session_opened
    until        timestamptz NOT NULL,                       -- when its leases lapse; -infinity where it gave them back
    lasts        interval NOT NULL,
    since        timestamptz NOT NULL DEFAULT '-infinity',   -- since when they have not lapsed, if they ever had
    holder       text COLLATE "C" NOT NULL,                  -- JSON, for people
    renewals     bigint NOT NULL DEFAULT 0,
    fenced       boolean NOT NULL DEFAULT false,             -- it may add late answers and nothing else
    fenced_by    text COLLATE "C",                           -- who took it over, as in holder
    finishing    boolean NOT NULL DEFAULT false,             -- it ends the run
    claim_no     bigint NOT NULL DEFAULT 0,                  -- its last claim, by its own count
    claim_lapsed bigint[] NOT NULL DEFAULT '{}'              -- the sessions that lost rows by it
);

-- Which runner has which row that has no outcome.
CREATE TABLE keybatch.lease (
    run_no    bigint NOT NULL,
    row_no    bigint NOT NULL,
    target_no bigint NOT NULL,
    epoch     bigint NOT NULL,
    claim_no  bigint NOT NULL,
    PRIMARY KEY (run_no, row_no)
);

CREATE INDEX lease_by_runner ON keybatch.lease (epoch, claim_no);

-- The rate of a target that runners share, and up to when it is given away.
CREATE TABLE keybatch.pace (
    endpoint   text COLLATE "C" NOT NULL,
    account_id text COLLATE "C" NOT NULL,
    region     text COLLATE "C" NOT NULL,
    next       timestamptz NOT NULL,
    per_s      double precision NOT NULL CHECK (per_s > 0 AND per_s < 'Infinity'),
    version    bigint NOT NULL,
    PRIMARY KEY (endpoint, account_id, region)
);

-- The leases of a runner last anew from now on, unless it gave them back. One that had lapsed was cut off, as others may have been.
CREATE FUNCTION keybatch.prolong(my_epoch bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE keybatch.runner AS r SET renewals = r.renewals + 1,
            since = CASE WHEN r.until <= clock_timestamp() THEN clock_timestamp() ELSE r.since END,
            until = CASE WHEN r.until = '-infinity' THEN r.until ELSE clock_timestamp() + r.lasts END
        WHERE r.epoch = my_epoch AND NOT r.fenced;
END
$$;

-- A session that works alone takes the journal: it waits until no runner is alive, and fences all of them off.
CREATE OR REPLACE FUNCTION keybatch.take_hold(new_holder text)
RETURNS TABLE (taken boolean, its_epoch bigint, its_renewals bigint, its_holder text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_until timestamptz;
BEGIN
    PERFORM keybatch.settings();
    PERFORM 1 FROM keybatch.head WHERE id = 0 FOR UPDATE;
    SELECT h.epoch, h.renewals, h.until, h.holder INTO its_epoch, its_renewals, found_until, its_holder
        FROM keybatch.holder AS h WHERE h.id = 0 FOR UPDATE;
    PERFORM 1 FROM keybatch.runner AS r WHERE NOT r.fenced ORDER BY r.epoch FOR UPDATE;
    -- Only now that the locks are there does the clock say anything.
    taken := found_until <= clock_timestamp();
    IF taken THEN
        -- The one whose leases last longest: it stays the same unless one of them renews.
        SELECT false, r.epoch, r.renewals, r.holder INTO taken, its_epoch, its_renewals, its_holder
            FROM keybatch.runner AS r WHERE NOT r.fenced AND r.until > clock_timestamp() ORDER BY r.until DESC, r.epoch LIMIT 1;
        taken := NOT FOUND;
    END IF;
    IF taken THEN
        UPDATE keybatch.runner AS r SET fenced = true, fenced_by = new_holder WHERE NOT r.fenced;
        DELETE FROM keybatch.lease;
        UPDATE keybatch.holder AS h SET epoch = h.epoch + 1, renewals = 0, until = clock_timestamp() + interval '20 seconds',
                holder = new_holder WHERE h.id = 0 RETURNING h.epoch, h.renewals INTO its_epoch, its_renewals;
        its_holder := new_holder;
    END IF;
    RETURN NEXT;
END
$$;

-- Joins the runners, unless a session has the journal for itself: then this says who, as take_hold does. The counter goes on by two, so that
-- no session that works alone ever has a runner's epoch.
CREATE FUNCTION keybatch.join(new_holder text, lasts_for interval)
RETURNS TABLE (taken boolean, its_epoch bigint, its_renewals bigint, its_holder text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_until timestamptz;
BEGIN
    PERFORM keybatch.settings();
    PERFORM 1 FROM keybatch.head WHERE id = 0 FOR UPDATE;
    SELECT h.epoch, h.renewals, h.until, h.holder INTO its_epoch, its_renewals, found_until, its_holder
        FROM keybatch.holder AS h WHERE h.id = 0 FOR UPDATE;
    taken := found_until <= clock_timestamp();
    IF taken THEN
        UPDATE keybatch.holder AS h SET epoch = h.epoch + 2, renewals = 0, until = '-infinity', holder = new_holder
            WHERE h.id = 0 RETURNING h.epoch - 1, 0 INTO its_epoch, its_renewals;
        its_holder := new_holder;
        INSERT INTO keybatch.runner (epoch, until, lasts, holder)
            VALUES (its_epoch, clock_timestamp() + lasts_for, lasts_for, new_holder);
        -- Late answers of a week ago come no more. Of a run that goes on, all are kept: somebody may have to say that they lapsed.
        DELETE FROM keybatch.runner AS r WHERE r.fenced AND r.until < clock_timestamp() - interval '7 days'
            AND NOT EXISTS (SELECT 1 FROM keybatch.lease AS l WHERE l.epoch = r.epoch)
            AND (r.session_no IS NULL OR EXISTS (SELECT 1 FROM keybatch.run AS u
                                                 WHERE u.run_no = r.run_no AND u.state IN ('finished', 'abandoned')));
    END IF;
    RETURN NEXT;
END
$$;

-- Goes on holding it. One that was given back stays given back.
CREATE OR REPLACE FUNCTION keybatch.renew_hold(my_epoch bigint) RETURNS TABLE (renewed boolean, its_holder text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    me keybatch.runner;
BEGIN
    PERFORM keybatch.settings();
    SELECT r.* INTO me FROM keybatch.runner AS r WHERE r.epoch = my_epoch FOR UPDATE;
    IF FOUND THEN
        PERFORM keybatch.prolong(my_epoch);
        renewed := NOT me.fenced;
        its_holder := coalesce(me.fenced_by, me.holder);
        RETURN NEXT;
        RETURN;
    END IF;
    UPDATE keybatch.holder AS h SET renewals = h.renewals + 1,
            until = CASE WHEN h.until = '-infinity' THEN h.until ELSE clock_timestamp() + interval '20 seconds' END
        WHERE h.id = 0 AND h.epoch = my_epoch;
    renewed := FOUND;
    SELECT h.holder INTO its_holder FROM keybatch.holder AS h WHERE h.id = 0;
    RETURN NEXT;
END
$$;

-- Gives it back. A runner's rows were given back by its last entries. Where they were not, its leases lapse at once: whoever takes the rows
-- records that, as of a runner that died.
CREATE OR REPLACE FUNCTION keybatch.end_hold(my_epoch bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM keybatch.settings();
    PERFORM 1 FROM keybatch.runner AS r WHERE r.epoch = my_epoch FOR UPDATE;
    IF FOUND THEN
        DELETE FROM keybatch.runner AS r WHERE r.epoch = my_epoch AND NOT r.fenced
            AND NOT EXISTS (SELECT 1 FROM keybatch.lease AS l WHERE l.epoch = my_epoch);
        UPDATE keybatch.runner AS r SET until = '-infinity', finishing = false WHERE r.epoch = my_epoch AND NOT r.fenced;
        RETURN true;
    END IF;
    UPDATE keybatch.holder AS h SET until = '-infinity' WHERE h.id = 0 AND h.epoch = my_epoch;
    RETURN FOUND;
END
$$;

CREATE OR REPLACE FUNCTION keybatch.find_out(my_epoch bigint)
RETURNS TABLE (said text, its_size bigint, its_root bytea, its_holder text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    me keybatch.runner;
BEGIN
    PERFORM keybatch.settings();
    SELECT h.size, h.root INTO its_size, its_root FROM keybatch.head AS h WHERE h.id = 0 FOR UPDATE;
    SELECT r.* INTO me FROM keybatch.runner AS r WHERE r.epoch = my_epoch FOR UPDATE;
    IF FOUND THEN
        said := CASE WHEN me.fenced THEN 'fenced' ELSE 'held' END;
        its_holder := coalesce(me.fenced_by, me.holder);
    ELSE
        SELECT CASE WHEN h.epoch = my_epoch THEN 'held' ELSE 'fenced' END, h.holder INTO said, its_holder
            FROM keybatch.holder AS h WHERE h.id = 0;
    END IF;
    RETURN NEXT;
END
$$;

-- Locks the head for a runner that appends in a transaction of its own, because others write as well, and says how it is and what was added
-- since the head had this size: the leaves in hexadecimal, and when the last entry was written. The transaction ends by itself if nothing
-- follows: a runner that stands still does not keep the others out.
CREATE FUNCTION keybatch.lock_head(my_size bigint)
RETURNS TABLE (its_size bigint, root text, leaves text, last_at text, checkpoint_size bigint, checkpoint_at text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM keybatch.settings();
    PERFORM set_config('idle_in_transaction_session_timeout', '5s', true);
    SELECT h.size, encode(h.root, 'hex'), h.checkpoint_size, h.checkpoint_at
        INTO its_size, root, checkpoint_size, checkpoint_at FROM keybatch.head AS h WHERE h.id = 0 FOR UPDATE;
    IF its_size > my_size THEN
        SELECT string_agg(encode(e.leaf, 'hex'), '' ORDER BY e.seq) INTO leaves FROM keybatch.entry AS e WHERE e.seq >= my_size;
        SELECT (keybatch.members(e.body)).at INTO last_at FROM keybatch.entry AS e WHERE e.seq = its_size - 1;
    END IF;
    RETURN NEXT;
END
$$;

-- That each of these rows is leased to a runner.
CREATE FUNCTION keybatch.leased(my_epoch bigint, runs bigint[], row_numbers bigint[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    missing bigint;
BEGIN
    IF cardinality(runs) > 0 THEN
        SELECT count(*) INTO missing FROM unnest(runs, row_numbers) AS w (run_no, row_no) WHERE NOT EXISTS
            (SELECT 1 FROM keybatch.lease AS l WHERE l.run_no = w.run_no AND l.row_no = w.row_no AND l.epoch = my_epoch);
        PERFORM keybatch.expect('row that is not leased', 0, missing);
    END IF;
END
$$;

-- Whether a batch holds late answers and nothing else, at a time when no session has the journal for itself: such a one counts on being the
-- only one that writes.
CREATE FUNCTION keybatch.is_only_late(bodies text[], small jsonb, rows bigint[]) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN cardinality(bodies) > 0 AND small IS NULL AND cardinality(rows) = 0
        AND (SELECT bool_and((keybatch.members(b)).kind IS NOT DISTINCT FROM 'answer_late') FROM unnest(bodies) AS b)
        AND (SELECT h.until = '-infinity' FROM keybatch.holder AS h WHERE h.id = 0);
END
$$;

-- A runner opens its session, where this is the first of its entries. Null: it may. `busy`: runners of another run are alive, with who.
-- `ended`: the run has ended meanwhile. Runners of another run that have lapsed are fenced off.
CREATE FUNCTION keybatch.opens(me keybatch.runner, body text, seq bigint) RETURNS TABLE (said text, its_holder text)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    opened keybatch.members := keybatch.members(body); its_run bigint;
BEGIN
    IF opened.kind IS DISTINCT FROM 'session_opened' THEN
        RETURN NEXT;
        RETURN;
    END IF;
    its_run := keybatch.whole(opened.run);
    PERFORM 1 FROM keybatch.run AS r WHERE r.run_no = its_run AND r.state IN ('running', 'stopped') AND r.started_seq IS NOT NULL;
    IF NOT FOUND THEN
        said := 'ended';
        RETURN NEXT;
        RETURN;
    END IF;
    PERFORM 1 FROM keybatch.runner AS r WHERE NOT r.fenced AND r.run_no <> its_run ORDER BY r.epoch FOR UPDATE;
    SELECT 'busy', r.holder INTO said, its_holder FROM keybatch.runner AS r
        WHERE NOT r.fenced AND r.run_no <> its_run AND r.until > clock_timestamp() ORDER BY r.until DESC, r.epoch LIMIT 1;
    IF NOT FOUND THEN
        WITH gone AS (UPDATE keybatch.runner AS r SET fenced = true, fenced_by = me.holder
                      WHERE NOT r.fenced AND r.run_no <> its_run RETURNING r.epoch)
        DELETE FROM keybatch.lease AS l USING gone WHERE l.epoch = gone.epoch;
        UPDATE keybatch.runner AS r SET run_no = its_run, session_no = seq WHERE r.epoch = me.epoch;
    END IF;
    RETURN NEXT;
END
$$;

-- The one way to write. For a session that works alone as ever: it locks the head, compares it with what the session left, and takes the
-- whole batch or nothing. A runner's epoch is compared with its own row instead; its rows must be leased to it; a runner that is fenced off
-- may add late answers. `said` is `taken`, with how many entries that were; `moved` if the head is another one; `fenced` if others took the
-- journal or rows over, with who; `busy` and `ended` as keybatch.opens says. Only after `taken` was anything written.
CREATE OR REPLACE FUNCTION keybatch.append(
    my_epoch bigint, old_size bigint, old_root bytea, new_size bigint, new_root bytea, new_frontier bytea,
    covered bigint, covered_at text, bodies text[], leaves bytea[], small jsonb DEFAULT NULL,
    intent_run bigint[] DEFAULT '{}', intent_row bigint[] DEFAULT '{}', intent_target bigint[] DEFAULT '{}',
    intent_name text[] DEFAULT '{}', intent_verdict text[] DEFAULT '{}', intent_seq bigint[] DEFAULT '{}',
    attempt_run bigint[] DEFAULT '{}', attempt_row bigint[] DEFAULT '{}', attempt_attempt bigint[] DEFAULT '{}',
    attempt_seq bigint[] DEFAULT '{}',
    ended_run bigint[] DEFAULT '{}', ended_row bigint[] DEFAULT '{}', ended_attempt bigint[] DEFAULT '{}',
    ended_seq bigint[] DEFAULT '{}', ended_class text[] DEFAULT '{}',
    other_run bigint[] DEFAULT '{}', other_row bigint[] DEFAULT '{}', other_seq bigint[] DEFAULT '{}',
    decided_run bigint[] DEFAULT '{}', decided_row bigint[] DEFAULT '{}', decided_seq bigint[] DEFAULT '{}',
    decided_outcome text[] DEFAULT '{}', decided_evidence text[] DEFAULT '{}'
) RETURNS TABLE (said text, taken bigint, its_holder text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_size bigint; found_root bytea; changed bigint; one jsonb; me keybatch.runner; is_runner boolean; is_late boolean := false;
BEGIN
    PERFORM keybatch.settings();
    SELECT h.size, h.root INTO found_size, found_root FROM keybatch.head AS h WHERE h.id = 0 FOR UPDATE;
    SELECT r.* INTO me FROM keybatch.runner AS r WHERE r.epoch = my_epoch FOR UPDATE;
    is_runner := FOUND;
    IF is_runner THEN
        is_late := me.fenced;
        IF me.fenced AND NOT keybatch.is_only_late(bodies, small, attempt_run || ended_run || decided_run) THEN
            SELECT 'fenced', 0, coalesce(me.fenced_by, h.holder) INTO said, taken, its_holder FROM keybatch.holder AS h WHERE h.id = 0;
            RETURN NEXT;
            RETURN;
        END IF;
        PERFORM keybatch.prolong(my_epoch);
    ELSE
        UPDATE keybatch.holder AS h SET renewals = h.renewals + 1,
                until = CASE WHEN h.until = '-infinity' THEN h.until ELSE clock_timestamp() + interval '20 seconds' END
            WHERE h.id = 0 AND h.epoch = my_epoch;
        IF NOT FOUND THEN
            SELECT 'fenced', 0, h.holder INTO said, taken, its_holder FROM keybatch.holder AS h WHERE h.id = 0;
            RETURN NEXT;
            RETURN;
        END IF;
    END IF;
    IF (found_size, found_root) IS DISTINCT FROM (old_size, old_root) THEN
        said := 'moved';
        taken := 0;
        RETURN NEXT;
        RETURN;
    END IF;

    IF is_runner AND NOT is_late THEN
        IF me.session_no IS NULL THEN
            SELECT o.said, o.its_holder INTO said, its_holder FROM keybatch.opens(me, bodies[1], old_size) AS o;
            IF said IS NOT NULL THEN
                taken := 0;
                RETURN NEXT;
                RETURN;
            END IF;
        END IF;
        PERFORM keybatch.expect('intent of a runner', 0, cardinality(intent_run));
        PERFORM keybatch.leased(my_epoch, attempt_run || ended_run || other_run || decided_run,
                                attempt_row || ended_row || other_row || decided_row);
    END IF;

    INSERT INTO keybatch.entry (seq, body, leaf)
        SELECT old_size + e.place - 1, e.body, e.leaf FROM unnest(bodies, leaves) WITH ORDINALITY AS e (body, leaf, place)
        WHERE e.leaf = sha256('\x00'::bytea || convert_to(e.body, 'UTF8'));
    GET DIAGNOSTICS taken = ROW_COUNT;
    PERFORM keybatch.expect('entry', cardinality(leaves), taken);
    PERFORM keybatch.expect('head', (new_size - old_size)::integer, taken);

    IF small IS NOT NULL THEN
        FOR one IN SELECT s.value FROM jsonb_array_elements(small) WITH ORDINALITY AS s ORDER BY s.ordinality LOOP
            PERFORM keybatch.change(one);
        END LOOP;
    END IF;
    IF cardinality(intent_run) > 0 THEN
        INSERT INTO keybatch.intent (run_no, row_no, target_no, key_pair_name, verdict, seq)
            SELECT * FROM unnest(intent_run, intent_row, intent_target, intent_name, intent_verdict, intent_seq);
    END IF;
    IF cardinality(attempt_run) > 0 THEN
        INSERT INTO keybatch.attempt (run_no, row_no, attempt, started_seq)
            SELECT * FROM unnest(attempt_run, attempt_row, attempt_attempt, attempt_seq);
    END IF;
    IF cardinality(ended_run) > 0 THEN
        UPDATE keybatch.attempt AS a SET finished_seq = f.seq, class = f.class
            FROM unnest(ended_run, ended_row, ended_attempt, ended_seq, ended_class)
                AS f (run_no, row_no, attempt, seq, class)
            WHERE a.run_no = f.run_no AND a.row_no = f.row_no AND a.attempt = f.attempt AND a.finished_seq IS NULL;
        GET DIAGNOSTICS changed = ROW_COUNT;
        PERFORM keybatch.expect('attempt', cardinality(ended_run), changed);
    END IF;
    IF cardinality(other_run) > 0 THEN
        INSERT INTO keybatch.row_entry (run_no, row_no, seq) SELECT * FROM unnest(other_run, other_row, other_seq);
    END IF;
    IF cardinality(decided_run) > 0 THEN
        UPDATE keybatch.intent AS i SET settled_seq = s.seq, outcome = s.outcome, evidence = s.evidence
            FROM unnest(decided_run, decided_row, decided_seq, decided_outcome, decided_evidence)
                AS s (run_no, row_no, seq, outcome, evidence)
            WHERE i.run_no = s.run_no AND i.row_no = s.row_no AND i.settled_seq IS NULL;
        GET DIAGNOSTICS changed = ROW_COUNT;
        PERFORM keybatch.expect('intent', cardinality(decided_run), changed);
        DELETE FROM keybatch.lease AS l USING unnest(decided_run, decided_row) AS s (run_no, row_no)
            WHERE l.run_no = s.run_no AND l.row_no = s.row_no;
    END IF;
    IF is_runner AND EXISTS (SELECT 1 FROM unnest(bodies) AS b WHERE strpos(b, '"kind":"lease_ended"') > 0
                                 AND strpos(b, '"of":' || me.session_no || ',') > 0) THEN
        DELETE FROM keybatch.lease AS l WHERE l.epoch = my_epoch;
    END IF;

    UPDATE keybatch.head AS h SET size = new_size, root = new_root, frontier = new_frontier, checkpoint_size = covered,
            checkpoint_at = covered_at WHERE h.id = 0;
    said := 'taken';
    RETURN NEXT;
END
$$;

-- Claims up to `most` rows of a target for a runner: those that have no outcome and are nobody's, or whose runner has lapsed or was fenced
-- off. `claim_number` counts the claims of the runner: one that is repeated answers as before. `lapsed` are the sessions that had some of the
-- rows; `others` is how many rows other runners have, or are about to have.
CREATE FUNCTION keybatch.claim(my_epoch bigint, its_session bigint, its_run bigint, its_target bigint, most bigint, claim_number bigint)
RETURNS TABLE (said text, its_rows text, lapsed text, others bigint, its_holder text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    me keybatch.runner; gone bigint[]; seen bigint[]; mine bigint[] := '{}'; had bigint[] := '{}'; sessions bigint[] := '{}';
BEGIN
    PERFORM keybatch.settings();
    SELECT r.* INTO me FROM keybatch.runner AS r WHERE r.epoch = my_epoch FOR UPDATE;
    IF NOT FOUND OR me.fenced THEN
        SELECT 'fenced', coalesce(me.fenced_by, h.holder) INTO said, its_holder FROM keybatch.holder AS h WHERE h.id = 0;
        RETURN NEXT;
        RETURN;
    END IF;
    IF (its_run, its_session) IS DISTINCT FROM (coalesce(me.run_no, its_run), coalesce(me.session_no, its_session)) THEN
        RAISE EXCEPTION 'runner: it claims rows for another session than its own' USING ERRCODE = 'KB001';
    END IF;
    said := 'claimed';
    IF claim_number > me.claim_no THEN
        -- Those that renew at this moment are alive. After the server was away from all of them, the first one that is back leaves the
        -- others the time to come back, too.
        gone := ARRAY(SELECT r.epoch FROM keybatch.runner AS r WHERE r.run_no = its_run AND r.epoch <> my_epoch AND NOT r.fenced
                      AND r.until <= clock_timestamp() AND me.until > clock_timestamp() AND me.since + r.lasts <= clock_timestamp()
                      FOR UPDATE SKIP LOCKED);
        gone := ARRAY(SELECT r.epoch FROM keybatch.runner AS r
                      WHERE (r.epoch = ANY (gone) AND r.until <= clock_timestamp()) OR r.fenced);
        FOR tried IN 1 .. 8 LOOP
            seen := ARRAY(SELECT i.row_no FROM keybatch.intent AS i
                          LEFT JOIN keybatch.lease AS l ON l.run_no = i.run_no AND l.row_no = i.row_no
                          WHERE i.run_no = its_run AND i.target_no = its_target AND i.settled_seq IS NULL
                              AND (l.epoch IS NULL OR l.epoch = ANY (gone))
                          ORDER BY i.row_no LIMIT most FOR NO KEY UPDATE OF i SKIP LOCKED);
            -- Another one may have leased them between the first look and the lock.
            SELECT coalesce(array_agg(i.row_no ORDER BY i.row_no), '{}'), coalesce(array_agg(DISTINCT l.epoch)
                       FILTER (WHERE l.epoch IS NOT NULL), '{}') INTO mine, had
                FROM keybatch.intent AS i LEFT JOIN keybatch.lease AS l ON l.run_no = i.run_no AND l.row_no = i.row_no
                WHERE i.run_no = its_run AND i.row_no = ANY (seen) AND i.settled_seq IS NULL
                    AND (l.epoch IS NULL OR l.epoch = ANY (gone));
            EXIT WHEN cardinality(mine) > 0 OR cardinality(seen) = 0;
        END LOOP;
        INSERT INTO keybatch.lease AS l (run_no, row_no, target_no, epoch, claim_no)
            SELECT its_run, m, its_target, my_epoch, claim_number FROM unnest(mine) AS m
            ON CONFLICT (run_no, row_no) DO UPDATE SET epoch = excluded.epoch, claim_no = excluded.claim_no;
        UPDATE keybatch.runner AS r SET fenced = true, fenced_by = me.holder WHERE r.epoch = ANY (had) AND NOT r.fenced;
        -- All of them, not only those whose rows these were a moment ago: whoever took the rows from the first one may have died, or
        -- left, before it could record that.
        sessions := ARRAY(SELECT r.session_no FROM keybatch.runner AS r
                          WHERE r.run_no = its_run AND r.fenced AND r.session_no IS NOT NULL ORDER BY r.session_no);
        UPDATE keybatch.runner AS r SET claim_no = claim_number, claim_lapsed = sessions, run_no = its_run, session_no = its_session
            WHERE r.epoch = my_epoch;
    ELSE
        mine := ARRAY(SELECT l.row_no FROM keybatch.lease AS l
                      WHERE l.epoch = my_epoch AND l.claim_no = claim_number AND l.target_no = its_target ORDER BY l.row_no);
        sessions := me.claim_lapsed;
    END IF;
    PERFORM keybatch.prolong(my_epoch);
    its_rows := array_to_string(mine, ',');
    lapsed := array_to_string(sessions, ',');
    IF cardinality(mine) >= most THEN
        SELECT count(*) INTO others FROM keybatch.lease AS l
            WHERE l.run_no = its_run AND l.target_no = its_target AND l.epoch <> my_epoch;
    ELSE
        SELECT count(*) INTO others FROM keybatch.intent AS i
            WHERE i.run_no = its_run AND i.target_no = its_target AND i.settled_seq IS NULL AND NOT EXISTS
                (SELECT 1 FROM keybatch.lease AS l WHERE l.run_no = i.run_no AND l.row_no = i.row_no AND l.epoch = my_epoch);
    END IF;
    RETURN NEXT;
END
$$;

-- Gives away times at which requests may leave, for several targets at once, so that those of all runners keep to one rate: `granted` of
-- them, the first in `after_us` microseconds and the others `every_us` apart. None begins more than a second from now. A runner that has seen
-- the common rate may change it; one that has not takes it over, unless nobody has used it for a minute.
CREATE FUNCTION keybatch.reserve(
    my_epoch bigint, endpoints text[], accounts text[], regions text[], counts bigint[], rates double precision[], versions bigint[]
) RETURNS TABLE (said text, granted bigint, after_us bigint, every_us bigint, its_rate double precision, its_version bigint, its_holder text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    here timestamptz; first timestamptz; wanted record; p keybatch.pace;
BEGIN
    PERFORM keybatch.settings();
    PERFORM 1 FROM keybatch.runner AS r WHERE r.epoch = my_epoch AND NOT r.fenced;
    IF NOT FOUND THEN
        SELECT 'fenced', coalesce((SELECT r.fenced_by FROM keybatch.runner AS r WHERE r.epoch = my_epoch), h.holder)
            INTO said, its_holder FROM keybatch.holder AS h WHERE h.id = 0;
        RETURN NEXT;
        RETURN;
    END IF;
    INSERT INTO keybatch.pace (endpoint, account_id, region, next, per_s, version)
        SELECT w.endpoint, w.account_id, w.region, clock_timestamp(), w.per_s, 1
        FROM unnest(endpoints, accounts, regions, rates) AS w (endpoint, account_id, region, per_s)
        WHERE NOT EXISTS (SELECT 1 FROM keybatch.pace AS o
                          WHERE o.endpoint = w.endpoint AND o.account_id = w.account_id AND o.region = w.region)
        ORDER BY w.endpoint COLLATE "C", w.account_id COLLATE "C", w.region COLLATE "C"
        ON CONFLICT (endpoint, account_id, region) DO NOTHING;
    PERFORM 1 FROM keybatch.pace AS o WHERE (o.endpoint, o.account_id, o.region) IN
            (SELECT * FROM unnest(endpoints, accounts, regions))
        ORDER BY o.endpoint, o.account_id, o.region FOR UPDATE;
    here := clock_timestamp();
    said := 'reserved';
    FOR wanted IN SELECT * FROM unnest(endpoints, accounts, regions, counts, rates, versions) WITH ORDINALITY
                      AS w (endpoint, account_id, region, count, per_s, version, place) ORDER BY w.place LOOP
        SELECT o.* INTO p FROM keybatch.pace AS o
            WHERE o.endpoint = wanted.endpoint AND o.account_id = wanted.account_id AND o.region = wanted.region;
        IF p.per_s <> wanted.per_s AND (wanted.version = p.version OR (wanted.version = 0 AND p.next < here - interval '1 minute')) THEN
            p.per_s := wanted.per_s;
            p.version := p.version + 1;
        END IF;
        first := greatest(p.next, here);
        granted := greatest(0, least(wanted.count,
            ceil(EXTRACT(epoch FROM here + interval '1 second' - first)::double precision * p.per_s)::bigint));
        after_us := (EXTRACT(epoch FROM first - here) * 1000000)::bigint;
        every_us := (1000000 / p.per_s)::bigint;
        its_rate := p.per_s;
        its_version := p.version;
        UPDATE keybatch.pace AS o SET per_s = p.per_s, version = p.version,
                next = CASE WHEN granted > 0 THEN first + make_interval(secs => granted / p.per_s) ELSE o.next END
            WHERE o.endpoint = p.endpoint AND o.account_id = p.account_id AND o.region = p.region;
        RETURN NEXT;
    END LOOP;
END
$$;

-- Whether this runner ends its run: no row of it is without an outcome, and nobody else ends it who is alive.
CREATE FUNCTION keybatch.may_finish(my_epoch bigint, its_run bigint) RETURNS TABLE (said text, its_holder text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    me keybatch.runner;
BEGIN
    PERFORM keybatch.settings();
    PERFORM 1 FROM keybatch.head WHERE id = 0 FOR UPDATE;
    SELECT r.* INTO me FROM keybatch.runner AS r WHERE r.epoch = my_epoch FOR UPDATE;
    IF NOT FOUND OR me.fenced THEN
        SELECT 'fenced', coalesce(me.fenced_by, h.holder) INTO said, its_holder FROM keybatch.holder AS h WHERE h.id = 0;
        RETURN NEXT;
        RETURN;
    END IF;
    PERFORM keybatch.prolong(my_epoch);
    PERFORM 1 FROM keybatch.runner AS r WHERE r.run_no = its_run AND r.epoch <> my_epoch AND r.finishing AND NOT r.fenced
        ORDER BY r.epoch FOR UPDATE;
    said := 'no';
    IF NOT EXISTS (SELECT 1 FROM keybatch.intent AS i WHERE i.run_no = its_run AND i.settled_seq IS NULL)
            AND EXISTS (SELECT 1 FROM keybatch.run AS r WHERE r.run_no = its_run AND r.state IN ('running', 'stopped'))
            AND NOT EXISTS (SELECT 1 FROM keybatch.runner AS r WHERE r.run_no = its_run AND r.epoch <> my_epoch AND r.finishing
                                AND NOT r.fenced AND r.until > clock_timestamp()) THEN
        UPDATE keybatch.runner AS r SET fenced = true, fenced_by = me.holder
            WHERE r.run_no = its_run AND r.epoch <> my_epoch AND r.finishing AND NOT r.fenced;
        UPDATE keybatch.runner AS r SET finishing = true, run_no = its_run WHERE r.epoch = my_epoch;
        said := 'yes';
    END IF;
    RETURN NEXT;
END
$$;

-- What people ask of sessions at work, and what those answer. Nothing here says what happened: what a session did is in its entries.
--
-- Whom a question is for is fixed when it is asked: the sessions that listen for the run then. Who begins to listen later is asked what still
-- holds of it. Both lock the run's row, so that whoever begins meanwhile is one or the other.
CREATE TABLE keybatch.listener (
    epoch  bigint PRIMARY KEY,
    run_no bigint NOT NULL
);

CREATE TABLE keybatch.question (
    question_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_no      bigint NOT NULL,
    asked_at    timestamptz NOT NULL,
    role        text COLLATE "C" NOT NULL,   -- as whom the server knows whoever asks
    what        text COLLATE "C" NOT NULL,   -- status, pause, continue, rate, stop
    asked       text COLLATE "C" NOT NULL,   -- JSON
    whom        bigint[] NOT NULL            -- epochs
);

CREATE INDEX question_by_run ON keybatch.question (run_no, question_no);

CREATE TABLE keybatch.answer (
    question_no bigint NOT NULL,
    epoch       bigint NOT NULL,
    answer      text COLLATE "C" NOT NULL,   -- JSON
    is_done     boolean NOT NULL,
    PRIMARY KEY (question_no, epoch)
);

-- Whether the session with this epoch works, or may again: one whose time is over goes on if nobody has replaced it.
CREATE FUNCTION keybatch.may_work(its_epoch bigint) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT 1 FROM keybatch.runner AS r WHERE r.epoch = its_epoch AND NOT r.fenced AND r.until > '-infinity')
        OR EXISTS (SELECT 1 FROM keybatch.holder AS h WHERE h.id = 0 AND h.epoch = its_epoch AND h.until > '-infinity')
$$;

-- Whether the session with this epoch works, or did a moment ago: a database that was away has let all of them lapse.
CREATE FUNCTION keybatch.works(its_epoch bigint, within_s integer) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT 1 FROM keybatch.runner AS r WHERE r.epoch = its_epoch AND NOT r.fenced
                   AND r.until > clock_timestamp() - make_interval(secs => within_s))
        OR EXISTS (SELECT 1 FROM keybatch.holder AS h WHERE h.id = 0 AND h.epoch = its_epoch
                   AND h.until > clock_timestamp() - make_interval(secs => within_s))
$$;

-- Begins to listen for the run. What those who listen keep to holds for this session, too: whether the run is paused, and its rate.
CREATE FUNCTION keybatch.listen(my_epoch bigint, its_run bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM keybatch.settings();
    PERFORM 1 FROM keybatch.run AS r WHERE r.run_no = its_run FOR NO KEY UPDATE;
    DELETE FROM keybatch.listener AS l WHERE l.epoch = my_epoch OR NOT keybatch.may_work(l.epoch);
    UPDATE keybatch.question AS q SET whom = q.whom || my_epoch
        WHERE q.question_no IN (
            SELECT DISTINCT ON (o.what = 'rate') o.question_no FROM keybatch.question AS o
                WHERE o.run_no = its_run AND o.what IN ('pause', 'continue', 'rate')
                  AND EXISTS (SELECT 1 FROM keybatch.listener AS l
                      WHERE l.run_no = its_run AND l.epoch = ANY (o.whom) AND keybatch.works(l.epoch, 60)
                        AND NOT EXISTS (SELECT 1 FROM keybatch.answer AS a
                            WHERE a.question_no = o.question_no AND a.epoch = l.epoch AND NOT a.is_done))
                ORDER BY o.what = 'rate', o.question_no DESC)
          AND q.what <> 'continue' AND NOT my_epoch = ANY (q.whom);
    INSERT INTO keybatch.listener (epoch, run_no) VALUES (my_epoch, its_run);
END
$$;

-- What a session that listens was asked and has not answered.
CREATE FUNCTION keybatch.hear(my_epoch bigint) RETURNS TABLE (question_no bigint, role text, asked text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT q.question_no, q.role, q.asked FROM keybatch.listener AS l JOIN keybatch.question AS q ON q.run_no = l.run_no
        WHERE l.epoch = my_epoch AND my_epoch = ANY (q.whom)
          AND NOT EXISTS (SELECT 1 FROM keybatch.answer AS a WHERE a.question_no = q.question_no AND a.epoch = my_epoch)
        ORDER BY q.question_no
$$;

-- Answers a question. The first answer stands.
CREATE FUNCTION keybatch.reply(its_question bigint, my_epoch bigint, its_answer text, was_done boolean) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM keybatch.settings();
    INSERT INTO keybatch.answer (question_no, epoch, answer, is_done) VALUES (its_question, my_epoch, its_answer, was_done)
        ON CONFLICT DO NOTHING;
END
$$;

-- Asks all sessions that listen for the run. Looks are kept for five minutes, other questions about runs that are over for a week.
CREATE FUNCTION keybatch.ask(its_run bigint, its_what text, its_words text) RETURNS TABLE (question_no bigint, asked_of bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    its_whom bigint[]; old bigint[];
BEGIN
    PERFORM keybatch.settings();
    PERFORM 1 FROM keybatch.run AS r WHERE r.run_no = its_run FOR NO KEY UPDATE;
    old := ARRAY(SELECT q.question_no FROM keybatch.question AS q JOIN keybatch.run AS r ON r.run_no = q.run_no
                 WHERE q.asked_at < clock_timestamp() - interval '5 minutes' AND q.what = 'status'
                    OR q.asked_at < clock_timestamp() - interval '7 days' AND r.state IN ('finished', 'abandoned'));
    DELETE FROM keybatch.answer AS a WHERE a.question_no = ANY (old);
    DELETE FROM keybatch.question AS q WHERE q.question_no = ANY (old);
    its_whom := ARRAY(SELECT l.epoch FROM keybatch.listener AS l WHERE l.run_no = its_run AND keybatch.may_work(l.epoch) ORDER BY l.epoch);
    asked_of := cardinality(its_whom);
    INSERT INTO keybatch.question AS q (run_no, asked_at, role, what, asked, whom)
        VALUES (its_run, clock_timestamp(), session_user, its_what, its_words, its_whom) RETURNING q.question_no INTO question_no;
    RETURN NEXT;
END
$$;

-- The answers to a question, and who can still answer: those whose time is not over.
CREATE FUNCTION keybatch.answers(its_question bigint) RETURNS TABLE (epoch bigint, answer text, is_done boolean, works boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT asked.epoch, a.answer, a.is_done, keybatch.works(asked.epoch, 0)
        FROM keybatch.question AS q CROSS JOIN unnest(q.whom) AS asked (epoch)
            LEFT JOIN keybatch.answer AS a ON a.question_no = q.question_no AND a.epoch = asked.epoch
        WHERE q.question_no = its_question ORDER BY asked.epoch
$$;

-- Nobody may execute them but the owner and whoever is granted that.
REVOKE ALL ON FUNCTION keybatch.prolong(bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION keybatch.leased(bigint, bigint[], bigint[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION keybatch.is_only_late(text[], jsonb, bigint[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION keybatch.opens(keybatch.runner, text, bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION keybatch.join(text, interval) FROM PUBLIC;
REVOKE ALL ON FUNCTION keybatch.lock_head(bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION keybatch.claim(bigint, bigint, bigint, bigint, bigint, bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION keybatch.reserve(bigint, text[], text[], text[], bigint[], double precision[], bigint[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION keybatch.may_finish(bigint, bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION keybatch.may_work(bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION keybatch.works(bigint, integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION keybatch.listen(bigint, bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION keybatch.hear(bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION keybatch.reply(bigint, bigint, text, boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION keybatch.ask(bigint, text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION keybatch.answers(bigint) FROM PUBLIC;
