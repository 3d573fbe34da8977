-- The roles of a journal in PostgreSQL. Run it once in the database of the journal, as a superuser or as the database's owner with
-- CREATEROLE:
--
--     psql -X -1 -v ON_ERROR_STOP=1 -f roles.sql DATABASE
--
-- Then let keybatch create the tables as a member of keybatch_owner, and grant the roles to people and machines:
--
--     GRANT keybatch_owner    TO the_one_who_migrates;      -- makes and changes the schema; nobody runs batches as this one
--     GRANT keybatch_runner   TO the_machines_that_delete;  -- appends by the journal's functions, and reads; nothing else
--     GRANT keybatch_reviewer TO the_people_who_check;      -- reads, and verifies; nothing else
--
-- Nobody but its owner can change or remove an entry, and no trigger sees what an owner does to the schema. A checkpoint that is kept
-- elsewhere does.

DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['keybatch_owner', 'keybatch_runner', 'keybatch_reviewer'] LOOP
        IF NOT EXISTS (SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = role) THEN
            EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', role);
        END IF;
    END LOOP;
END
$$;

CREATE SCHEMA IF NOT EXISTS keybatch AUTHORIZATION keybatch_owner;
REVOKE ALL ON SCHEMA keybatch FROM PUBLIC;
GRANT USAGE ON SCHEMA keybatch TO keybatch_runner, keybatch_reviewer;
