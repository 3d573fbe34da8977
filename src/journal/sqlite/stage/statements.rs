//! The statements of the scratch database.

pub(super) const SCHEMA: &str = "
    CREATE TABLE row (row_no INTEGER PRIMARY KEY, account TEXT NOT NULL, region TEXT NOT NULL,
                      name TEXT NOT NULL, named TEXT, body TEXT NOT NULL) STRICT;
    CREATE TABLE seen (account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL,
                       PRIMARY KEY (account, region, name)) STRICT, WITHOUT ROWID;
    CREATE TABLE used (account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL, instances INTEGER NOT NULL,
                       example TEXT NOT NULL, PRIMARY KEY (account, region, name)) STRICT, WITHOUT ROWID;
    CREATE TABLE known (account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL, same INTEGER NOT NULL,
                        identity TEXT NOT NULL, run TEXT NOT NULL, began_at TEXT NOT NULL,
                        PRIMARY KEY (account, region, name, same, identity)) STRICT, WITHOUT ROWID;";
pub(super) const INDEX: &str = "CREATE INDEX row_by_name ON row (account, region, name, row_no)";
pub(super) const PUT_ROW: &str = "INSERT INTO row SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, \
     value ->> 5      FROM json_each(?)";
/// A page may repeat a key pair of the previous page. Two key pairs of one name cannot be told apart by their name, and stay
/// so whatever else is listed.
pub(super) const PUT_SEEN: &str = "INSERT INTO seen SELECT ?1, ?2, value ->> 0, value ->> 1 FROM json_each(?3) WHERE true \
     ON CONFLICT (account, region, name) DO UPDATE SET body = CASE WHEN body = '' THEN '' \
     WHEN json_extract(body, '$[0]') IS json_extract(excluded.body, '$[0]') \
     AND json_extract(body, '$[1]') IS json_extract(excluded.body, '$[1]') \
     THEN excluded.body ELSE '' END";
pub(super) const PUT_USED: &str = "INSERT INTO used SELECT ?1, ?2, value ->> 0, 1, value ->> 1 FROM json_each(?3) WHERE true \
     ON CONFLICT (account, region, name) DO UPDATE SET instances = instances + 1";
/// Which of these (account, region, name, number) the rows name, as a JSON array of the numbers.
pub(super) const AMONG: &str = "SELECT json_group_array(value ->> 3) FROM json_each(?1) \
     WHERE EXISTS (SELECT 1 FROM row WHERE account = iif(value ->> 0 = ?2, '', value ->> 0) AND region = value ->> 1 \
     AND name = value ->> 2)";
/// For each identity, the latest run that knew it is kept; for a name without a key pair, the first run that found none.
pub(super) const PUT_KNOWN: &str = "INSERT INTO known SELECT iif(value ->> 0 = ?4, '', value ->> 0), value ->> 1, value ->> 2, ?1, value -> 3, \
     ?2, value ->> 4 \
     FROM json_each(?3) WHERE true ON CONFLICT (account, region, name, same, identity) \
     DO UPDATE SET run = excluded.run, began_at = excluded.began_at WHERE identity <> 'null'";
/// The next page of rows as one text, with a JSON array per line. What was staged is JSON already, and passing a thousand rows
/// through the connection's channel one by one costs more than finding them does. (`+ 0`: see `PENDING`.)
macro_rules! page_of_rows {
    ($used:literal, $first:literal, $known:literal, $joins:literal, $where:literal) => {
        concat!(
            "SELECT group_concat(record, char(10)) FROM (SELECT concat('[', r.row_no, ',', json_quote(r.account), ',', json_quote(r.region), ',', \
             json_quote(r.name), ',', r.body, ',', ifnull(nullif(s.body, ''), 'null'), ',', \
             iif(s.body = '', 'true', 'false'), ',', ",
            $used,
            ", ',', ",
            $first,
            ", ',', ",
            $known,
            ", ']') AS record FROM row AS r LEFT JOIN seen AS s ON s.account = r.account AND s.region = r.region \
             AND s.name = r.name ",
            $joins,
            " WHERE r.row_no > ?1 AND ",
            $where,
            " ORDER BY r.row_no LIMIT ?2 + 0)"
        )
    };
}
macro_rules! with_used {
    ($first:literal, $known:literal, $where:literal) => {
        page_of_rows!(
            "iif(u.instances > 0, concat('[', u.instances, ',', json_quote(u.example), ']'), 'null')",
            $first,
            $known,
            "LEFT JOIN used AS u ON u.account = r.account AND u.region = r.region AND u.name = r.name",
            $where
        )
    };
}
macro_rules! with_twins {
    ($known:literal) => {
        with_used!("(SELECT min(d.row_no) FROM row AS d WHERE d.account = r.account AND d.region = r.region AND d.name = r.name)",
            $known,
            "true"
        )
    };
}
macro_rules! with_known {
    ($statement:ident $(, $more:literal)*) => {
        $statement!(
            $($more,)*
            "(SELECT concat('[', group_concat(concat('[', iif(k.same, 'true', 'false'), ',', k.identity, ',', \
             json_quote(k.run), ',', json_quote(k.began_at), ']')), ']') FROM known AS k \
             WHERE k.account = r.account AND k.region = r.region AND k.name = r.name)"
        )
    };
}
macro_rules! suspects {
    ($first:literal, $known:literal) => {
        with_used!(
            $first,
            $known,
            "((r.account = '' AND r.named <> ?3) OR r.account IN (SELECT value FROM json_each(?6)) OR (?4 AND u.instances > 0) \
             OR (?5 AND EXISTS (SELECT 1 FROM known AS x \
             WHERE x.account = r.account AND x.region = r.region AND x.name = r.name)))"
        )
    };
}
/// If no key pair is in use, no two rows have the same name, or no earlier run knows any of them, nothing is searched for that.
pub(super) const JOINED: &str = page_of_rows!("'null'", "r.row_no", "'[]'", "", "true");
pub(super) const JOINED_USED: &str = with_used!("r.row_no", "'[]'", "true");
pub(super) const JOINED_TWINS: &str = with_twins!("'[]'");
pub(super) const JOINED_KNOWN: &str = with_known!(with_twins);
pub(super) const SUSPECTS: &str = with_known!(suspects, "r.row_no");
pub(super) const FILL_REGION: &str = "UPDATE row SET region = ? WHERE region = '' AND name <> ''";
pub(super) const SETTLE_HOME: &str = "UPDATE row SET account = '' WHERE account = ?";
pub(super) const REPLACE: &str = "UPDATE row SET body = ? WHERE row_no = ?";
pub(super) const HAS_TWINS: &str =
    "SELECT EXISTS (SELECT 1 FROM row WHERE name <> '' GROUP BY account, region, name HAVING count(*) > 1)";
pub(super) const TWINS: &str = "SELECT a.row_no, a.body, b.row_no, b.body, b.name FROM row AS b \
     CROSS JOIN row AS a ON a.row_no = (SELECT min(d.row_no) FROM row AS d \
     WHERE d.account = b.account AND d.region = b.region AND d.name = b.name) \
     WHERE b.row_no > ? AND a.row_no <> b.row_no AND b.name <> '' ORDER BY b.row_no LIMIT ?";
