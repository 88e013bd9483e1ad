/* The tables of a ledger in a database: names and numbers only.
 *
 * Three readers need them: the daemon's two stores (server/ledger/sqlite, server/ledger/postgres), and
 * `sow ledger verify`, which opens a SQLite file without a daemon. SPEC.md, section 21, describes each column.
 * The stores create the tables with the types of their database. tests/http/test_ledger_tables.py compares
 * what they create with this header and with SPEC.md.
 *
 * A changed table needs a new schema version, and a step from the version before (schema.c of each store). */
#ifndef SOWER_PROTO_LEDGER_TABLES_H
#define SOWER_PROTO_LEDGER_TABLES_H

enum {
    /* "Sowr": SQLite's PRAGMA application_id, which says that a file is a ledger. */
    SOWER_LEDGER_APPLICATION_ID = 0x536f7772,
    /* SQLite's PRAGMA user_version. Versions 1 to 3 are older ledgers without chains. */
    SOWER_LEDGER_SQLITE_VERSION = 4,
    /* The column `version` of PostgreSQL's table `ledger`. */
    SOWER_LEDGER_POSTGRES_VERSION = 1,
};

/* The tables that both databases have, as a list for SQL's IN, and how many they are. */
#define SOWER_LEDGER_TABLES "'line', 'experiment', 'trial', 'writer', 'manifest'"
enum { SOWER_LEDGER_TABLE_COUNT = 5 };

/* The columns of each table that both databases have, in the order in which the daemon writes them. */
#define SOWER_LEDGER_EXPERIMENT_COLUMNS "id, root, name, draws, given, first, last, pinned"
#define SOWER_LEDGER_TRIAL_COLUMNS "experiment, trial, draws, first, last"
#define SOWER_LEDGER_WRITER_COLUMNS "id, key, sequence, link, time"
#define SOWER_LEDGER_MANIFEST_COLUMNS "hash, time, text"
#define SOWER_LEDGER_LINE_COLUMNS                                                                            \
    "ledger, time, kind, experiment, writer, sequence, link, trial, count, key, draw, seed, spec, name,"     \
    " shape, dtype, init, layout, manifest, drift"

/* How many lines each owner has added, and was promised: no part of the record. Ledgers that were written before it was
 * needed do not have this table until a daemon opens them. */
#define SOWER_LEDGER_QUOTA_COLUMNS "owner, writer, lines, promised"

/* What only SQLite has: two columns of `line` for the index line_draw. */
#define SOWER_LEDGER_LINE_INDEX_COLUMNS "seed_key, draw_key"

/* A ledger line as it is read: the columns of `line` (l), with those of its experiment (e) and its writer (w)
 * in the places of their numbers. enum sower_ledger_column counts them. */
#define SOWER_LEDGER_RECORD_COLUMNS                                                                          \
    "l.ledger, l.time, l.kind, e.root, e.name, w.key, l.sequence, l.link, l.trial, l.count, l.key, l.draw,"  \
    " l.seed, l.spec, l.name, l.shape, l.dtype, l.init, l.layout, l.manifest, l.drift"

enum sower_ledger_column {
    SOWER_LEDGER_LEDGER,
    SOWER_LEDGER_TIME,
    SOWER_LEDGER_KIND,
    SOWER_LEDGER_ROOT,
    SOWER_LEDGER_EXPERIMENT,
    SOWER_LEDGER_WRITER,
    SOWER_LEDGER_SEQUENCE,
    SOWER_LEDGER_LINK,
    SOWER_LEDGER_TRIAL,
    SOWER_LEDGER_COUNT,
    SOWER_LEDGER_KEY,
    SOWER_LEDGER_DRAW,
    SOWER_LEDGER_SEED,
    SOWER_LEDGER_SPEC,
    SOWER_LEDGER_NAME,
    SOWER_LEDGER_SHAPE,
    SOWER_LEDGER_DTYPE,
    SOWER_LEDGER_INIT,
    SOWER_LEDGER_LAYOUT,
    SOWER_LEDGER_MANIFEST,
    SOWER_LEDGER_DRIFT,
    SOWER_LEDGER_RECORD_COLUMN_COUNT
};

#endif
