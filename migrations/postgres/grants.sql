-- What each role may do, where the roles exist (contrib/postgres/roles.sql). Run after each migration; it may be run again at any time.

DO $$
BEGIN
    IF EXISTS (SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = 'keybatch_runner') THEN
        GRANT USAGE ON SCHEMA keybatch TO keybatch_runner;
        GRANT SELECT ON ALL TABLES IN SCHEMA keybatch TO keybatch_runner;
        GRANT EXECUTE ON FUNCTION keybatch.take_hold, keybatch.renew_hold, keybatch.end_hold, keybatch.append, keybatch.find_out
            TO keybatch_runner;
        GRANT EXECUTE ON FUNCTION keybatch.join, keybatch.lock_head, keybatch.claim, keybatch.reserve, keybatch.may_finish
            TO keybatch_runner;
        GRANT EXECUTE ON FUNCTION keybatch.listen, keybatch.hear, keybatch.reply, keybatch.ask, keybatch.answers TO keybatch_runner;
        GRANT EXECUTE ON FUNCTION keybatch.members, keybatch.object, keybatch.storable, keybatch.whole, keybatch.string
            TO keybatch_runner;
        GRANT USAGE ON TYPE keybatch.members TO keybatch_runner;
    END IF;
    IF EXISTS (SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = 'keybatch_reviewer') THEN
        GRANT USAGE ON SCHEMA keybatch TO keybatch_reviewer;
        -- Tables as well as views: `verify` compares both. No table holds more than the view `entries` shows, but
        -- what people ask of sessions at work, and who those are.
        GRANT SELECT ON ALL TABLES IN SCHEMA keybatch TO keybatch_reviewer;
        -- What the views read bodies with. Whoever reads a view needs that right, unlike those on its tables.
        GRANT EXECUTE ON FUNCTION keybatch.members, keybatch.object, keybatch.storable, keybatch.whole, keybatch.string
            TO keybatch_reviewer;
        GRANT USAGE ON TYPE keybatch.members TO keybatch_reviewer;
    END IF;
END
$$;
