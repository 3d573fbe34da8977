-- How the journal is written: functions of the owner's, which a runner may execute and nothing else. A migration is never edited once it
-- has landed.
--
-- Each is one transaction by itself. Each names all that it touches, and runs without anybody's search path.

-- The rows whose locks serialise everything are there from the beginning.
INSERT INTO keybatch.head (id, size, root, frontier) VALUES (0, 0, pg_catalog.sha256(''::bytea), ''::bytea);
INSERT INTO keybatch.holder (id, epoch, renewals, until, holder) VALUES (0, 0, 0, '-infinity', '');

-- What holds in a transaction that writes, whatever the role, the database or a pooler set before: it is durable when it is
-- answered, and does not wait without end.
CREATE FUNCTION keybatch.settings() RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM set_config('lock_timeout', '10s', true);
    IF current_setting('synchronous_commit') <> 'remote_apply' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    IF current_setting('synchronous_commit') NOT IN ('on', 'remote_apply') THEN
        RAISE EXCEPTION 'synchronous_commit stays %', current_setting('synchronous_commit') USING ERRCODE = 'KB002';
    END IF;
END
$$;

-- Takes the journal for a session, unless another one holds it: then this says who, and how often that one has renewed its hold.
CREATE FUNCTION keybatch.take_hold(new_holder text)
RETURNS TABLE (taken boolean, its_epoch bigint, its_renewals bigint, its_holder text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_until timestamptz;
BEGIN
    PERFORM keybatch.settings();
    PERFORM 1 FROM keybatch.head WHERE id = 0 FOR UPDATE;
    SELECT h.epoch, h.renewals, h.until, h.holder INTO its_epoch, its_renewals, found_until, its_holder
        FROM keybatch.holder AS h WHERE h.id = 0 FOR UPDATE;
    -- Only now that the locks are there does the clock say anything.
    taken := found_until <= clock_timestamp();
    IF taken THEN
        UPDATE keybatch.holder AS h SET epoch = h.epoch + 1, renewals = 0, until = clock_timestamp() + interval '20 seconds',
                holder = new_holder WHERE h.id = 0 RETURNING h.epoch, h.renewals INTO its_epoch, its_renewals;
        its_holder := new_holder;
    END IF;
    RETURN NEXT;
END
$$;

-- Goes on holding it. One that was given back stays given back.
CREATE FUNCTION keybatch.renew_hold(my_epoch bigint) RETURNS TABLE (renewed boolean, its_holder text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM keybatch.settings();
    UPDATE keybatch.holder AS h SET renewals = h.renewals + 1,
            until = CASE WHEN h.until = '-infinity' THEN h.until ELSE clock_timestamp() + interval '20 seconds' END
        WHERE h.id = 0 AND h.epoch = my_epoch;
    renewed := FOUND;
    SELECT h.holder INTO its_holder FROM keybatch.holder AS h WHERE h.id = 0;
    RETURN NEXT;
END
$$;

-- Gives it back.
CREATE FUNCTION keybatch.end_hold(my_epoch bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM keybatch.settings();
    UPDATE keybatch.holder AS h SET until = '-infinity' WHERE h.id = 0 AND h.epoch = my_epoch;
    RETURN FOUND;
END
$$;

-- That a statement changed as many rows as it was given.
CREATE FUNCTION keybatch.expect(what text, given integer, changed bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF given <> changed THEN
        RAISE EXCEPTION '%: % of % rows fit what is recorded', what, changed, given USING ERRCODE = 'KB001';
    END IF;
END
$$;

-- One change of a small table, in the words of `journal/postgres/apply.rs`.
CREATE FUNCTION keybatch.change(c jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    its_run bigint := (c ->> 'run')::bigint;
    its_seq bigint := (c ->> 'seq')::bigint;
    changed bigint;
BEGIN
    CASE c ->> 'is'
    WHEN 'milestone' THEN
        INSERT INTO keybatch.milestone (seq, run_no, kind) VALUES (its_seq, its_run, c ->> 'kind');
    WHEN 'reads' THEN
        UPDATE keybatch.run AS r SET reads = r.reads + (c ->> 'requests')::bigint,
            reads_throttled = r.reads_throttled + (c ->> 'throttled')::bigint WHERE r.run_no = its_run;
    WHEN 'checkpoint' THEN
        INSERT INTO keybatch.checkpoint (seq, size, root, made_at)
            VALUES (its_seq, (c ->> 'size')::bigint, c ->> 'root', c ->> 'made_at');
    WHEN 'rate' THEN
        INSERT INTO keybatch.rate AS r (endpoint, account_id, region, rate_per_s, is_limit, seq)
            VALUES (c ->> 'endpoint', c ->> 'account', c ->> 'region', c ->> 'rate_per_s', (c ->> 'is_limit')::bigint, its_seq)
            ON CONFLICT (endpoint, account_id, region)
            DO UPDATE SET rate_per_s = excluded.rate_per_s, is_limit = excluded.is_limit, seq = excluded.seq;
    WHEN 'resolved' THEN
        INSERT INTO keybatch.resolution AS r (run_no, row_no, seq, outcome, evidence)
            VALUES (its_run, (c ->> 'row')::bigint, its_seq, c ->> 'outcome', c ->> 'evidence')
            ON CONFLICT (run_no, row_no)
            DO UPDATE SET seq = excluded.seq, outcome = excluded.outcome, evidence = excluded.evidence;
    WHEN 'session' THEN
        UPDATE keybatch.run AS r SET sessions = r.sessions + 1 WHERE r.run_no = its_run;
    WHEN 'state' THEN
        UPDATE keybatch.run AS r SET state = c ->> 'state', stopped_by = c ->> 'stopped_by', finished_at = c ->> 'finished_at'
            WHERE r.run_no = its_run;
    WHEN 'started' THEN
        UPDATE keybatch.run AS r SET started_seq = its_seq WHERE r.run_no = its_run;
    WHEN 'sealed' THEN
        UPDATE keybatch.run AS r SET plan_root = c ->> 'plan_root', sealed_seq = its_seq WHERE r.run_no = its_run;
    WHEN 'manifest' THEN
        UPDATE keybatch.run AS r SET manifest = c ->> 'name', manifest_sha256 = c ->> 'sha256',
            rows = (c ->> 'rows')::bigint, manifest_seq = its_seq WHERE r.run_no = its_run;
    WHEN 'target' THEN
        INSERT INTO keybatch.target (target_no, run_no, account_id, region)
            VALUES ((c ->> 'number')::bigint, its_run, c ->> 'account', c ->> 'region');
    WHEN 'run' THEN
        INSERT INTO keybatch.run (run_no, run_id, state, started_at, sessions, account_id, principal_arn, operator, endpoint,
                                  sandbox, reason, ticket)
            VALUES (its_run, c ->> 'id', 'planning', c ->> 'started_at', 1, c ->> 'account', c ->> 'principal_arn', c ->> 'operator',
                    c ->> 'endpoint', (c ->> 'sandbox')::bigint, c ->> 'reason', c ->> 'ticket');
    END CASE;
    GET DIAGNOSTICS changed = ROW_COUNT;
    PERFORM keybatch.expect(c ->> 'is', 1, changed);
END
$$;

-- The one way to write: locks the head, compares it with what the session left, and takes the whole batch or nothing. `said` is
-- `taken`, with how many entries that were; `moved` if the head is another one; `fenced` if another session took the journal over,
-- with who. After the last two nothing was written. In any other case it fails, and nothing was written either; only where no answer
-- comes is it unknown what happened.
CREATE FUNCTION keybatch.append(
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
    found_size bigint; found_root bytea; changed bigint; one jsonb;
BEGIN
    PERFORM keybatch.settings();
    SELECT h.size, h.root INTO found_size, found_root FROM keybatch.head AS h WHERE h.id = 0 FOR UPDATE;
    UPDATE keybatch.holder AS h SET renewals = h.renewals + 1,
            until = CASE WHEN h.until = '-infinity' THEN h.until ELSE clock_timestamp() + interval '20 seconds' END
        WHERE h.id = 0 AND h.epoch = my_epoch;
    IF NOT FOUND THEN
        SELECT 'fenced', 0, h.holder INTO said, taken, its_holder FROM keybatch.holder AS h WHERE h.id = 0;
        RETURN NEXT;
        RETURN;
    END IF;
    IF (found_size, found_root) IS DISTINCT FROM (old_size, old_root) THEN
        said := 'moved';
        taken := 0;
        RETURN NEXT;
        RETURN;
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
    END IF;

    UPDATE keybatch.head AS h SET size = new_size, root = new_root, frontier = new_frontier, checkpoint_size = covered,
            checkpoint_at = covered_at WHERE h.id = 0;
    said := 'taken';
    RETURN NEXT;
END
$$;

-- The head behind its lock, for a session whose last batch was not answered: a transaction that still runs holds that lock, so that what is
-- read here stays so. `said` is `fenced` where another session took the journal over.
CREATE FUNCTION keybatch.find_out(my_epoch bigint)
RETURNS TABLE (said text, its_size bigint, its_root bytea, its_holder text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM keybatch.settings();
    SELECT h.size, h.root INTO its_size, its_root FROM keybatch.head AS h WHERE h.id = 0 FOR UPDATE;
    SELECT CASE WHEN h.epoch = my_epoch THEN 'held' ELSE 'fenced' END, h.holder INTO said, its_holder
        FROM keybatch.holder AS h WHERE h.id = 0;
    RETURN NEXT;
END
$$;

-- Nobody may execute them but the owner and whoever is granted that.
REVOKE ALL ON FUNCTION keybatch.settings() FROM PUBLIC;
REVOKE ALL ON FUNCTION keybatch.take_hold(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION keybatch.renew_hold(bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION keybatch.end_hold(bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION keybatch.find_out(bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION keybatch.expect(text, integer, bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION keybatch.change(jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION keybatch.append FROM PUBLIC;
