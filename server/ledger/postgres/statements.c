#include "server/ledger/postgres/statements.h"

#include "proto/ledger_tables.h"

const char *const sower_postgres_statements[SOWER_POSTGRES_STATEMENTS] = {
    [SOWER_POSTGRES_BEGIN] = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
    /* After waiting for the lock, joined rows could come from an older snapshot. So this statement only locks;
     * later statements see the rows of the previous writer. */
    [SOWER_POSTGRES_LOCK] = "SELECT version, last FROM sower.ledger FOR UPDATE",
    [SOWER_POSTGRES_FIND_WRITER] = "SELECT sequence, link, time FROM sower.writer WHERE key = $1::bytea",
    /* To detect drift, any line of the seed is enough: it is the first one, or its `drift` is the first one. */
    [SOWER_POSTGRES_FIND_DRAWS] =
        "SELECT d.n, l.ledger, coalesce(l.drift, s.first), e.pinned, f.shape, f.dtype, f.init, f.layout"
        " FROM unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::text[]) WITH ORDINALITY"
        " AS d (seed, draw, root, experiment, n)"
        " LEFT JOIN LATERAL (SELECT ledger, drift FROM sower.line"
        " WHERE substr(seed, 1, 8) = substr(d.seed, 1, 8) AND substr(draw, 1, 8) = substr(d.draw, 1, 8)"
        " AND seed IS NOT NULL AND draw = d.draw LIMIT 1) l ON true"
        " LEFT JOIN LATERAL (SELECT coalesce(drift, ledger) AS first FROM sower.line"
        " WHERE l.ledger IS NULL AND substr(seed, 1, 8) = substr(d.seed, 1, 8) AND seed = d.seed LIMIT 1) s"
        " ON true"
        " LEFT JOIN sower.line f ON f.ledger = coalesce(l.drift, s.first)"
        " LEFT JOIN LATERAL (SELECT pinned FROM sower.experiment WHERE name = d.experiment AND root = d.root"
        " LIMIT 1) e ON true",
    [SOWER_POSTGRES_FIND_KEYS] =
        "SELECT r.n, e.given, l.trial, l.count, l.ledger"
        " FROM unnest($1::bytea[], $2::text[], $3::text[]) WITH ORDINALITY AS r (root, experiment, key, n)"
        " LEFT JOIN LATERAL (SELECT id, given FROM sower.experiment WHERE name = r.experiment"
        " AND root = r.root LIMIT 1) e ON true"
        " LEFT JOIN LATERAL (SELECT trial, count, ledger FROM sower.line WHERE experiment = e.id"
        " AND key = r.key LIMIT 1) l ON true",
    [SOWER_POSTGRES_FIND_PIN] =
        "SELECT pinned FROM sower.experiment WHERE name = $1::text AND root = $2::bytea",
    [SOWER_POSTGRES_FIND_MANIFEST] = "SELECT 1 FROM sower.manifest WHERE hash = $1::bytea",
    [SOWER_POSTGRES_INSERT_MANIFEST] =
        "INSERT INTO sower.manifest (" SOWER_LEDGER_MANIFEST_COLUMNS ") VALUES ($1::bytea, $2::bigint,"
        " $3::bytea) ON CONFLICT DO NOTHING",
    [SOWER_POSTGRES_MOVE_HEAD] =
        "INSERT INTO sower.writer (" SOWER_LEDGER_WRITER_COLUMNS ") VALUES"
        " ((SELECT coalesce(max(id), 0) + 1 FROM sower.writer), $1::bytea, $2::bigint, $3::bytea, $4::bigint)"
        " ON CONFLICT (key) DO UPDATE SET sequence = excluded.sequence, link = excluded.link,"
        " time = excluded.time",
    /* The new lines, and their effect on the totals of experiments and trials. Experiment numbers have no gaps,
     * because no other daemon writes at the same time. `given` is not computed as a sum, because it can be one
     * more than the largest bigint. */
    [SOWER_POSTGRES_INSERT_LINES] =
        "WITH new AS MATERIALIZED (SELECT * FROM unnest($2::bigint[], $3::bigint[], $4::bigint[],"
        " $5::bytea[], $6::text[], $7::bigint[], $8::bytea[], $9::bigint[], $10::bigint[], $11::bigint[],"
        " $12::text[], $13::bytea[], $14::bytea[], $15::bigint[], $16::text[], $17::text[], $18::text[],"
        " $19::text[], $20::text[], $21::bytea[], $22::bigint[]) AS new (ledger, time, kind, root, "
        "experiment,"
        " sequence, link, trial, count, given, key, draw, seed, spec, name, shape, dtype, init, layout,"
        " manifest, drift)),"
        " sum AS (SELECT root, experiment AS name, min(ledger) AS ledger, min(time) AS first,"
        " max(time) AS last, count(*) FILTER (WHERE kind = 1) AS draws,"
        " (array_agg(given ORDER BY ledger DESC) FILTER (WHERE kind = 2))[1] AS given,"
        " (array_agg(CASE kind WHEN 3 THEN ledger ELSE 0 END ORDER BY ledger DESC)"
        " FILTER (WHERE kind >= 3))[1] AS pinned FROM new GROUP BY experiment, root),"
        " touched AS (INSERT INTO sower.experiment (" SOWER_LEDGER_EXPERIMENT_COLUMNS ")"
        " SELECT coalesce(e.id, (SELECT coalesce(max(id), 0) FROM sower.experiment)"
        " + row_number() OVER (PARTITION BY e.id IS NULL ORDER BY s.ledger)), s.root, s.name,"
        " coalesce(e.draws, 0) + s.draws, coalesce(s.given, e.given, 0), least(e.first, s.first),"
        " greatest(e.last, s.last), coalesce(s.pinned, e.pinned, 0)"
        " FROM sum s LEFT JOIN sower.experiment e ON e.name = s.name AND e.root = s.root"
        " ON CONFLICT (name, root) DO UPDATE SET draws = excluded.draws, given = excluded.given,"
        " first = excluded.first, last = excluded.last, pinned = excluded.pinned RETURNING id, root, name),"
        " counted AS (INSERT INTO sower.trial AS present (" SOWER_LEDGER_TRIAL_COLUMNS ")"
        " SELECT t.id, new.trial, count(*), min(new.time), max(new.time)"
        " FROM new JOIN touched t ON t.name = new.experiment AND t.root = new.root"
        " WHERE new.kind = 1 GROUP BY t.id, new.trial"
        " ON CONFLICT (experiment, trial) DO UPDATE SET draws = present.draws + excluded.draws,"
        " first = least(present.first, excluded.first), last = greatest(present.last, excluded.last))"
        " INSERT INTO sower.line (" SOWER_LEDGER_LINE_COLUMNS ")"
        " SELECT new.ledger, new.time, new.kind, t.id, w.id, new.sequence, new.link, new.trial, new.count,"
        " new.key, new.draw, new.seed, new.spec, new.name, new.shape, new.dtype, new.init, new.layout,"
        " new.manifest, new.drift"
        " FROM new JOIN touched t ON t.name = new.experiment AND t.root = new.root"
        " CROSS JOIN (SELECT id FROM sower.writer WHERE key = $1::bytea) w",
    [SOWER_POSTGRES_MOVE_LAST] = "UPDATE sower.ledger SET last = $1::bigint",
    /* A commit that waits for a replica must not time out: PostgreSQL would treat it as done. */
    [SOWER_POSTGRES_NO_TIMEOUT] = "SET LOCAL statement_timeout = 0",
    [SOWER_POSTGRES_COMMIT] = "COMMIT",
    /* Of this daemon's own promises memory has the newest state. */
    [SOWER_POSTGRES_FIND_QUOTAS] =
        "SELECT o.owner, (SELECT coalesce(sum(lines + CASE WHEN writer = $1::bytea THEN 0 ELSE promised "
        "END), 0)"
        " FROM sower.quota q WHERE q.owner = o.owner)::bigint FROM unnest($2::text[]) AS o (owner)",
    [SOWER_POSTGRES_WRITE_QUOTAS] =
        "INSERT INTO sower.quota AS present (" SOWER_LEDGER_QUOTA_COLUMNS ")"
        " SELECT owner, $1::bytea, lines, promised FROM unnest($2::text[], $3::bigint[], $4::bigint[])"
        " AS new (owner, lines, promised) ON CONFLICT (owner, writer) DO UPDATE SET"
        " lines = present.lines + excluded.lines, promised = excluded.promised",
    /* Tables with their indexes and long values. */
    [SOWER_POSTGRES_MEASURE] =
        ("SELECT l.last, (SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_catalog.pg_class c"
         " WHERE c.relnamespace = 'sower'::regnamespace AND c.relkind = 'r') FROM sower.ledger l"),
};
